import type { BitMask } from './parsed-update.ts'

/**
 * The sum. Two numbers add as JavaScript's doubles. With a bigint on either side the result is a bigint when the other is whole,
 * and a number when it is not. Undefined when the result is beyond int64.
 */
export function addNumbers(left: number | bigint, right: number | bigint): number | bigint | undefined {
  if (typeof left === 'number' && typeof right === 'number') return left + right
  const whole = bothWhole(left, right)
  return whole === undefined ? Number(left) + Number(right) : inInt64(whole[0] + whole[1])
}

/** The product, under the rules of addNumbers. */
export function multiplyNumbers(left: number | bigint, right: number | bigint): number | bigint | undefined {
  if (typeof left === 'number' && typeof right === 'number') return left * right
  const whole = bothWhole(left, right)
  return whole === undefined ? Number(left) * Number(right) : inInt64(whole[0] * whole[1])
}

/** Two's complement, of any width. A bigint when either is one. Both must be whole. */
export function applyMask(value: number | bigint, { op, mask }: BitMask): number | bigint {
  const left = BigInt(value)
  const right = BigInt(mask)
  const result = op === 'and' ? left & right : op === 'or' ? left | right : left ^ right
  return typeof value === 'bigint' || typeof mask === 'bigint' ? result : Number(result)
}

function bothWhole(left: number | bigint, right: number | bigint): [bigint, bigint] | undefined {
  if (typeof left === 'number' && !Number.isInteger(left)) return undefined
  if (typeof right === 'number' && !Number.isInteger(right)) return undefined
  return [BigInt(left), BigInt(right)]
}

function inInt64(value: bigint): bigint | undefined {
  return BigInt.asIntN(64, value) === value ? value : undefined
}
