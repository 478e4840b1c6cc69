import { describe, expect, test } from 'vitest'
import { utf8Encode } from '../../base/bytes.ts'
import { CsvReader, parseColumnTypes, readCell } from './CsvReader.ts'
import type { CsvColumn, CsvOptions, Misfit } from './CsvReader.ts'

interface Outcome {
  readonly rows: readonly unknown[]
  readonly lines: readonly number[]
  readonly types: Readonly<Record<string, string>>
  readonly misfits: readonly Misfit[]
}

async function read(text: string | Uint8Array, options: Partial<CsvOptions> & { chunkBytes?: number } = {}): Promise<Outcome> {
  const bytes = typeof text === 'string' ? utf8Encode(text) : text
  const reader = new CsvReader({ where: 'x.csv', chunks: chunksOf(bytes, options.chunkBytes ?? 65_536), delimiter: ',', infer: true, types: new Map(), ...options })
  let told: readonly CsvColumn[] = []
  const rows: unknown[] = []
  const lines: number[] = []
  for await (const group of reader.rows((columns) => (told = columns))) {
    for (const row of group) {
      rows.push(row.document)
      lines.push(row.line)
    }
  }
  return { rows, lines, types: Object.fromEntries(told.map(({ name, type }) => [name, type])), misfits: reader.misfits }
}

async function* chunksOf(bytes: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size)
}

describe.each([1, 3, 65_536])('in chunks of %i bytes', (chunkBytes) => {
  test('quotes, line breaks and delimiters in values, CRLF and a byte order mark are read', async () => {
    const text = '\ufeff"id","a ""b""",c\r\n1,"x, ""y""\r\nz",é😀\r\n2,,\r\n3,"","  "\r\n'
    const { rows, lines } = await read(text, { chunkBytes })
    expect(rows).toEqual([{ id: 1, 'a "b"': 'x, "y"\r\nz', c: 'é😀' }, { id: 2 }, { id: 3, 'a "b"': '', c: '  ' }])
    expect(lines).toEqual([2, 4, 5])
  })

  test('a ragged record is refused with its line', async () => {
    await expect(read('a,b\n1,2\n3\n', { chunkBytes })).rejects.toThrow('x.csv, line 3: the record has another number of fields than the header; a value that holds the delimiter must be in double quotes (it has 1)')
    await expect(read('a,b\n1,2\n\n"x\ny",2,3\n', { chunkBytes })).rejects.toThrow('x.csv, line 5: the record has another number of fields than the header')
  })

  test('broken quoting is refused with its line', async () => {
    await expect(read('a,b\n1,"2\n3,4\n', { chunkBytes })).rejects.toThrow('the file ends inside a quoted value')
    await expect(read('a,b\n1,"2"3\n', { chunkBytes })).rejects.toThrow('x.csv, line 2: a double quote stands inside a value')
    await expect(read('a,b\n1,2"3"\n', { chunkBytes })).rejects.toThrow('x.csv, line 2: a double quote stands inside a value')
  })
})

test('line ends of LF, CRLF and CR are one file each', async () => {
  for (const end of ['\n', '\r\n', '\r']) expect((await read(['a,b', '1,2', '3,4'].join(end))).rows).toEqual([{ a: 1, b: 2 }, { a: 3, b: 4 }])
})

test('types are guessed for a column when all of its values have it', async () => {
  const { rows, types } = await read(
    [
      'n,float,flag,day,moment,zip,huge,mixed,none,code',
      '1,1.5,true,2020-02-29,2020-01-01T10:00:00Z,01234,9007199254740993,1,,1.2.3',
      '-2,2e3,FALSE,1969-12-31,2020-01-01 10:00:00.250,12345,1,x,,4',
    ].join('\n'),
  )
  expect(types).toEqual({ n: 'number', float: 'number', flag: 'boolean', day: 'date', moment: 'date', zip: 'string', huge: 'string', mixed: 'string', none: 'string', code: 'string' })
  expect(rows).toEqual([
    { n: 1, float: 1.5, flag: true, day: new Date('2020-02-29T00:00:00Z'), moment: new Date('2020-01-01T10:00:00Z'), zip: '01234', huge: '9007199254740993', mixed: '1', code: '1.2.3' },
    { n: -2, float: 2000, flag: false, day: new Date('1969-12-31T00:00:00Z'), moment: new Date('2020-01-01T10:00:00.250Z'), zip: '12345', huge: '1', mixed: 'x', code: '4' },
  ])
})

test('after the sample a value that does not fit stays a string and is counted', async () => {
  const many = Array.from({ length: 1_000 }, (_, index) => String(index)).join('\n')
  const { rows, misfits } = await read(`n\n${many}\n007\nn/a\n1001\n`)
  expect(rows).toHaveLength(1_003)
  expect(rows.slice(-4)).toEqual([{ n: 999 }, { n: '007' }, { n: 'n/a' }, { n: 1001 }])
  expect(misfits).toEqual([{ column: 'n', type: 'number', count: 2, firstLine: 1_002, firstText: '007' }])
})

test('types that were asked for are kept, and a value that does not fit is an error', async () => {
  const types = parseColumnTypes([['zip', 'string'], ['big', 'bigint']])
  expect((await read('zip,big,n\n12345,9007199254740993,1\n', { types })).rows).toEqual([{ zip: '12345', big: 9007199254740993n, n: 1 }])
  await expect(read('n\n1\nx\n', { types: parseColumnTypes([['n', 'number']]) })).rejects.toThrow('x.csv, line 3: "x" in the column "n" is not a number, which --types asks for')
  await expect(read('n\n1\n', { types: parseColumnTypes([['m', 'number']]) })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: '--types names the column "m", which x.csv does not have; it has: n' })
  expect(() => parseColumnTypes([['m', 'number'], ['m', 'string']])).toThrow('--types names the column "m" twice')
  expect(() => parseColumnTypes([['m', 'int']])).toThrow('--types: "int" for the column "m" is not a type; the types are string, number, boolean, date, bigint')
})

test('without guesses every value is a string', async () => {
  expect((await read('a,b\n1,\n', { infer: false })).rows).toEqual([{ a: '1' }])
})

test('an id is text, whatever it looks like', async () => {
  expect((await read('$id,n\n1,1\n2,2\n')).rows).toEqual([{ $id: '1', n: 1 }, { $id: '2', n: 2 }])
})

test('a quoted empty value is an empty string among strings and absent among numbers', async () => {
  expect((await read('s,n\n"",""\nx,1\n')).rows).toEqual([{ s: '' }, { s: 'x', n: 1 }])
})

test('a header must name every column once', async () => {
  await expect(read('a,a\n1,2\n')).rejects.toThrow('x.csv, line 1: two columns are named "a"')
  await expect(read('a,\n1,2\n')).rejects.toThrow('x.csv, line 1: column 2 has no name')
  await expect(read('')).rejects.toThrow('the file is empty')
  expect((await read('a,b\n')).rows).toEqual([])
})

test('another delimiter makes it TSV', async () => {
  expect((await read('a\tb c\n1\tx, y\n', { delimiter: '\t' })).rows).toEqual([{ a: 1, 'b c': 'x, y' }])
})

test('bytes that are not UTF-8 are refused', async () => {
  await expect(read(new Uint8Array([...utf8Encode('a\nb\n'), 0xe9, 0x0a]))).rejects.toThrow('not UTF-8 text')
})

test('a quote that is never closed is refused before it fills the memory', async () => {
  async function* endless(): AsyncIterable<Uint8Array> {
    yield utf8Encode('a\n"')
    for (let index = 0; index < 1_000; index++) yield new Uint8Array(1024 * 1024).fill(0x61)
  }
  await expect(read('', { chunks: endless() })).rejects.toThrow('a record is longer than 16777216 bytes')
})

test.each([
  ['007', undefined],
  ['+5', undefined],
  ['1,000', undefined],
  [' 1', undefined],
  ['0x10', undefined],
  ['NaN', undefined],
  ['Infinity', undefined],
  ['1e400', undefined],
  ['1e-400', undefined],
  ['9007199254740992', undefined],
  ['9007199254740991', 9007199254740991],
  ['0.30000000000000004', 0.30000000000000004],
  ['0.1234567890123456789', undefined],
  ['1.10', 1.1],
  ['-.097', -0.097],
  ['5.', undefined],
  ['00.5', undefined],
  ['0.000', 0],
  ['-0.5e-3', -0.0005],
])('the text %j is the number %j', (text, expected) => {
  expect(readCell(text, 'number')).toBe(expected)
})

test.each([
  ['2021-02-29', undefined],
  ['2021-13-01', undefined],
  ['2021-1-1', undefined],
  ['01/02/2021', undefined],
  ['2021-01-01T24:30:00', undefined],
  ['2021-01-01T10:00:00.1234Z', undefined],
  ['2021-01-01T10:00', Date.UTC(2021, 0, 1, 10)],
  ['2021-01-01T10:00:00.120000Z', Date.UTC(2021, 0, 1, 10, 0, 0, 120)],
  ['2021-01-01T10:00:00+02:00', Date.UTC(2021, 0, 1, 8)],
  ['0099-01-01', Date.parse('0099-01-01T00:00:00Z')],
])('the text %j is the moment %j', (text, expectedMs) => {
  const value = readCell(text, 'date')
  expect(value instanceof Date ? value.getTime() : value).toBe(expectedMs)
})
