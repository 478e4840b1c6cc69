import { assert } from '../base/assert.ts'
import type { StorageBackend, WriterLock } from '../storage/storage-backend.ts'
import { withFixture, type Fixture, type TestTools } from './test-tools.ts'

/** One store whose backends know the writer role. */
export interface WriterLockFixture extends Fixture {
  readonly backend: StorageBackend
  /** Another backend on the same store at the same time, which takes the role over. */
  readonly takeOver: () => Promise<StorageBackend>
}

/** Declares the tests that every backend with `lockWriter` passes. */
export function writerLockContract(tools: TestTools, name: string, make: () => Promise<WriterLockFixture>): void {
  const test = withFixture(tools, make)
  const { expect } = tools
  tools.describe(`${name} keeps the writer lock contract`, () => {
    test('the writer role is held by one', async ({ backend }) => {
      const held = await lockOf(backend)
      await expect(lockOf(backend)).rejects.toMatchObject({ code: 'WRITER_LOCKED' })
      await held.release()
    })
    test('a released role is free again, and releasing twice is fine', async ({ backend }) => {
      const first = await lockOf(backend)
      await first.release()
      await first.release()
      const second = await lockOf(backend)
      await first.release()
      await expect(lockOf(backend)).rejects.toMatchObject({ code: 'WRITER_LOCKED' })
      await second.release()
    })
    test('of concurrent lockers exactly one gets the role', async ({ backend }) => {
      const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => lockOf(backend)))
      const held = outcomes.filter((outcome) => outcome.status === 'fulfilled')
      expect(held.length).toBe(1)
      await held[0]?.value.release()
    })
    test('a takeover gets the role though another holds it', async ({ backend, takeOver }) => {
      const held = await lockOf(backend)
      await (await lockOf(await takeOver())).release()
      await held.release()
    })
  })
}

function lockOf(backend: StorageBackend): Promise<WriterLock> {
  assert(backend.lockWriter !== undefined, 'this contract is for backends that know the writer role')
  return backend.lockWriter()
}
