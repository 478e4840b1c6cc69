import { eventTests } from './database/event-tests.ts'
import type { DatabaseFixture } from './database/fixture.ts'
import { historyTests } from './database/history-tests.ts'
import { linkTests } from './database/link-tests.ts'
import { manyTests } from './database/many-tests.ts'
import { queryTests } from './database/query-tests.ts'
import { refusalTests } from './database/refusal-tests.ts'
import { timeTests } from './database/time-tests.ts'
import { transactionTests } from './database/transaction-tests.ts'
import { writeTests } from './database/write-tests.ts'
import { withFixture, type TestTools } from './test-tools.ts'

/** Declares the tests that a database passes on every store. `make` gives an empty one for each test. */
export function databaseContract(tools: TestTools, name: string, make: () => Promise<DatabaseFixture>): void {
  const test = withFixture(tools, make)
  tools.describe(`${name} keeps the database contract`, () => {
    tools.describe('writing', () => writeTests(test, tools))
    tools.describe('writing many', () => manyTests(test, tools))
    tools.describe('queries', () => queryTests(test, tools))
    tools.describe('relationships', () => linkTests(test, tools))
    tools.describe('history', () => historyTests(test, tools))
    tools.describe('the past, and what is no longer kept of it', () => timeTests(test, tools))
    tools.describe('transactions', () => transactionTests(test, tools))
    tools.describe('events', () => eventTests(test, tools))
    tools.describe('what it refuses', () => refusalTests(test, tools))
  })
}
