import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { systemClock } from '../base/clock.ts'
import { Courtesy } from './Courtesy.ts'

const keys = [{ ns: 'n', id: 'a' }, { ns: 'n', id: 'b' }] as const

function courtesyAndTime(): { courtesy: Courtesy; pass: () => Promise<void> } {
  const sleepers: (() => void)[] = []
  const courtesy = new Courtesy({ ...systemClock, sleep: () => new Promise((resolve) => sleepers.push(resolve)) })
  return {
    courtesy,
    pass: async () => {
      for (const wake of sleepers) wake()
      await setImmediate()
    },
  }
}

test('a guest that was refused has its turn at what it wanted, until it has changed it', async () => {
  const { courtesy } = courtesyAndTime()
  expect(courtesy.before(keys)).toBeUndefined()
  courtesy.give(keys)
  expect(courtesy.before([{ ns: 'n', id: 'c' }])).toBeUndefined()
  const order: string[] = []
  const writing = courtesy.before([keys[1]])?.then(() => order.push('the writer'))
  await setImmediate()
  order.push('the guest')
  courtesy.end(keys)
  await writing
  expect(order).toEqual(['the guest', 'the writer'])
  expect(courtesy.before(keys)).toBeUndefined()
})

test('no guest has it for longer than a moment, however often it is refused', async () => {
  const { courtesy, pass } = courtesyAndTime()
  courtesy.give(keys)
  const before = courtesy.before(keys)
  courtesy.give(keys)
  await pass()
  expect(courtesy.before(keys)).toBeUndefined()
  await before
})
