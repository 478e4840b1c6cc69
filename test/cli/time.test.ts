import { afterAll, beforeAll, expect, test } from 'vitest'
import { ParqueDB } from '../../src/db/ParqueDB.ts'
import { FsBackend } from '../../src/storage/backends/FsBackend.ts'
import { CliProcess, lines } from './cli-process.ts'

let cli: CliProcess
beforeAll(async () => {
  cli = await CliProcess.make()
})
afterAll(() => cli.cleanup())

test('retain says what would go, lets it go, and names the horizon afterwards', async () => {
  const run = (...words: string[]) => cli.run([...words, '--db', cli.path('retained')])
  for (const n of [1, 2, 3]) await run('put', 'users', `{"n":${n}}`, '--id', 'alice')
  expect(await run('checkpoint')).toMatchObject({ code: 0, stdout: expect.stringContaining('"seq":3') })
  const planned = await run('retain', '--max-events', '1', '--mode', 'archive', '--dry-run')
  expect(lines(planned.stdout)).toMatchObject([{ dryRun: true, events: 2, namespaces: { users: { mode: 'archive', horizonSeq: 2, events: 2 } } }])
  expect(lines((await run('retain', '--max-events', '1', '--mode', 'archive')).stdout)).toMatchObject([{ dryRun: false, events: 2 }])
  expect(await run('get', 'users', 'alice', '--at', '1')).toMatchObject({ code: 1, stderr: expect.stringContaining('HISTORY_UNAVAILABLE') })
  expect(lines((await run('get', 'users', 'alice', '--at', '2')).stdout)).toMatchObject([{ n: 2 }])
  expect(lines((await run('log')).stdout)).toMatchObject([{ seq: 3 }])
  expect((await run('log', '--pretty')).stdout).toContain('users/alice')
  expect((await run('stats', '--pretty')).stdout).toMatch(/history of users +begins after event 2/)
  expect(await run('verify', '--deep')).toMatchObject({ code: 0 })
  expect(await run('retain', '--mode', 'drop', '--max-age', 'old')).toMatchObject({ code: 2 })
})

test('what retention has archived is found with --include-archived', async () => {
  const path = cli.path('archived')
  const db = new ParqueDB({ storage: new FsBackend(path) })
  for (const n of [1, 2, 3]) await db.collection('users').upsert('alice', { $set: { n } })
  await db.retain({ policy: { mode: 'archive', maxEvents: 1 } })
  await db.close()
  const run = async (...words: string[]) => lines((await cli.run([...words, '--include-archived', '--db', path])).stdout)
  expect(await run('get', 'users', 'alice', '--at', '1')).toMatchObject([{ n: 1 }])
  expect(await run('history', 'users', 'alice')).toMatchObject([{ seq: 1 }, { seq: 2 }, { seq: 3 }])
  expect(await run('aggregate', 'users', '[{"$project":{"n":1}}]', '--at', '1')).toEqual([{ $id: 'users/alice', n: 1 }])
  expect(await run('export', 'users', '--at', '1')).toEqual([{ $id: 'users/alice', n: 1 }])
  expect(await run('explain', 'users', '--at', '1')).toMatchObject([{ rowsReturned: 1 }])
  expect(await run('log', '--limit', '2')).toMatchObject([{ seq: 2 }, { seq: 3 }])
  expect(await run('diff', 'users', 'alice', '--from', 'v1', '--to', 'v2')).toMatchObject([{ path: 'n', before: 1, after: 2 }])
})

test('erase takes documents out for good, and says in the log that it did', async () => {
  const run = (...words: string[]) => cli.run([...words, '--db', cli.path('erased')])
  await run('put', 'users', '{"n":1}', '--id', 'alice')
  expect(await run('erase', 'users/bob')).toMatchObject({ code: 3, stderr: expect.stringContaining('NOT_FOUND') })
  expect(await run('erase', 'alice')).toMatchObject({ code: 2 })
  expect(lines((await run('erase', 'users/alice', 'users/alice', '--reason', 'asked')).stdout)).toMatchObject([{ erasedCount: 1, pendingFiles: 0 }])
  expect(await run('get', 'users', 'alice', '--at', '1')).toMatchObject({ code: 3 })
  expect(lines((await run('log')).stdout)).toMatchObject([{ op: 'ERASE', target: 'users:', metadata: { reason: 'asked' } }])
  expect(await run('verify', '--deep')).toMatchObject({ code: 0 })
})

test('log and history show only what was done by whom, how and why', async () => {
  const run = (...words: string[]) => cli.run([...words, '--db', cli.path('filtered')])
  await run('put', 'users', '{"n":1}', '--id', 'alice', '--actor', 'ada')
  await run('put', 'users', '{"n":1}', '--id', 'bob', '--actor', 'bob')
  await run('update', 'users', 'alice', '{"$set":{"n":2}}', '--actor', 'bob')
  await run('link', 'users/alice', 'friends', 'users/bob')
  await run('erase', 'users/bob', '--reason', 'request 4711', '--actor', 'ada')
  const seqs = async (...words: string[]) => (lines((await run(...words)).stdout) as { seq: number }[]).map(({ seq }) => seq)
  expect(await seqs('log', '--actor', 'bob')).toEqual([3])
  expect(await seqs('log', '--op', 'CREATE', '--op', 'UPDATE')).toEqual([1, 3])
  expect(await seqs('log', '--reason', '4711')).toEqual(await seqs('log', '--op', 'ERASE'))
  expect(await seqs('log', '--reason', '4712')).toEqual([])
  expect(await seqs('log', '--correlation', 'none')).toEqual([])
  expect(await seqs('log', '--actor', 'ada', '--limit', '1', '--op', 'CREATE')).toEqual([1])
  expect(await seqs('history', 'users', 'alice', '--actor', 'bob')).toEqual([3])
  expect(await seqs('history', 'users', 'alice', '--op', 'CREATE')).toEqual([1])
  expect(await run('history', 'users', 'alice', '--op', 'NONE')).toMatchObject({ code: 2, stderr: expect.stringContaining('INVALID_ARGUMENT') })
})
