import { describe, expect, test } from 'vitest'
import { logContract } from '../../src/testing/log-contract.ts'
import { storageContract, type StorageFixture } from '../../src/testing/storage-contract.ts'
import { crashEverywhere, failEverywhere, losePowerEverywhere, record } from './crash-points.ts'
import { nothingTold, problemsOf } from './fixed-script.ts'
import { SimulatedDisk } from './SimulatedDisk.ts'

const make = async (): Promise<StorageFixture> => {
  const backend = new SimulatedDisk()
  return { backend, reopen: async () => new SimulatedDisk(backend.afterPowerLoss()), cleanup: async () => undefined }
}
storageContract({ describe, test, expect }, 'SimulatedDisk', make)
logContract({ describe, test, expect }, 'SimulatedDisk', make)

// A shorter script than that of `npm run crash-points`, and fewer of its failures.
const operationCount = 45

describe('at any moment of a script', async () => {
  const recording = await record(operationCount)

  test('a process may die: nothing acknowledged is lost, nothing is there by half', async () => {
    const { checked, violations } = await crashEverywhere(recording, 3)
    expect(violations).toEqual([])
    expect(checked).toBeGreaterThan(50)
  })

  test('the power may go, and any part of what was not synced with it', async () => {
    const { checked, violations } = await losePowerEverywhere(recording, { each: 3, seed: 7, every: 4 })
    expect(violations).toEqual([])
    expect(checked).toBeGreaterThan(50)
  })

  test.each([
    { outcome: 'fails', when: 'before' },
    { outcome: 'fails', when: 'after' },
    { outcome: 'dies', when: 'after' },
  ] as const)('an operation $outcome, $when it is done: what was not acknowledged is done again, once', async (at) => {
    const { checked, violations } = await failEverywhere(operationCount, { ...at, every: 17 })
    expect(violations).toEqual([])
    expect(checked).toBeGreaterThan(15)
  })

  test('what is lost would be noticed', async () => {
    const early = recording.scenes[Math.floor(recording.scenes.length / 2)]
    const late = recording.scenes.at(-1)
    const problems = await problemsOf(new SimulatedDisk(early?.moment.files), late?.told ?? nothingTold())
    expect(problems[0]).toMatch(/was acknowledged and is not there$/)
  })
})
