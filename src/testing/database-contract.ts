import type { ParqueDB, ParqueDBOptions } from '../db/ParqueDB.ts'
import { eventTests } from './database/event-tests.ts'
import { historyTests } from './database/history-tests.ts'
import { manyTests } from './database/many-tests.ts'
import { queryTests } from './database/query-tests.ts'
import { refusalTests } from './database/refusal-tests.ts'
import { transactionTests } from './database/transaction-tests.ts'
import { writeTests } from './database/write-tests.ts'
import { withFixture } from './test-tools.ts'
import type { Fixture, TestTools } from './test-tools.ts'

/** One database under test, empty. */
export interface DatabaseFixture extends Fixture {
  readonly db: ParqueDB
  /** Closes the database and opens it again, on what is stored. */
  readonly reopen: (options?: Pick<ParqueDBOptions, 'limits' | 'readOnly'>) => Promise<ParqueDB>
}

/** Declares the tests that a database passes on every store. `make` gives an empty one for each test. */
export function databaseContract(tools: TestTools, name: string, make: () => Promise<DatabaseFixture>): void {
  const test = withFixture(tools, make)
  tools.describe(`${name} keeps the database contract`, () => {
    tools.describe('writing', () => writeTests(test, tools))
    tools.describe('writing many', () => manyTests(test, tools))
    tools.describe('queries', () => queryTests(test, tools))
    tools.describe('history', () => historyTests(test, tools))
    tools.describe('transactions', () => transactionTests(test, tools))
    tools.describe('events', () => eventTests(test, tools))
    tools.describe('what it refuses', () => refusalTests(test, tools))
  })
}
