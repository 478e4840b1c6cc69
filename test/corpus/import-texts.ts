import type { ErrorCode } from 'parquedb'

/** A file that somebody imports: the fields of its documents in order, or the code that refuses it. */
export interface HostileText {
  readonly name: string
  readonly format: 'json' | 'ndjson' | 'csv' | 'tsv'
  readonly content: string | Uint8Array
  readonly flags?: readonly string[]
  readonly gives?: readonly object[]
  readonly refusal?: ErrorCode
  /** What a refused import leaves: whole batches, which a second document of one id ends. */
  readonly leaves?: readonly object[]
}

const bytes = (...parts: (string | number[])[]): Uint8Array => Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Uint8Array.from(part))))
const mebibyte = 1024 * 1024
const invalid = 'VALIDATION_FAILED'

const csv = (name: string, content: string | Uint8Array, gives: ErrorCode | readonly object[], flags: readonly string[] = []): HostileText => ({ name: `csv: ${name}`, format: 'csv', content, flags, ...(typeof gives === 'string' ? { refusal: gives } : { gives }) })
const ndjson = (name: string, content: string | Uint8Array, gives: ErrorCode | readonly object[], flags: readonly string[] = []): HostileText => ({ name: `ndjson: ${name}`, format: 'ndjson', content, flags, ...(typeof gives === 'string' ? { refusal: gives } : { gives }) })
const json = (name: string, content: string | Uint8Array, gives: ErrorCode | readonly object[], flags: readonly string[] = []): HostileText => ({ name: `json: ${name}`, format: 'json', content, flags, ...(typeof gives === 'string' ? { refusal: gives } : { gives }) })

const csvTexts: readonly HostileText[] = [
  csv('nothing', '', invalid),
  csv('a line end', '\n', invalid),
  csv('a byte order mark', bytes([0xef, 0xbb, 0xbf]), invalid),
  csv('a header', 'a,b', []),
  csv('blank lines', 'a\n\n\n1\n\n', [{ a: 1 }]),
  csv('quotes in quotes', 'a,b\n"x ""y""",""""\n', [{ a: 'x "y"', b: '"' }]),
  csv('line ends in quotes', 'a,b\r\n"1\r\n2\n3\r4",x\r\n', [{ a: '1\r\n2\n3\r4', b: 'x' }]),
  csv('quotes that do not end', 'a,b\n1,"2\n3,4\n', invalid),
  csv('a quote in the middle', 'a\nx"y\n', invalid),
  csv('text behind a quote', 'a\n"x"y\n', invalid),
  csv('a lone quote at the end', 'a\n"', invalid),
  csv('too few fields', 'a,b\n1\n', invalid),
  csv('too many fields', 'a,b\n1,2,3\n', invalid),
  csv('a delimiter too many at the end', 'a,b\n1,2,\n', invalid),
  csv('a column twice', 'a,a\n1,2\n', invalid),
  csv('a column without a name', 'a,\n1,2\n', invalid),
  csv('columns that differ in case', 'a,A\n1,2\n', [{ a: 1, A: 2 }]),
  csv('a column __proto__', '__proto__,a\n1,2\n', invalid),
  csv('a column renamed to __proto__', 'a\n1\n', 'INVALID_ARGUMENT', ['--rename', 'a=__proto__']),
  csv('a column constructor', 'constructor\n1\n', invalid),
  csv('a column toString', 'toString,hasOwnProperty\n1,2\n', [{ toString: 1, hasOwnProperty: 2 }]),
  csv('a column $set', '$set\n1\n', invalid),
  csv('a column of the system', 'version\n1\n', invalid),
  csv('a column with dots', 'a.b,..\n1,2\n', [{ 'a.b': 1, '..': 2 }]),
  csv('a column with a NUL', 'a\0b\n1\n', [{ 'a\0b': 1 }]),
  csv('values that are no numbers', 'a\n007\n+1\n1_000\n0x10\n1e400\n NaN\nInfinity\n-\n.\n', ['007', '+1', '1_000', '0x10', '1e400', ' NaN', 'Infinity', '-', '.'].map((a) => ({ a }))),
  csv('integers at 2^53', 'a\n9007199254740991\n-9007199254740991\n', [{ a: 2 ** 53 - 1 }, { a: -(2 ** 53) + 1 }]),
  csv('integers past 2^53', 'a\n9007199254740993\n', [{ a: '9007199254740993' }]),
  csv('integers past 2^53 as bigint', 'a\n9007199254740993\n-9223372036854775808\n', [{ a: 9007199254740993n }, { a: -(2n ** 63n) }], ['--types', 'a=bigint']),
  csv('integers past 2^63 as bigint', 'a\n9223372036854775808\n', invalid, ['--types', 'a=bigint']),
  csv('a text as a number', 'a\nx\n', invalid, ['--types', 'a=number']),
  csv('-0', 'a\n-0\n', [{ a: -0 }]),
  csv('days that do not exist', 'a\n2021-02-29\n2020-13-01\n', [{ a: '2021-02-29' }, { a: '2020-13-01' }]),
  csv('formulas', 'a\n=cmd|calc!A1\n@SUM(1)\n', [{ a: '=cmd|calc!A1' }, { a: '@SUM(1)' }]),
  csv('latin-1', bytes('a\ncaf', [0xe9], '\n'), invalid),
  csv('UTF-16', bytes([0xff, 0xfe], 'a\0\n\x001\0'), invalid),
  csv('a surrogate as bytes', bytes('a\n', [0xed, 0xa0, 0x80], '\n'), invalid),
  csv('an overlong NUL', bytes('a\n', [0xc0, 0x80], '\n'), invalid),
  csv('text cut inside a character', bytes('a\n', [0xf0, 0x9f, 0x98]), invalid),
  csv('a line of 20 MB', `a\n${'x'.repeat(20 * mebibyte)}\n`, 'LIMIT_EXCEEDED'),
  csv('a quote of 20 MB', `a\n"${'x'.repeat(20 * mebibyte)}`, 'LIMIT_EXCEEDED'),
  csv('12,000 columns', `${Array.from({ length: 12_000 }, (_, n) => `c${n}`).join()}\n${Array.from({ length: 12_000 }, () => '1').join()}\n`, 'LIMIT_EXCEEDED'),
  csv('a zip bomb', bytes([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], 'x'), invalid),
  { name: 'tsv: tabs and commas', format: 'tsv', content: 'a\tb\n1,2\t"x\ty"\n', gives: [{ a: '1,2', b: 'x\ty' }] },
  { name: 'tsv: too many tabs', format: 'tsv', content: 'a\tb\n1\t2\t3\n', refusal: invalid },
]

const ndjsonTexts: readonly HostileText[] = [
  ndjson('nothing', '', []),
  ndjson('blank lines and CRLF', '\r\n{"a":1}\r\n\n  \n{"a":2}', [{ a: 1 }, { a: 2 }]),
  ndjson('a byte order mark', '\ufeff{"a":1}\n', [{ a: 1 }]),
  ndjson('a byte order mark later', '{"a":1}\n\ufeff{"a":2}\n', invalid),
  ndjson('two values on a line', '{"a":1}{"a":2}\n', invalid),
  ndjson('a value on two lines', '{"a":\n1}\n', invalid),
  ndjson('an array', '[{"a":1}]\n', invalid),
  ...['1', '"a"', 'null', 'true', '[]', 'NaN', 'undefined', '{', '}', '{"a":1', '{"a":1},', "{'a':1}", '{a:1}', '{"a":01}', '{"a":1.}', '{"a":.5}', '{"a":+1}', '{"a":0x1}', '{"a":NaN}', '{"a":Infinity}', '{"a":-Infinity}', '{"a":"\t"}', '{"a":"\\x00"}', '{"a":1,}', '{"a":1 /* c */}', '{"a":1e400}', '{"a":-1e400}', '{"a":1e-400}', '{"a":9007199254740993}', '{"a":-9007199254740993}', '{"a":1,"a":2}', '{"a":1,"\\u0061":2}', '{"a":"\\ud800"}', '{"\\udfff":1}', '{"__proto__":1}', '{"a":{"constructor":1}}', '{"$set":{"a":1}}', '{"a":{"$where":"1"}}', '{"a":{"$date":"x"}}', '{"a":{"$date":"2021-02-30T00:00:00Z"}}', '{"a":{"$numberLong":"9223372036854775808"}}', '{"a":{"$numberLong":1}}', '{"a":{"$binary":{"base64":"*","subType":"00"}}}', '{"a":{"$binary":{"base64":"AA==","subType":"04"}}}', '{"a":{"$oid":"0123456789abcdef01234567"}}', '{"$date":"2020-01-01T00:00:00Z"}', '{"version":1}', '{"createdAt":"x"}'].map((line) => ndjson(line, `${line}\n`, invalid)),
  ndjson('numbers as they are', '{"a":[-0,0,1e-7,0.1,9007199254740992.5,5e-324,1.7976931348623157e308,9007199254740991,1e20,0.30000000000000004]}\n', [{ a: [-0, 0, 1e-7, 0.1, 2 ** 53, 5e-324, Number.MAX_VALUE, 2 ** 53 - 1, 1e20, 0.1 + 0.2] }]),
  ndjson('wrappers', '{"a":{"$numberDouble":"NaN"},"b":{"$numberDouble":"-0.0"},"c":{"$numberLong":"-9223372036854775808"},"d":{"$date":{"$numberLong":"-1"}},"e":{"$binary":{"base64":"AAE=","subType":"00"}}}\n', [{ a: NaN, b: -0, c: -(2n ** 63n), d: new Date(-1), e: Uint8Array.of(0, 1) }]),
  ndjson('integers past 2^53 as bigint', '{"a":9007199254740993}\n', [{ a: 9007199254740993n }], ['--bigint']),
  ndjson('integers past 2^63 as bigint', '{"a":9223372036854775808}\n', invalid, ['--bigint']),
  ndjson('names of all kinds', '{"":1,"a.b":{"":2},"\\u0000":3,"toString":4,"\\ud83d\\ude00":5}\n', [{ '': 1, 'a.b': { '': 2 }, '\0': 3, toString: 4, '😀': 5 }]),
  ndjson('the deepest', `{"d":${'['.repeat(99)}${']'.repeat(99)}}\n`, [{ d: JSON.parse('['.repeat(99) + ']'.repeat(99)) as unknown }]),
  ndjson('one too deep', `{"d":${'['.repeat(101)}${']'.repeat(101)}}\n`, 'LIMIT_EXCEEDED'),
  ndjson('10,000 deep', `{"d":${'['.repeat(10_000)}${']'.repeat(10_000)}}\n`, invalid),
  ndjson('a million brackets', '['.repeat(1_000_000), invalid),
  ndjson('100,000 fields', `{${Array.from({ length: 100_000 }, (_, n) => `"k${n}":${n}`).join()}}\n`, 'LIMIT_EXCEEDED'),
  ndjson('a text of 10 MB', `{"a":"${'\\u0041'.repeat(10 * mebibyte)}"}\n`, [{ a: 'A'.repeat(10 * mebibyte) }]),
  ndjson('a text of 17 MB', `{"a":"${'x'.repeat(17 * mebibyte)}"}\n`, 'LIMIT_EXCEEDED'),
  ndjson('a line of 70 MB', `{"a":"${'x'.repeat(70 * mebibyte)}`, 'LIMIT_EXCEEDED'),
  ndjson('latin-1', bytes('{"a":"caf', [0xe9], '"}\n'), invalid),
  ndjson('a surrogate as bytes', bytes('{"a":"', [0xed, 0xb0, 0x80], '"}\n'), invalid),
  ndjson('UTF-16', bytes([0xff, 0xfe], '{\0}\0'), invalid),
  ndjson('NUL bytes', '\0\0\0\0\n', invalid),
  ndjson('ids that climb', '{"$id":"../../etc/passwd","a":1}\n{"$id":"a/b\\u0000","a":2}\n', [{ a: 1 }, { a: 2 }]),
  ndjson('an id that is no text', '{"$id":1}\n', invalid),
  { name: 'ndjson: an id twice', format: 'ndjson', content: '{"$id":"x","a":1}\n{"$id":"x","a":2}\n', refusal: 'ALREADY_EXISTS', leaves: [{ a: 1 }] },
  ndjson('an id field without an id', '{"k":null}\n', invalid, ['--id', 'k']),
]

const jsonTexts: readonly HostileText[] = [
  json('nothing', '', invalid),
  json('an object', '{"a":1}', invalid),
  json('an empty array', ' [ ] ', []),
  json('a comma', '[,]', invalid),
  json('a comma at the end', '[{"a":1},]', invalid),
  json('two commas', '[{"a":1},,{"a":2}]', invalid),
  json('no comma', '[{"a":1}{"a":2}]', invalid),
  json('no end', '[{"a":1}', invalid),
  json('an end too many', '[{"a":1}]]', invalid),
  json('two arrays', '[{"a":1}][{"a":2}]', invalid),
  json('numbers', '[1,2]', invalid),
  json('null', 'null', invalid),
  json('arrays', '[[]]', invalid),
  json('brackets in texts', '[{"a":"]}[{\\"]"},{"b":"\\\\"}]', [{ a: ']}[{"]' }, { b: '\\' }]),
  json('a byte order mark', '\ufeff[{"a":1}]', [{ a: 1 }]),
  json('a million opening brackets', '['.repeat(1_000_000), invalid),
  json('a million objects inside each other', '[' + '{"a":'.repeat(1_000_000), invalid),
]

export const hostileTexts: readonly HostileText[] = [...csvTexts, ...ndjsonTexts, ...jsonTexts]
