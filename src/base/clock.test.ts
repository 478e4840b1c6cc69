import { describe, expect, test } from 'vitest'
import { systemClock } from './clock.ts'

describe('a sleep of 0', () => {
  test('ends in a later turn of the event loop, after everything that is ready', async () => {
    const order: string[] = []
    const slept = systemClock.sleep(0).then(() => order.push('slept'))
    await Promise.resolve().then(() => order.push('ready'))
    await slept
    expect(order).toEqual(['ready', 'slept'])
  })
  test.each([
    { name: 'before it', abortsAfter: false },
    { name: 'during it', abortsAfter: true },
  ])('rejects with the reason of a signal that was aborted $name', async ({ abortsAfter }) => {
    const controller = new AbortController()
    const reason = new Error('enough')
    if (!abortsAfter) controller.abort(reason)
    const slept = systemClock.sleep(0, controller.signal)
    controller.abort(reason)
    await expect(slept).rejects.toBe(reason)
  })
})
