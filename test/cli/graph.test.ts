import { afterAll, beforeAll, expect, test } from 'vitest'
import { CliProcess, lines } from './cli-process.ts'

let cli: CliProcess

beforeAll(async () => {
  cli = await CliProcess.make()
})
afterAll(() => cli.cleanup())

test('documents are linked, unlinked, found by their edges and walked', async () => {
  const db = cli.path('db-graph')
  const run = (...words: string[]) => cli.run([...words, '--db', db])
  for (const id of ['ada', 'bob', 'eve']) expect((await run('put', 'users', '{}', '--id', id)).code).toBe(0)
  expect(lines((await run('link', 'users', 'ada', 'knows', 'users/bob', 'users/eve', '--data', '{"since": 1843}')).stdout)).toEqual([{ changedCount: 2 }])
  expect(lines((await run('link', 'users', 'bob', 'knows', 'users/eve', '--actor', 'ada')).stdout)).toEqual([{ changedCount: 1 }])
  expect(lines((await run('unlink', 'users', 'ada', 'knows', 'users/eve')).stdout)).toEqual([{ changedCount: 1 }])
  expect(lines((await run('related', 'users', 'ada', 'knows')).stdout)).toMatchObject([{ $id: 'users/bob', $edge: { data: { since: 1843 } } }])
  expect(lines((await run('related', 'users', 'eve', 'knows', '--in', '--count')).stdout)).toEqual([{ count: 1 }])
  expect(lines((await run('related', 'users', 'ada', 'knows', '--at', '5', '--sort', '{"$id": -1}')).stdout)).toMatchObject([{ $id: 'users/eve' }, { $id: 'users/bob' }])
  expect(lines((await run('traverse', 'users/ada', '--step', 'knows', '--depth', '3')).stdout)).toMatchObject([{ $id: 'users/bob' }, { $path: ['users/ada', 'users/bob', 'users/eve'] }])
  expect(lines((await run('traverse', 'users/eve', '--to', 'users/ada', '--direction', 'both')).stdout)).toMatchObject([{ $id: 'users/eve' }, { $id: 'users/bob' }, { $id: 'users/ada' }])
  expect((await run('link', 'users', 'nobody', 'knows', 'users/ada')).code).toBe(3)
  expect((await run('link', 'users', 'ada', 'a.b', 'users/ada')).code).toBe(2)
})
