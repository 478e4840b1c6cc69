import { expect, test } from 'vitest'
import { Arena } from './Arena.ts'

test('an arena gives arrays of their own, and parts of one buffer once it knows how much is wanted', () => {
  const arena = new Arena()
  const [one, other] = [arena.array(Float64Array, 3), arena.array(Uint8Array, 5)]
  expect(one.buffer).not.toBe(other.buffer)
  arena.reset()
  const [bytes, numbers, codes] = [arena.array(Uint8Array, 5), arena.array(Float64Array, 3), arena.array(Uint16Array, 2)]
  expect([numbers.buffer === bytes.buffer, codes.buffer === bytes.buffer]).toEqual([true, true])
  bytes.fill(255)
  numbers.fill(1.5)
  codes.fill(7)
  expect([[...bytes], [...numbers], [...codes]]).toEqual([[255, 255, 255, 255, 255], [1.5, 1.5, 1.5], [7, 7]])
  arena.reset()
  expect(arena.array(Uint8Array, 5).buffer).toBe(bytes.buffer)
})

test('an arena holds no more than its bound, and gives what is larger by itself', () => {
  const arena = new Arena()
  arena.array(Uint8Array, 64 * 1024 * 1024)
  arena.reset()
  const large = arena.array(Uint8Array, 64 * 1024 * 1024)
  const small = arena.array(Uint8Array, 8)
  expect([large.length, large.buffer === small.buffer]).toEqual([64 * 1024 * 1024, false])
  expect(small.buffer.byteLength).toBe(8 * 1024 * 1024)
})
