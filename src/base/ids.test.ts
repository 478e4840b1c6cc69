import { describe, expect, test } from 'vitest'
import { ulidSource } from './ids.ts'
import { seededRandom, type Random } from './random.ts'

function source(times: number[], random: Random = seededRandom(1)): { next(): string } {
  let last = 0
  return ulidSource({ nowMs: () => (last = times.shift() ?? last), sleep: () => Promise.resolve(), after: () => () => undefined }, random)
}

describe('ulidSource', () => {
  test('gives 26 characters that begin with the time', () => {
    expect(source([1_469_918_176_385]).next()).toMatch(/^01ARYZ6S41[0-9A-HJKMNP-TV-Z]{16}$/)
    expect(source([0]).next()).toMatch(/^0000000000/)
    expect(source([2 ** 48 - 1]).next()).toMatch(/^7ZZZZZZZZZ/)
  })

  test('each id is greater than the one before it, within a millisecond and when the clock steps back', () => {
    const ids = source([50, 50, 50, 40, 30, 51, 51])
    const made = Array.from({ length: 2000 }, () => ids.next())
    expect(made.toSorted()).toEqual(made)
    expect(new Set(made).size).toBe(2000)
  })

  test('the same clock and seed give the same ids', () => {
    expect(source([7], seededRandom(5)).next()).toBe(source([7], seededRandom(5)).next())
    expect(source([7], seededRandom(5)).next()).not.toBe(source([7], seededRandom(6)).next())
  })

  test('goes into the next millisecond when one has used up its numbers', () => {
    const ids = source([100], { bytes: (count) => new Uint8Array(count).fill(255) })
    const first = ids.next()
    expect(first.slice(10)).toBe('FZZZZZZZZZZZZZZZ')
    expect(ids.next().slice(10)).toBe('G000000000000000')
  })
})
