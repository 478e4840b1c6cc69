import type { ParqueDB, ParqueDBOptions } from '../../db/ParqueDB.ts'
import type { Fixture, FixtureTest } from '../test-tools.ts'

/** One database under test, empty. */
export interface DatabaseFixture extends Fixture {
  readonly db: ParqueDB
  /** Closes the database and opens it again, on what is stored. */
  readonly reopen: (options?: Pick<ParqueDBOptions, 'limits' | 'readOnly'>) => Promise<ParqueDB>
}

export type DatabaseTest = FixtureTest<DatabaseFixture>
