import { isUtf8 } from 'node:buffer'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseJson } from './parse-json.ts'

function valueOf(text: string, bigint = false): unknown {
  const result = parseJson(text, { bigint })
  return result.kind === 'value' ? result.value : result.problem
}

test('reads every kind of value as JSON.parse does', () => {
  const text = ' {"a": [1, -2.5e3, 0, true, false, null, "x\\n\\u00e9\\ud83d\\ude00\\/\\"", {}, []], "": {"b c": "é😀"}} \n'
  expect(valueOf(text)).toEqual(JSON.parse(text))
  expect(Object.is(valueOf('-0'), -0)).toBe(true)
  expect(valueOf('9007199254740991')).toBe(9007199254740991)
  expect(valueOf('1e20')).toBe(1e20)
})

test.each([
  ['', 'expected a value, found the end', 1, 1],
  ["{'a': 1}", 'expected a field name in double quotes, found "\'"', 1, 2],
  ['{"a": 1,}', 'expected a field name in double quotes, found "}"', 1, 9],
  ['[1, 2,]', 'expected a value, found "]"', 1, 7],
  ['{"a" 1}', 'expected \':\' after the field name, found "1"', 1, 6],
  ['{"a": 1 "b": 2}', 'expected \',\' or \'}\', found "\\""', 1, 9],
  ['[1 2]', 'expected \',\' or \']\', found "2"', 1, 4],
  ['{"a": 1}\n}', 'expected the end, found "}"', 2, 1],
  ['[01]', 'not a number as JSON writes it', 1, 2],
  ['[1.]', 'not a number as JSON writes it', 1, 2],
  ['[-]', 'not a number', 1, 2],
  ['NaN', 'expected a value, found "N"', 1, 1],
  ['"a\tb"', 'a control character in a string must be escaped', 1, 3],
  ['"\\x"', 'not an escape that JSON knows', 1, 2],
  ['"\\u12g4"', 'not an escape that JSON knows', 1, 2],
  ['["abc', 'a string is not closed', 1, 2],
])('%j is refused with its reason and place', (text, reason, line, column) => {
  expect(valueOf(text)).toEqual({ reason, line, column })
})

test('what JSON.parse would lose silently is refused', () => {
  expect(valueOf('{"a": 1,\n "a": 2}')).toEqual({ reason: 'the field "a" is there twice in one object', line: 2, column: 2 })
  expect(valueOf('{"__proto__": {"admin": true}}')).toMatchObject({ reason: 'the field name "__proto__" is not allowed' })
  expect(valueOf('{"\\u005f_proto__": 1}')).toMatchObject({ reason: 'the field name "__proto__" is not allowed' })
  expect(valueOf('[9007199254740993]')).toMatchObject({ reason: expect.stringContaining('9007199254740993 is past 2^53') })
  expect(valueOf('1e400')).toMatchObject({ reason: 'the number 1e400 is too large for a double' })
  expect(valueOf('0.1e-400')).toMatchObject({ reason: 'the number 0.1e-400 is too small for a double' })
})

test('a large integer is kept exactly when bigints are asked for, within 64 bits', () => {
  expect(valueOf('[-9223372036854775808, 9007199254740993]', true)).toEqual([{ $numberLong: '-9223372036854775808' }, { $numberLong: '9007199254740993' }])
  expect(valueOf('9223372036854775808', true)).toMatchObject({ reason: expect.stringContaining('does not fit in 64 bits') })
})

test('an integer that JSON.stringify writes for a double is that double, where this is asked for', () => {
  const doubles = (text: string): unknown => parseJson(text)
  for (const value of [2 ** 53, -(2 ** 60), 1.2345678901234567e19, 1e20]) expect(doubles(JSON.stringify(value))).toEqual({ kind: 'value', value })
  expect(doubles('9007199254740993')).toMatchObject({ problem: { reason: 'the integer 9007199254740993 is past 2^53 and would be rounded; write {"$numberLong":"9007199254740993"} or a string' } })
  for (const text of ['12345678901234567890', '1'.repeat(400), '1e400', '{"a":1,"a":2}']) expect(doubles(text)).toMatchObject({ kind: 'loss' })
  for (const text of ['{"a":1', '{"__proto__":1}']) expect(doubles(text)).toMatchObject({ kind: 'problem' })
})

test('nesting is bounded well before the stack is', () => {
  expect(valueOf('['.repeat(104) + ']'.repeat(104))).toBeInstanceOf(Array)
  expect(valueOf('['.repeat(100_000))).toEqual({ reason: 'nested deeper than 104 levels', line: 1, column: 105 })
})

/** Cases that every strict parser is judged by: y_ must be read, n_ refused. The two with equal keys are ours to refuse. */
const suite = resolve(import.meta.dirname, '../../../shared/data/json-parsing')
const cases = existsSync(suite) ? readdirSync(suite).filter((name) => /^[yn]_(?!object_duplicated_key).*\.json$/.test(name)) : []

describe.skipIf(cases.length === 0)('the cases of shared/data/json-parsing (skipped where that folder is absent)', () => {
  test('are read as JSON.parse reads them, or refused', () => {
    const wrong = cases.filter((name) => {
      const bytes = readFileSync(join(suite, name))
      if (!isUtf8(bytes)) return name.startsWith('y_')
      const text = bytes.toString('utf8')
      const result = parseJson(text)
      if (name.startsWith('n_')) return result.kind === 'value'
      return result.kind !== 'value' || JSON.stringify(result.value) !== JSON.stringify(JSON.parse(text))
    })
    expect(wrong).toEqual([])
    expect(cases.length).toBeGreaterThan(200)
  })
})

test('lines count on from where the text begins in its file', () => {
  expect(parseJson('{\n"a": x}', { firstLine: 41 })).toEqual({ kind: 'problem', problem: { reason: 'expected a value, found "x"', line: 42, column: 6 } })
})
