import { describe, expect, test } from 'vitest'
import { utf8Encode } from '../../base/bytes.ts'
import { jsonRows } from './json-rows.ts'
import type { SplitMode } from './JsonSplitter.ts'

const sizes = [1, 2, 3, 7, 64, 100_000]

async function read(text: string | Uint8Array, mode: SplitMode, { chunkBytes = 100_000, bigint = false } = {}): Promise<[number, unknown][]> {
  const bytes = typeof text === 'string' ? utf8Encode(text) : text
  const rows: [number, unknown][] = []
  for await (const group of jsonRows({ where: 'x.json', chunks: chunksOf(bytes, chunkBytes), mode, bigint })) {
    for (const row of group) rows.push([row.line, row.document])
  }
  return rows
}

async function* chunksOf(bytes: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size)
}

describe.each(sizes)('in chunks of %i bytes', (chunkBytes) => {
  test('an array gives its objects, whatever their strings hold', async () => {
    const text = '\ufeff [ {"a": "],[{\\"}"},\n{"b": {"c": [1, [2], {"d": "\\\\"}]}}\n,\n\n  {"é😀": "ü\\\\\\""} ]\n '
    expect(await read(text, 'array', { chunkBytes })).toEqual([
      [1, { a: '],[{"}' }],
      [2, { b: { c: [1, [2], { d: '\\' }] } }],
      [5, { 'é😀': 'ü\\"' }],
    ])
    expect(await read('[]', 'array', { chunkBytes })).toEqual([])
    expect(await read(' [ \n ] ', 'array', { chunkBytes })).toEqual([])
  })

  test('ndjson gives an object a line; blank lines, CRLF and a missing last line end do no harm', async () => {
    const text = '\ufeff{"a":1}\r\n\r\n  \n{"b":"\\n]"}\n{"c":{"$date":"2020-01-02T03:04:05Z"}}'
    expect(await read(text, 'lines', { chunkBytes })).toEqual([
      [1, { a: 1 }],
      [4, { b: '\n]' }],
      [5, { c: new Date(Date.UTC(2020, 0, 2, 3, 4, 5)) }],
    ])
    expect(await read('', 'lines', { chunkBytes })).toEqual([])
  })

  test('a broken file names the line', async () => {
    await expect(read('[{"a":1},\n{"a":1,}]', 'array', { chunkBytes })).rejects.toThrow('x.json, line 2: expected a field name in double quotes')
    await expect(read('[{"a":1}\n,\n]', 'array', { chunkBytes })).rejects.toThrow("x.json, line 3: expected an object between ',' and ']'")
    await expect(read('[{"a":1},,{}]', 'array', { chunkBytes })).rejects.toThrow("x.json, line 1: expected an object before ','")
    await expect(read('[{"a":1}\n', 'array', { chunkBytes })).rejects.toThrow("line 2: the file ends inside its JSON array: ']' is missing")
    await expect(read('[{"a":"1}]', 'array', { chunkBytes })).rejects.toThrow('the file ends inside its JSON array')
    await expect(read('[{"a":1}]\n{}', 'array', { chunkBytes })).rejects.toThrow('line 2: something follows the JSON array')
    await expect(read('{"a":1}\n{}', 'array', { chunkBytes })).rejects.toThrow('line 1: the file does not begin with "["')
    await expect(read('', 'array', { chunkBytes })).rejects.toThrow('the file is empty')
    await expect(read('{"a":1}\n{"a":\n1}', 'lines', { chunkBytes })).rejects.toThrow('x.json, line 2: expected a value, found the end')
    await expect(read('{"a":1}\n{"b":1} {"c":1}\n', 'lines', { chunkBytes })).rejects.toThrow('x.json, line 2: expected the end, found "{"')
    await expect(read('{"a":1}\n\n[1]\n', 'lines', { chunkBytes })).rejects.toThrow('x.json, line 3: expected an object, found an array')
    await expect(read('{"a":1}\n"b"\n', 'lines', { chunkBytes })).rejects.toThrow('x.json, line 2: expected an object, found "b"')
    await expect(read('{"a":1}\n{"a":1,"a":2}\n', 'lines', { chunkBytes })).rejects.toThrow('x.json, line 2: the field "a" is there twice')
    await expect(read('[\n[{"a":1}]}]', 'array', { chunkBytes })).rejects.toThrow('x.json, line 2: expected the end, found "}"')
  })
})

test('a value that Extended JSON does not know names the line', async () => {
  await expect(read('{"a":1}\n{"a":{"$oid":"1"}}', 'lines')).rejects.toMatchObject({ code: 'VALIDATION_FAILED', message: expect.stringContaining('x.json, line 2:') })
  await expect(read('{"a":1}\n{"$id":1}', 'lines')).rejects.toThrow("x.json, line 2: The JSON has a '$id' that is a number; it must be text.")
  await expect(read('{"$date":"2020-01-02T03:04:05Z"}', 'lines')).rejects.toThrow('x.json, line 1: expected an object with fields')
})

test('integers past 2^53 are refused, or kept as bigints', async () => {
  const text = '[{"a":1},\n{"a":9007199254740993}]'
  await expect(read(text, 'array')).rejects.toThrow('x.json, line 2: the integer 9007199254740993 is past 2^53 and would be rounded; write {"$numberLong":"9007199254740993"} or a string (--bigint keeps it exactly)')
  expect(await read(text, 'array', { bigint: true })).toEqual([
    [1, { a: 1 }],
    [2, { a: 9007199254740993n }],
  ])
})

test('a double that is written without a point comes back, as an export has it', async () => {
  const values = [2 ** 53, -(2 ** 63), 1e20]
  expect(await read(values.map((a) => JSON.stringify({ a })).join('\n'), 'lines')).toEqual(values.map((a, index) => [index + 1, { a }]))
})

test('bytes that are not UTF-8 are refused', async () => {
  const broken = new Uint8Array([...utf8Encode('{"a":1}\n{"a":"'), 0xc3, 0x28, ...utf8Encode('"}\n')])
  await expect(read(broken, 'lines')).rejects.toThrow('x.json, line 2: not UTF-8 text')
  await expect(read(new Uint8Array([0xff, 0xfe, 0x7b, 0]), 'lines', { chunkBytes: 1 })).rejects.toThrow('the file is UTF-16')
})

test('a value without end is refused before it fills the memory', async () => {
  async function* endless(): AsyncIterable<Uint8Array> {
    yield utf8Encode('[{"a":1},\n{"a":"')
    for (let index = 0; index < 1_000; index++) yield new Uint8Array(1024 * 1024).fill(0x61)
  }
  const reading = async (): Promise<void> => {
    for await (const group of jsonRows({ where: 'x.json', chunks: endless(), mode: 'array', bigint: false })) expect(group).toHaveLength(1)
  }
  await expect(reading()).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED', message: expect.stringContaining('x.json, line 2: one value is longer than 67108864 characters') })
})
