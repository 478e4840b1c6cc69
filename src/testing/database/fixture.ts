import type { ParqueDBOptions } from '../../db/ParqueDB.ts'
import type { Database } from '../../model/database.ts'
import type { Fixture, FixtureTest } from '../test-tools.ts'

/** One database under test, empty. */
export interface DatabaseFixture extends Fixture {
  readonly db: Database
  /** Closes the database and opens it again, on what is stored. */
  readonly reopen: (options?: Pick<ParqueDBOptions, 'limits' | 'readOnly' | 'schema'>) => Promise<Database>
  /** What this home has not, each with the reason; the contract says that it is refused. */
  readonly without?: { readonly consumers?: string }
}

export type DatabaseTest = FixtureTest<DatabaseFixture>
