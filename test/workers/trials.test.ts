import { expect, test } from 'vitest'
import { recordHistory } from './history.ts'
import { goOnAfterTakeover, killEverywhere, putBack } from './trials.ts'

const timeout = 300_000

// The long form, of 200 runs and 10,000 operations, is `npm run workers-trial`.
test('a process that is killed at steps of commits and flushes loses and doubles nothing', { timeout }, async () => {
  const { acknowledged, violations } = await killEverywhere(6)
  expect(violations).toEqual([])
  expect(acknowledged).toBeGreaterThan(20)
})

test('an object that goes on after another took over harms nothing', { timeout }, async () => {
  expect(await goOnAfterTakeover(2)).toEqual([])
})

test('on a bucket that was put back nothing is written until it is as it was', { timeout }, async () => {
  expect(await putBack()).toEqual([])
})

test('session and strong reads do not go back in time while others write and flush', { timeout }, async () => {
  const { flushes, violations } = await recordHistory(600)
  expect(violations).toEqual([])
  expect(flushes).toBeGreaterThan(5)
})
