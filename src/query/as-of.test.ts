import { describe, expect, test } from 'vitest'
import { parseAsOf } from './as-of.ts'

describe('a point in the past', () => {
  test.each([
    [undefined, undefined],
    [0, { seq: 0 }],
    [17, { seq: 17 }],
    [new Date(5), { ts: 5 }],
    ['1970-01-01', { ts: 0 }],
    ['1970-01-01T00:00Z', { ts: 0 }],
    ['1970-01-01T00:00:01Z', { ts: 1000 }],
    ['1970-01-01T01:00:01.5+01:00', { ts: 1500 }],
    ['1969-12-31T23:59:59.999Z', { ts: -1 }],
    ['2024-02-29', { ts: 1_709_164_800_000 }],
    ['+010000-01-01', { ts: 253_402_300_800_000 }],
  ])('%j is %j', (input, wanted) => {
    expect(parseAsOf(input)).toEqual(wanted)
  })

  test.each([
    [''],
    ['now'],
    ['17'],
    ['2026'],
    ['2026-13-01'],
    ['2026-02-29'],
    ['2026-04-31T00:00:00Z'],
    ['2026-01-01T25:00:00Z'],
    ['2026-01-01T12:00:00'],
    ['2026-01-01 12:00:00Z'],
    ['2026-01-01T12:00:00.1234Z'],
    ['1 March 2026'],
    [Number.NaN],
    [-1],
    [0.5],
    [2 ** 53],
    [null],
    [true],
    [{}],
    [new Date(Number.NaN)],
  ])('%j is none, and INVALID_ARGUMENT', (input) => {
    expect(() => parseAsOf(input, 'from')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { option: 'from' } }))
  })
})
