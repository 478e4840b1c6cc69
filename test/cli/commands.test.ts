import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, existsSync, lstatSync, mkdirSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ParqueDB } from '../../src/db/ParqueDB.ts'
import { FsBackend } from '../../src/storage/backends/FsBackend.ts'
import { CliProcess, ended, lines } from './cli-process.ts'
import type { Outcome, RunOptions } from './cli-process.ts'

let cli: CliProcess
let databaseCount = 0

beforeAll(async () => {
  cli = await CliProcess.make()
})
afterAll(() => cli.cleanup())

/** A database of its own, and the command line on it. */
function newDatabase(): { db: string; run: (words: readonly string[], options?: RunOptions) => Promise<Outcome> } {
  const db = cli.path(`db-${++databaseCount}`)
  return { db, run: (words, options) => cli.run([...words, '--db', db], options) }
}

async function withUsers(): Promise<ReturnType<typeof newDatabase>> {
  const database = newDatabase()
  const users = [
    { $id: 'alice', 'full name': 'Alice "Al" Smith', age: 41, tags: ['a', 'b'] },
    { $id: 'bob', 'full name': 'Bob', age: 29, born: { $date: '1995-01-02T00:00:00Z' }, points: { $numberLong: '9007199254740993' } },
    { $id: 'carol/x', 'full name': 'Carol', age: 35, note: null },
  ]
  const { code } = await database.run(['import', 'users', '-', '--format', 'ndjson'], { stdin: users.map((user) => JSON.stringify(user)).join('\n') })
  expect(code).toBe(0)
  return database
}

describe('a document', () => {
  test('is put, read, updated, deleted and restored', async () => {
    const { run } = newDatabase()
    const put = await run(['put', 'users', '{"name":"Alice"}', '--id', 'alice', '--actor', 'ada'])
    expect(put).toMatchObject({ code: 0, stderr: expect.stringMatching(/^creating a database in .*\n$/) })
    expect(lines(put.stdout)).toMatchObject([{ $id: 'users/alice', version: 1, createdBy: 'ada', name: 'Alice' }])

    expect(lines((await run(['update', 'users', 'alice', '{"$inc":{"visits":2}}', '--expect-version', '1'])).stdout)).toMatchObject([{ version: 2, name: 'Alice', visits: 2 }])
    expect(lines((await run(['put', 'users', '{"$id":"users/alice","name":"Alicia"}'])).stdout)).toMatchObject([{ version: 3, name: 'Alicia' }])

    expect(await run(['rm', 'users', 'users/alice'])).toMatchObject({ code: 0, stdout: '{"deleted":"users/alice"}\n' })
    expect(await run(['get', 'users', 'alice'])).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('NOT_FOUND: there is no users/alice') })
    expect(await run(['rm', 'users', 'alice'])).toMatchObject({ code: 3 })

    expect(lines((await run(['restore', 'users', 'alice'])).stdout)).toMatchObject([{ version: 5, name: 'Alicia' }])
    expect(lines((await run(['get', 'users', 'alice', '--at', '2'])).stdout)).toMatchObject([{ version: 2, visits: 2 }])
    expect(await run(['get', 'users', 'alice', '--at', '2001-01-01'])).toMatchObject({ code: 3 })
    expect(await run(['get', 'users', 'alice', '--at', 'yesterday'])).toMatchObject({ code: 2, stderr: expect.stringContaining('INVALID_ARGUMENT') })
    expect(await run(['get', 'users', 'alice', '--at', '99'])).toMatchObject({ code: 2 })
  })

  test('is read from stdin, and what get printed can be put back unless it has changed', async () => {
    const { run } = newDatabase()
    await run(['put', 'users', '--id', 'alice'], { stdin: '{"born":{"$date":"1990-05-01T00:00:00Z"}}' })
    const fetched = (await run(['get', 'users', 'alice'])).stdout
    expect((await run(['put', 'users', '-'], { stdin: fetched.replace('1990', '1991') })).code).toBe(0)
    expect(lines((await run(['get', 'users', 'alice'])).stdout)).toMatchObject([{ version: 2, born: { $date: '1991-05-01T00:00:00.000Z' } }])
    expect(await run(['put', 'users', '-'], { stdin: fetched.replace('1990', '1992') })).toMatchObject({ code: 4, stderr: expect.stringContaining('VERSION_CONFLICT') })
    expect(lines((await run(['get', 'users', 'alice'])).stdout)).toMatchObject([{ version: 2 }])
  })

  test('that is refused changes nothing', async () => {
    const { run } = await withUsers()
    expect(await run(['put', 'users', '{"createdAt":7}', '--id', 'dora'])).toMatchObject({ code: 2, stderr: expect.stringContaining('VALIDATION_FAILED') })
    expect(await run(['put', 'users', '{"a":1', '--id', 'dora'])).toMatchObject({ code: 2, stderr: expect.stringContaining("column 7: expected ',' or '}', found the end") })
    expect(await run(['put', 'users', '[1]'])).toMatchObject({ code: 2, stderr: expect.stringContaining('not an object') })
    expect(await run(['put', 'users', '{"n":9007199254740993}'])).toMatchObject({ code: 2, stderr: expect.stringContaining('$numberLong') })
    expect(await run(['update', 'users', 'alice', '{"age":1}'])).toMatchObject({ code: 2, stderr: expect.stringContaining('INVALID_UPDATE') })
    expect(await run(['update', 'users', 'alice', '{"$inc":{"full name":1}}'])).toMatchObject({ code: 2 })
    expect(await run(['update', 'users', 'alice', '{"$set":{"age":1}}', '--expect-version', '9'])).toMatchObject({ code: 4, stderr: expect.stringContaining('VERSION_CONFLICT') })
    expect(await run(['update', 'users', 'nobody', '{"$set":{"age":1}}'])).toMatchObject({ code: 3 })
    expect(await run(['restore', 'users', 'nobody'])).toMatchObject({ code: 3 })
    expect(lines((await run(['log'])).stdout)).toHaveLength(3)
  })
})

describe('find', () => {
  test('takes filters, sorts, projections and times, with field names that hold spaces and quotes', async () => {
    const { run } = await withUsers()
    const ids = async (...words: string[]): Promise<unknown[]> => lines((await run(['find', 'users', ...words])).stdout).map((each) => (each as { $id: string }).$id)
    expect(await ids()).toEqual(['users/alice', 'users/bob', 'users/carol/x'])
    expect(await ids('{"full name":{"$contains":"\\"Al\\""}}')).toEqual(['users/alice'])
    expect(await ids('{}', '--sort', '{"age":-1}', '--limit', '1', '--skip', '1')).toEqual(['users/carol/x'])
    expect(await ids('{"born":{"$lt":{"$date":"2000-01-01T00:00:00Z"}}}')).toEqual(['users/bob'])
    expect(await ids('{"points":{"$numberLong":"9007199254740993"}}')).toEqual(['users/bob'])
    expect(await ids('--at', '0')).toEqual([])
    expect((await run(['find', 'users', '{"age":{"$gt":30}}', '--count'])).stdout).toBe('{"count":2}\n')
    expect((await run(['find', 'users', '{"$id":"users/bob"}', '--project', 'full name,points'])).stdout).toBe('{"$id":"users/bob","full name":"Bob","points":{"$numberLong":"9007199254740993"}}\n')
  })

  test('says what is wrong with a filter, a sort, a limit or a collection', async () => {
    const { run } = await withUsers()
    expect(await run(['find', 'users', "{'age':1}"])).toMatchObject({ code: 2, stdout: '', stderr: `parquedb: INVALID_FILTER: the filter is not JSON at column 2: expected a field name in double quotes, found "'"; write JSON in single quotes, as in '{"IMDB Rating": {"$gte": 8.5}}'\n` })
    expect(await run(['find', 'users', '{"age":{"$gte8":1}}'])).toMatchObject({ code: 2, stderr: expect.stringContaining('$gte8') })
    expect(await run(['find', 'users', '{}', '--sort', '{"age":"up"}'])).toMatchObject({ code: 2, stderr: expect.stringContaining('INVALID_ARGUMENT') })
    expect(await run(['find', 'users', '--limit', '0'])).toMatchObject({ code: 2, stderr: expect.stringContaining('whole number from 1 up') })
    expect(await run(['find', 'users', '--count', '--limit', '1'])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining("'--count' cannot be used with option '--limit <n>'") })
    expect(await run(['find', 'users', '{}', 'extra'])).toMatchObject({ code: 2, stderr: expect.stringContaining('too many arguments') })
    expect(await run(['find', 'a/b'])).toMatchObject({ code: 2 })
    expect(await run(['find', 'user'])).toMatchObject({ code: 0, stdout: '', stderr: 'there is no collection user; there are: users\n' })
  })

  test('lays documents out for people when asked to, and stored text cannot drive the terminal', async () => {
    const { run } = newDatabase()
    await run(['put', 'users', '{"name":"Alice","evil":"\\u001b[2Jx","text":"007","n":7,"o":{"a":[1]}}', '--id', 'alice'])
    const { stdout } = await run(['find', 'users', '--pretty'])
    expect(stdout.split('\n').slice(1)).toEqual(['  name  Alice', '  evil  "\\u001b[2Jx"', '  text  "007"', '  n     7', '  o     {"a":[1]}', ''])
  })

  test('ends quietly when the reader of its output goes away', async () => {
    const { db, run } = newDatabase()
    const many = Array.from({ length: 5_000 }, (_, index) => JSON.stringify({ index, text: 'x'.repeat(200) })).join('\n')
    await run(['import', 'rows', '-', '--format', 'ndjson'], { stdin: many })
    const child = cli.start(['find', 'rows', '--db', db])
    child.stdout.once('data', () => child.stdout.destroy())
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })
})

describe('the past', () => {
  test('of one document is its history and its differences', async () => {
    const { run } = await withUsers()
    await run(['update', 'users', 'alice', '{"$set":{"age":42},"$unset":{"tags":""}}', '--actor', 'bob'])
    await run(['update', 'users', 'alice', '{"$set":{"age":43}}'])
    const history = lines((await run(['history', 'users', 'alice'])).stdout)
    expect(history).toMatchObject([
      { seq: 1, op: 'CREATE', version: 1, after: { age: 41 } },
      { seq: 4, op: 'UPDATE', version: 2, actor: 'bob', before: { age: 41 }, after: { age: 42 } },
      { seq: 5, op: 'UPDATE', version: 3, before: { age: 42 }, after: { age: 43 } },
    ])
    expect(lines((await run(['history', 'users', 'alice', '--reverse', '--limit', '1'])).stdout)).toMatchObject([{ version: 3 }])
    expect((await run(['history', 'users', 'alice', '--pretty'])).stdout).toContain('\n  tags: removed\n  age: 41 → 42\n')
    expect(await run(['history', 'users', 'nobody'])).toMatchObject({ code: 3 })

    expect(lines((await run(['diff', 'users', 'alice'])).stdout)).toEqual([{ path: 'age', before: 42, after: 43 }])
    expect(lines((await run(['diff', 'users', 'alice', '--from', 'v1', '--to', '4'])).stdout)).toEqual([{ path: 'age', before: 41, after: 42 }, { path: 'tags', before: ['a', 'b'] }])
    expect((await run(['diff', 'users', 'alice', '--from', 'v1', '--to', 'v2', '--pretty'])).stdout).toBe('age: 41 → 42\ntags: ["a","b"] → (absent)\n')
    expect(await run(['diff', 'users', 'bob'])).toMatchObject({ code: 2, stderr: expect.stringContaining('version 1 is the first one') })
    expect(await run(['diff', 'users', 'nobody'])).toMatchObject({ code: 3 })
    expect(await run(['diff', 'users', 'alice', '--from', 'v1', '--to', 'v9'])).toMatchObject({ code: 3 })
  })

  test('of the database is its log', async () => {
    const { run } = await withUsers()
    await run(['put', 'posts', '{"title":"x"}', '--id', 'p'])
    await run(['rm', 'users', 'bob'])
    const targets = async (...words: string[]): Promise<unknown[]> => lines((await run(['log', ...words])).stdout).map((event) => (event as { target: string }).target)
    expect(await targets()).toEqual(['users:alice', 'users:bob', 'users:carol/x', 'posts:p', 'users:bob'])
    expect(await targets('--limit', '2')).toEqual(['posts:p', 'users:bob'])
    expect(await targets('--from-seq', '2', '--limit', '2')).toEqual(['users:bob', 'users:carol/x'])
    expect(await targets('--ns', 'users', '--limit', '3')).toEqual(['users:bob', 'users:carol/x', 'users:bob'])
    expect(await targets('--ns', 'nobody')).toEqual([])
    expect((await run(['log', '--limit', '1', '--pretty'])).stdout).toMatch(/^ {7}5 {2}\S+Z +DELETE {2}users\/bob {2}v2\n$/)
  })

  test('log --follow prints what another process writes until it is interrupted', async () => {
    const { db, run } = await withUsers()
    const child = cli.start(['log', '--follow', '--limit', '1', '--db', db])
    const outcome = ended(child)
    await new Promise((resolve) => child.stdout.once('data', resolve))
    const arrived = new Promise((resolve) => child.stdout.once('data', resolve))
    await run(['put', 'users', '{"name":"Dora"}', '--id', 'dora'])
    await arrived
    child.kill('SIGINT')
    const { code, stdout } = await outcome
    expect(code).toBe(0)
    expect(lines(stdout)).toMatchObject([{ target: 'users:carol/x' }, { target: 'users:dora', op: 'CREATE' }])
  })
})

describe('the database', () => {
  test('must be named, by --db or PARQUEDB_DB', async () => {
    expect(await cli.run(['collections'])).toMatchObject({ code: 2, stderr: 'parquedb: INVALID_ARGUMENT: no database was named: add --db <folder or s3:// URL>, or set PARQUEDB_DB\n' })
    const { db } = await withUsers()
    expect(await cli.run(['collections'], { env: { PARQUEDB_DB: db } })).toMatchObject({ code: 0, stdout: '{"name":"users","count":3,"deletedCount":0}\n' })
  })

  test('is made by a command that writes, and by no other', async () => {
    const { db, run } = newDatabase()
    for (const words of [['find', 'users'], ['get', 'users', 'a'], ['log'], ['stats'], ['verify'], ['collections'], ['export', 'users'], ['history', 'users', 'a'], ['rm', 'users', 'a'], ['update', 'users', 'a', '{"$set":{"a":1}}'], ['restore', 'users', 'a'], ['compact']]) {
      expect(await run(words)).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining(`There is no database in ${db}`) })
    }
    expect(existsSync(db)).toBe(false)
  })

  test('has one writer at a time; readers are not stopped by it', async () => {
    const { db, run } = await withUsers()
    const writer = new ParqueDB({ storage: new FsBackend(db) })
    await writer.collection('users').create({ $id: 'dora' })
    expect(await run(['update', 'users', 'alice', '{"$inc":{"attempts":1}}'])).toMatchObject({ code: 5, stderr: expect.stringContaining(`WRITER_LOCKED`) })
    expect((await run(['find', 'users', '{"$id":"users/dora"}', '--count'])).stdout).toBe('{"count":1}\n')
    await writer.close()
    expect(await run(['rm', 'users', 'dora'])).toMatchObject({ code: 0 })
  })

  test('tells its sizes, merges its files, and is verified', async () => {
    const { run } = await withUsers()
    expect(await run(['compact'])).toMatchObject({ code: 0 })
    expect(lines((await run(['stats'])).stdout)).toMatchObject([{ lastSeq: 3, flushedSeq: 3, namespaces: { users: { runs: 1, rows: 3 } }, log: { unflushedEvents: 0 } }])
    expect((await run(['stats', '--pretty'])).stdout).toMatch(/\nusers +3 +0 +1 +\S+ k?B\n$/)
    expect((await run(['collections', '--pretty'])).stdout).toBe('collection  documents\nusers               3\n')
    expect(lines((await run(['verify', '--deep'])).stdout)).toMatchObject([{ ok: true, problems: [] }])
    expect((await run(['verify', '--pretty'])).stdout).toMatch(/^all is well: \d+ files, /)
    expect(lines((await run(['find', 'users'])).stdout)).toHaveLength(3)
  })

  test('groups, and explains', async () => {
    const { run } = await withUsers()
    expect(await run(['compact'])).toMatchObject({ code: 0 })
    expect((await run(['aggregate', 'users', '[{"$group": {"_id": null, "users": {"$sum": 1}}}]'])).stdout).toBe('{"_id":null,"users":3}\n')
    expect((await run(['aggregate', 'users', '[{"$limit": 1}]'])).stdout).toMatch(/^{"\$id":"users\/\w+",/)
    expect(await run(['aggregate', 'users', '{"$limit": 1}'])).toMatchObject({ code: 2, stderr: expect.stringContaining('the pipeline is not an array') })
    expect(await run(['aggregate', 'users', '[{"$nope": 1}]'])).toMatchObject({ code: 2, stderr: expect.stringContaining('$nope is not a stage') })
    expect(lines((await run(['explain', 'users', '{"$id": "alice"}'])).stdout)).toMatchObject([{ plan: 'ids', rowsReturned: 1 }])
    const told = await run(['explain', 'users', '{"none": 1}', '--sort', '{"name": 1}', '--limit', '2', '--pretty'])
    expect(told.stdout).toMatch(/^plan +a scan of the collection\norder +the first ones are kept while reading\nfiles +1, 0 passed over by their ids\nrow groups +1, \d passed over by their bounds, 0 in memory\n/)
    expect((await run(['explain', 'users', '--at', '2', '--pretty'])).stdout).toMatch(/\nstart +the states at event 0, 2 events folded\n/)
    expect(told.stdout).toMatch(/\nrows +\d looked at, 0 as documents, 0 match, 0 returned\n/)
  })

  test('that is damaged makes verify end with 6 and name the file', async () => {
    const { db, run } = await withUsers()
    await run(['compact'])
    const folder = join(db, 'entities', 'users')
    const [name = ''] = readdirSync(folder)
    const bytes = readFileSync(join(folder, name))
    const middle = Math.floor(bytes.length / 4)
    bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle)
    writeFileSync(join(folder, name), bytes)
    const outcome = await run(['verify', '--deep'])
    expect(outcome.code).toBe(6)
    expect(lines(outcome.stdout)).toMatchObject([{ ok: false, problems: [{ path: `entities/users/${name}`, code: 'CORRUPT_FILE' }] }])
    // The events have all of it.
    const target = `${db}-recovered`
    const recovery = await run(['recover', target])
    expect(recovery).toMatchObject({ code: 0, stderr: '' })
    expect(lines(recovery.stdout)).toEqual([{ ok: true, events: 3, bridges: 0, unfolded: 0, missing: [], lost: [] }])
    expect(lines((await cli.run(['find', 'users', '--db', target])).stdout)).toHaveLength(3)
    expect((await run(['recover', target])).code).toBe(4)
    expect((await run(['recover', join(db, 'inside')])).code).toBe(2)
    expect((await cli.run(['recover', `${target}-again`, '--db', `${db}-nothing`])).code).toBe(3)
  })

  test('that has lost events is recovered as far as it goes, which ends with 6 and names what is missing', async () => {
    const { db, run } = await withUsers()
    await run(['compact'])
    const [name = ''] = readdirSync(join(db, 'events'))
    rmSync(join(db, 'events', name))
    const outcome = await run(['recover', `${db}-recovered`, '--pretty'])
    expect(outcome.code).toBe(6)
    expect(outcome.stdout).toContain(`lost  events/${name}: `)
    expect(outcome.stdout).toContain('missing  events 1 to 3')
    expect(outcome.stdout).toMatch(/\nrecovered into .*: 0 events, 3 changes in place of lost ones\n$/)
    expect(lines((await cli.run(['find', 'users', '--db', `${db}-recovered`])).stdout)).toHaveLength(3)
  })
})

describe('export', () => {
  test('comes back through import as it was', async () => {
    const { run } = await withUsers()
    const before = lines((await run(['export', 'users'])).stdout)
    expect(before[1]).toEqual({ $id: 'users/bob', 'full name': 'Bob', age: 29, born: { $date: '1995-01-02T00:00:00.000Z' }, points: { $numberLong: '9007199254740993' } })
    for (const name of ['ndjson', 'json', 'jsonl']) {
      const file = cli.path(`users-${databaseCount}.${name}`)
      expect(await run(['export', 'users', file])).toMatchObject({ code: 0, stdout: `${JSON.stringify({ exported: 3, file })}\n` })
      const other = newDatabase()
      expect((await other.run(['import', 'users', file])).code).toBe(0)
      expect(lines((await other.run(['export', 'users'])).stdout)).toEqual(before)
    }
    expect(await run(['export', 'users', cli.path('users.parquet')])).toMatchObject({ code: 2, stderr: expect.stringContaining('cannot be written as parquet') })
  })

  test('writes CSV with a column for every field', async () => {
    const { run } = await withUsers()
    await run(['put', 'users', '{"full name":"","lines":"a\\nb"}', '--id', 'zoe'])
    expect((await run(['export', 'users', '--format', 'csv'])).stdout).toBe(
      [
        '$id,full name,age,tags,born,points,note,lines',
        'users/alice,"Alice ""Al"" Smith",41,"[""a"",""b""]",,,,',
        'users/bob,Bob,29,,1995-01-02T00:00:00.000Z,9007199254740993,,',
        'users/carol/x,Carol,35,,,,null,',
        'users/zoe,"",,,,,,"a\nb"',
        '',
      ].join('\n'),
    )
  })

  test('leaves a file that is there alone unless forced, and no part of a file behind', async () => {
    const { run } = await withUsers()
    const folder = cli.path(`out-${databaseCount}`)
    mkdirSync(folder)
    const file = join(folder, 'users.ndjson')
    writeFileSync(file, 'mine')
    expect(await run(['export', 'users', file])).toMatchObject({ code: 4, stderr: expect.stringContaining('ALREADY_EXISTS') })
    expect(await run(['export', 'users', file, '--force', '--filter', '{"age":{"$foo":1}}'])).toMatchObject({ code: 2 })
    expect(readFileSync(file, 'utf8')).toBe('mine')
    expect(await run(['export', 'users', file, '--force', '--filter', '{"age":29}'])).toMatchObject({ code: 0 })
    expect(lines(readFileSync(file, 'utf8'))).toMatchObject([{ $id: 'users/bob' }])
    expect(readdirSync(folder)).toEqual(['users.ndjson'])
    expect(await run(['export', 'users', join(folder, 'none/x.ndjson')])).toMatchObject({ code: 1, stderr: expect.stringContaining('STORAGE_UNAVAILABLE') })
  })

  test.skipIf(process.platform === 'win32')('does not put a file in the place of what is none', async () => {
    const { run } = await withUsers()
    const pipe = cli.path(`pipe-${databaseCount}`)
    execFileSync('mkfifo', [pipe])
    for (const words of [[], ['--force']]) expect(await run(['export', 'users', pipe, '--format', 'ndjson', ...words])).toMatchObject({ code: 2, stderr: expect.stringContaining('is no file that could be replaced') })
    expect(lstatSync(pipe).isFIFO()).toBe(true)
  })

  test.skipIf(process.platform !== 'linux')('says in one line that its output cannot be written', async () => {
    const { db } = await withUsers()
    for (const words of [['export', 'users', '-', '--format', 'ndjson'], ['find', 'users'], ['get', 'users', 'bob'], ['stats']]) {
      const full = openSync('/dev/full', 'w')
      const { status, stderr } = spawnSync(process.execPath, [cli.path('program/dist/cli/main.js'), ...words, '--db', db], { stdio: ['ignore', full, 'pipe'], encoding: 'utf8' })
      closeSync(full)
      expect([words[0], status, stderr.trim().split('\n').length]).toEqual([words[0], 1, 1])
      expect(stderr).toContain('ENOSPC')
    }
  })
})

describe('usage', () => {
  test('is taught by --help, with examples', async () => {
    const help = await cli.run(['--help'])
    expect(help).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('Exit codes: 0 done') })
    for (const [, name = ''] of help.stdout.matchAll(/^ {2}([a-z]+) (?:\[|<)/gm)) {
      const { code, stdout } = await cli.run([name, '--help'])
      expect({ name, code, hasExample: name === 'help' || /\nExamples?:\n {2}(?:gunzip.*\| )?parquedb /.test(stdout) }).toEqual({ name, code: 0, hasExample: true })
    }
    expect((await cli.run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  test('errors are one line with what to do, or JSON for machines', async () => {
    expect(await cli.run([])).toEqual({ code: 2, stdout: '', stderr: "parquedb: INVALID_ARGUMENT: name a command; 'parquedb --help' lists them\n" })
    expect(await cli.run(['fnd', 'users'])).toMatchObject({ code: 2, stderr: expect.stringContaining("unknown command 'fnd'") })
    expect(await cli.run(['find'])).toMatchObject({ code: 2, stderr: "parquedb: INVALID_ARGUMENT: missing required argument 'ns'; see 'parquedb find --help'\n" })
    expect(await cli.run(['find', 'users', '--lmit', '3'])).toMatchObject({ code: 2, stderr: expect.stringContaining("unknown option '--lmit'") })
    const { code, stderr } = await cli.run(['get', 'users', 'x', '--json', '--db', cli.path('nowhere')])
    expect(code).toBe(3)
    expect(JSON.parse(stderr)).toMatchObject({ code: 'NOT_FOUND', exitCode: 3, details: { location: cli.path('nowhere') } })
    expect((await cli.run(['get', 'users', 'x', '--verbose', '--db', cli.path('nowhere')])).stderr).toContain('\n    at ')
  })
})
