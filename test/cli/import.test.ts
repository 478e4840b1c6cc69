import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CliProcess, ended, lines } from './cli-process.ts'
import type { Outcome, RunOptions } from './cli-process.ts'

const data = resolve(import.meta.dirname, '../../node_modules/vega-datasets/data')
let cli: CliProcess
let databaseCount = 0

beforeAll(async () => {
  cli = await CliProcess.make()
})
afterAll(() => cli.cleanup())

interface Database {
  readonly db: string
  readonly run: (words: readonly string[], options?: RunOptions) => Promise<Outcome>
  /** A file beside the database. */
  readonly file: (name: string, text: string) => string
}

function newDatabase(): Database {
  const db = cli.path(`db-${++databaseCount}`)
  const prefix = `file-${databaseCount}`
  return {
    db,
    run: (words, options) => cli.run([...words, '--db', db], options),
    file: (name, text) => {
      const path = cli.path(`${prefix}-${name}`)
      writeFileSync(path, text)
      return path
    },
  }
}

function ndjson(count: number, pad = ''): string {
  return Array.from({ length: count }, (_, index) => `${JSON.stringify({ n: index, ...(pad === '' ? {} : { pad }) })}\n`).join('')
}

/** The values of `n`, as often as they are there, in order. */
async function numbers({ run }: Database, ns = 'rows'): Promise<number[]> {
  return lines((await run(['export', ns])).stdout)
    .map((row) => (row as { n: number }).n)
    .sort((left, right) => left - right)
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}

describe('import', () => {
  test('brings the 3,201 films, once however often it is run', async () => {
    const { run } = newDatabase()
    const words = ['import', 'movies', join(data, 'movies.json')]
    expect(lines((await run(words)).stdout)).toMatchObject([{ ns: 'movies', created: 3_201, repeated: 0, interrupted: false }])
    const again = await run(words)
    expect(lines(again.stdout)).toMatchObject([{ created: 0, repeated: 3_201 }])
    expect(again.stderr).toContain('3,201 rows were imported before by the same import')
    expect((await run(['find', 'movies', '{"IMDB Rating":{"$gte":8.5}}', '--count'])).stdout).toBe('{"count":48}\n')
    expect(lines((await run([...words, '--again'])).stdout)).toMatchObject([{ created: 3_201, repeated: 0 }])
    expect((await run(['find', 'movies', '--count'])).stdout).toBe('{"count":6402}\n')
  })

  test('types CSV, says what it guessed, and counts what did not fit', async () => {
    const { run, file } = newDatabase()
    const weather = await run(['import', 'weather', join(data, 'seattle-weather.csv')])
    expect(weather.stderr).toContain('columns: date date, precipitation number, temp_max number, temp_min number, wind number, weather string (dates without a zone are UTC)\n')
    expect(lines((await run(['find', 'weather', '{"date":{"$date":"2012-01-02T00:00:00Z"}}', '--project', 'temp_max,weather'])).stdout)).toMatchObject([{ temp_max: 10.6, weather: 'rain' }])

    const late = file('late.csv', `zip,n\n${'01234,1\n'.repeat(1_000)}99999,007\n`)
    const outcome = await run(['import', 'late', late])
    expect(outcome.stderr).toContain('columns: zip string, n number\n')
    expect(outcome.stderr).toContain('column n: 1 value is no number and stayed text, first "007" on line 1002\n')
    expect(lines((await run(['find', 'late', '{"zip":"99999"}', '--project', 'n'])).stdout)).toMatchObject([{ n: '007' }])

    const odd = file('odd.csv', 'a b,"c,d"\n1,2\n')
    await run(['import', 'odd', odd, '--types', '{"c,d":"string"}', '--types', 'a b=bigint', '--id', 'c,d'])
    expect(lines((await run(['export', 'odd'])).stdout)).toEqual([{ $id: 'odd/2', 'a b': { $numberLong: '1' }, 'c,d': '2' }])
  })

  test('reads tsv by its name, and any delimiter by --delimiter', async () => {
    const { run, file } = newDatabase()
    expect(lines((await run(['import', 'jobs', join(data, 'unemployment.tsv')])).stdout)).toMatchObject([{ created: 3_218 }])
    await run(['import', 'semi', file('semi.csv', 'a;b\n1;x,y\n'), '--delimiter', ';', '--no-infer'])
    expect(lines((await run(['export', 'semi'])).stdout)).toMatchObject([{ a: '1', b: 'x,y' }])
  })

  test('takes ids from a field or from $id, and a rule for those that are there', async () => {
    const { run, file } = newDatabase()
    const first = file('first.ndjson', '{"k":1,"v":"a"}\n{"k":2,"v":"a"}\n')
    const second = file('second.ndjson', '{"k":2,"v":"b"}\n{"k":3,"v":"b"}\n')
    const values = async (): Promise<unknown[]> => lines((await run(['export', 'rows'])).stdout).map((row) => Object.values(row as object).join(' '))
    expect((await run(['import', 'rows', first, '--id', 'k'])).code).toBe(0)
    const refused = await run(['import', 'rows', second, '--id', 'k'])
    expect(refused).toMatchObject({ code: 4, stderr: expect.stringContaining('second.ndjson, line 1: rows/2 exists already') })
    expect(refused.stderr).toContain('--on-conflict skip')
    expect(await values()).toEqual(['rows/1 1 a', 'rows/2 2 a'])
    expect(lines((await run(['import', 'rows', second, '--id', 'k', '--on-conflict', 'skip'])).stdout)).toMatchObject([{ created: 1, skipped: 1 }])
    expect(await values()).toEqual(['rows/1 1 a', 'rows/2 2 a', 'rows/3 3 b'])
    expect(lines((await run(['import', 'rows', second, '--id', 'k', '--on-conflict', 'replace'])).stdout)).toMatchObject([{ created: 0, replaced: 2 }])
    expect(await values()).toEqual(['rows/1 1 a', 'rows/2 2 b', 'rows/3 3 b'])
    expect(await run(['import', 'rows', file('none.ndjson', '{"v":1}\n'), '--on-conflict', 'skip'])).toMatchObject({ code: 2, stderr: expect.stringContaining('needs documents with ids') })
    expect(await run(['import', 'rows', file('noid.ndjson', '{"k":7}\n{"v":1}\n'), '--id', 'k'])).toMatchObject({ code: 2, stderr: expect.stringContaining('line 2: --id names the field "k", and the document has no such field') })
    expect(await run(['import', 'rows', file('both.ndjson', '{"$id":"x","k":1}\n'), '--id', 'k'])).toMatchObject({ code: 2, stderr: expect.stringContaining('has a "$id" of its own') })
  })

  test('refuses names that the database keeps, with the way out', async () => {
    const { run, file } = newDatabase()
    const path = file('versions.ndjson', '{"a":1}\n{"version":"1.2","updatedAt":"x","a":2}\n')
    const refused = await run(['import', 'rows', path])
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('line 2: the field "version" has a name that ParqueDB keeps for itself; import with --rename version=other_name, or leave it out with --drop version') })
    expect(lines((await run(['import', 'rows', path, '--rename', 'version=release', '--drop', 'updatedAt'])).stdout)).toMatchObject([{ created: 2 }])
    expect(lines((await run(['find', 'rows', '{"a":2}', '--project', 'release'])).stdout)).toMatchObject([{ release: '1.2' }])
    expect((await run(['import', 'others', path, '--rename', 'version=release', '--drop', 'updatedAt', '--drop', 'secrett'])).stderr).toBe('no row has the field "secrett", which --rename or --drop names\n')
    expect(await run(['import', 'rows', path, '--rename', 'version=a', '--drop', 'updatedAt'])).toMatchObject({ code: 2, stderr: expect.stringContaining('line 2: the field "a" would be the second one named "a"') })
    expect(await run(['import', 'rows', path, '--rename', 'version'])).toMatchObject({ code: 2, stderr: expect.stringContaining('write old=new') })
  })

  test.each([
    ['cut.json', '[{"a":1},{"a":', "ends inside its JSON array"],
    ['twice.json', '[{"a":1,\n"a":2}]', 'line 2: the field "a" is there twice'],
    ['proto.ndjson', '{"a":1}\n{"__proto__":1}\n', 'line 2: the field name "__proto__" is not allowed'],
    ['large.ndjson', '{"a":9007199254740993}\n', 'line 1: the integer 9007199254740993 is past 2^53'],
    ['surrogate.ndjson', '{"a":1}\n{"a":"\\ud800"}\n', 'line 2: '],
    ['ragged.csv', 'a,b\n1,2\n1,2,3\n', 'line 3: the record has another number of fields'],
    ['object.json', '{"a":1}', 'does not begin with "["'],
    ['empty.csv', '', 'the file is empty'],
  ])('of the broken file %s ends with 2, names the line and imports nothing', async (name, text, reason) => {
    const database = newDatabase()
    const outcome = await database.run(['import', 'rows', database.file(name, text)])
    expect(outcome.code).toBe(2)
    expect(outcome.stderr).toContain(name)
    expect(outcome.stderr).toContain(reason)
    expect((await database.run(['find', 'rows', '--count'])).stdout).not.toMatch(/"count":[1-9]/)
  })

  test('asks for a format where nothing tells it, and refuses options that do not go together', async () => {
    const { db, run, file } = newDatabase()
    expect(await run(['import', 'rows', '-'])).toMatchObject({ code: 2, stderr: expect.stringContaining('add --format json|ndjson|csv|tsv|parquet') })
    expect(await run(['import', 'rows', file('rows.txt', '')])).toMatchObject({ code: 2, stderr: expect.stringContaining('does not tell its format') })
    expect(await run(['import', 'rows', file('rows.json', '[]'), '--types', 'a=string'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--types goes with csv') })
    expect(await run(['import', 'rows', cli.path('missing.json')])).toMatchObject({ code: 3, stderr: expect.stringContaining('missing.json cannot be read') })
    expect(await run(['import', 'rows', cli.folder, '--format', 'json'])).toMatchObject({ code: 2, stderr: expect.stringContaining('is not a file') })
    expect(await run(['import', 'a/b', file('x.json', '[]')])).toMatchObject({ code: 2 })
    expect(existsSync(join(db, 'FORMAT'))).toBe(false)
  })

  test('reads what mongoexport writes, and says how where a type has no place here', async () => {
    const { run, file } = newDatabase()
    const orders = file('orders.ndjson', '{"_id":{"$oid":"507f1f77bcf86cd799439011"},"price":{"$numberDecimal":"12.30"},"at":{"$date":"2020-01-01T00:00:00Z"}}\n')
    expect(await run(['import', 'orders', orders, '--id', '_id'])).toMatchObject({ code: 2, stderr: expect.stringMatching(/line 1: '_id' has '\$oid'.* With --as-text \$oid, .* are read as text\.\n$/) })
    expect(await run(['import', 'orders', orders, '--id', '_id', '--as-text'])).toMatchObject({ code: 0 })
    expect(lines((await run(['export', 'orders'])).stdout)).toEqual([{ $id: 'orders/507f1f77bcf86cd799439011', _id: '507f1f77bcf86cd799439011', price: '12.30', at: { $date: '2020-01-01T00:00:00.000Z' } }])
  })

  test('keeps large integers as bigints when asked to', async () => {
    const { run, file } = newDatabase()
    await run(['import', 'rows', file('large.json', '[{"a":9007199254740993}]'), '--bigint'])
    expect(lines((await run(['find', 'rows', '--project', 'a'])).stdout)).toMatchObject([{ a: { $numberLong: '9007199254740993' } }])
  })
})

test('an export of one collection is imported into another', async () => {
  const { run, file } = newDatabase()
  const path = file('films.ndjson', '{"$id":"films/1","n":1}\n{"$id":"films/2/b","n":2}\n')
  const plain = await run(['import', 'films', path])
  expect(plain).toMatchObject({ code: 0, stderr: expect.not.stringContaining('--from') })
  const whole = await run(['import', 'copies', path])
  expect(whole.stderr.match(/--from films/g)).toHaveLength(1)
  expect(whole.stderr).toContain('"films/1" becomes "copies/films/1"')
  expect((await run(['import', 'others', path, '--from', 'films'])).code).toBe(0)
  expect(lines((await run(['export', 'others'])).stdout)).toEqual([{ $id: 'others/1', n: 1 }, { $id: 'others/2/b', n: 2 }])
  expect(await run(['import', 'more', path, '--from', 'movies'])).toMatchObject({ code: 2, stderr: expect.stringContaining('line 1: the id "films/1" does not begin with "movies/"') })
})

describe('a Parquet file of another program', () => {
  test('is imported with its types', async () => {
    const { db, run } = newDatabase()
    const path = cli.path('films.parquet')
    await writeParquet(path, `select * from (values (1, 'Heat', date '1995-12-15', [8.3, 8.1], 9007199254740993), (2, null, null, null, 5)) as t(n, title, released, "all ratings", big)`)
    expect(lines((await run(['import', 'films', path, '--id', 'n'])).stdout)).toMatchObject([{ created: 2 }])
    expect(lines((await run(['export', 'films'])).stdout)).toEqual([
      { $id: 'films/1', n: 1, title: 'Heat', released: { $date: '1995-12-15T00:00:00.000Z' }, 'all ratings': [8.3, 8.1], big: { $numberLong: '9007199254740993' } },
      { $id: 'films/2', n: 2, big: 5 },
    ])
    const odd = cli.path('odd.parquet')
    await writeParquet(odd, "select i as n, interval (i) month as term, {'from': interval '1 day', 'to': i} as span, [i] as list from range(3) r(i)")
    expect(await run(['import', 'odd', odd, '--drop', 'span'])).toMatchObject({ code: 1, stderr: expect.stringContaining("'term' has the type INTERVAL") })
    const imported = await run(['import', 'odd', odd, ...['term', 'span', 'never', 'n'].flatMap((name) => ['--drop', name]), '--id', 'n'])
    expect(imported).toMatchObject({ code: 0, stderr: expect.stringContaining('no row has the field "never"') })
    expect(imported.stderr).not.toContain('"term"')
    expect(lines((await run(['export', 'odd'])).stdout)).toEqual([0, 1, 2].map((n) => ({ $id: `odd/${n}`, list: [n] })))
    const cut = cli.path('cut.parquet')
    writeFileSync(cut, readFileSync(path).subarray(0, 100))
    expect(await run(['import', 'films', cut])).toMatchObject({ code: 1, stderr: expect.stringContaining('cut.parquet') })
    expect(await cli.run(['import', 'films', '-', '--format', 'parquet', '--db', db])).toMatchObject({ code: 2, stderr: expect.stringContaining('cannot come through a pipe') })
  })
})

describe('an import that was cut off', () => {
  test('by an error in the file goes on behind what is imported, once the file is right', async () => {
    const database = newDatabase()
    const path = database.file('rows.ndjson', `${ndjson(2_500)}{"n":2500\n${ndjson(2_600).split('\n').slice(2_501).join('\n')}`)
    const broken = await database.run(['import', 'rows', path])
    expect(broken).toMatchObject({ code: 2, stderr: expect.stringContaining('line 2501: expected') })
    expect(broken.stderr).toContain('the 2,000 rows before that batch are imported')
    expect(await numbers(database)).toEqual(upTo(2_000))
    writeFileSync(path, readFileSync(path, 'utf8').replace('{"n":2500\n', '{"n":2500}\n'))
    expect(lines((await database.run(['import', 'rows', path])).stdout)).toMatchObject([{ created: 600, repeated: 2_000 }])
    expect(await numbers(database)).toEqual(upTo(2_600))
  })

  test('by Ctrl-C says what is imported, and is continued by the same command', async () => {
    const database = newDatabase()
    const path = database.file('rows.ndjson', ndjson(60_000, 'x'.repeat(100)))
    const child = cli.start(['import', 'rows', path, '--db', database.db])
    const outcome = ended(child)
    await hasBegun(database)
    child.kill('SIGINT')
    const { code, stdout, stderr } = await outcome
    expect(code).toBe(130)
    expect(stderr).toContain('the same command continues it')
    const [result] = lines(stdout) as [{ created: number; interrupted: boolean }]
    expect(result.interrupted).toBe(true)
    expect(result.created % 1_000).toBe(0)
    expect(await numbers(database)).toEqual(upTo(result.created))
    expect(lines((await database.run(['import', 'rows', path])).stdout)).toMatchObject([{ created: 60_000 - result.created, repeated: result.created, interrupted: false }])
    expect(await numbers(database)).toEqual(upTo(60_000))
  })

  test.each([0, 1, 2])('by SIGKILL has every row once after the same command (%i)', async (round) => {
    const database = newDatabase()
    const path = database.file('rows.csv', `n,pad\n${upTo(40_000).map((n) => `${n},${'x'.repeat(60)}\n`).join('')}`)
    for (let kill = 0; kill <= round; kill++) {
      const child = cli.start(['import', 'rows', path, '--db', database.db])
      const outcome = ended(child)
      await Promise.race([hasBegun(database), outcome])
      await sleep(100 * round + 50 * kill)
      child.kill('SIGKILL')
      await outcome
    }
    expect(await database.run(['import', 'rows', path])).toMatchObject({ code: 0 })
    expect(await numbers(database)).toEqual(upTo(40_000))
    expect((await database.run(['verify', '--deep'])).code).toBe(0)
  })

  test('from a pipe is continued under its name', async () => {
    const database = newDatabase()
    const words = ['import', 'rows', '-', '--format', 'ndjson', '--name', 'nightly']
    expect((await database.run(words, { stdin: `${ndjson(1_500)}broken` })).code).toBe(2)
    expect(lines((await database.run(words, { stdin: ndjson(1_500) })).stdout)).toMatchObject([{ created: 500, repeated: 1_000 }])
    expect(await numbers(database)).toEqual(upTo(1_500))
    expect(lines((await database.run(['import', 'rows', '-', '--format', 'ndjson'], { stdin: ndjson(3) })).stdout)).toMatchObject([{ created: 3 }])
  })
})

async function writeParquet(path: string, query: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run(`copy (${query}) to '${path}' (format parquet, compression gzip)`)
  connection.closeSync()
  instance.closeSync()
}

/** Waits until something is imported, as its log shows. */
async function hasBegun({ run }: Database): Promise<void> {
  for (;;) {
    const { code, stdout } = await run(['find', 'rows', '--count'])
    if (code === 0 && !stdout.includes('"count":0')) return
  }
}
