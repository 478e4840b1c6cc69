import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ErrorCode } from 'parquedb'
import { runCommand } from './command.ts'
import type { Tally } from './Tally.ts'

/** Words after `parquedb`, and the code that refuses them. */
const commands: readonly (readonly [words: readonly string[], refusal: ErrorCode, stdin?: string])[] = [
  ...[[], ['nope'], ['put'], ['put', 'n', '{}', '{}'], ['get', 'n'], ['find', 'n', '{}', '--limit', '0'], ['find', 'n', '{}', '--limit', '1e400'], ['find', 'n', '{}', '--nope'], ['log', '--from-seq', '-1'], ['log', '--from-seq', '9007199254740993'], ['import', 'n'], ['import', 'n', 'x.nope'], ['import', 'n', '-']].map((words) => [words, 'INVALID_ARGUMENT'] as const),
  ...['', '/', '../x', 'a/b', '$n', 'a\nb', 'x'.repeat(200)].map((ns) => [['put', ns, '{"a":1}'], 'INVALID_ARGUMENT'] as const),
  ...['', '{', '{"a":1', "{'a':1}", '[]', 'null', '1', '{"a":NaN}', '{"a":1,"a":2}', '{"a":9007199254740993}', '{"a":1e400}', '{"__proto__":1}', '{"$set":1}', '{"a":{"$gt":1}}', '{"a":"\\ud800"}', '{"version":1}', '['.repeat(10_000)].map((document) => [['put', 'n', document], 'VALIDATION_FAILED'] as const),
  ...['{', '[]', '{"$where":"1"}', '{"a":{"$foo":1}}', '{"a":{"$regex":"("}}', '{"a":{"$regex":"(a)\\\\1"}}', '{"a..b":1}', '{"$and":[]}'].map((filter) => [['find', 'kept', filter], 'INVALID_FILTER'] as const),
  ...['{', '[]', '{}', '{"a":1}', '{"$set":{"version":1}}', '{"$set":{"__proto__.x":1}}', '{"$inc":{"a":"1"}}'].map((update) => [['update', 'kept', 'x', update], 'INVALID_UPDATE'] as const),
  [['put', 'n'], 'VALIDATION_FAILED'],
  [['get', 'kept', '../x'], 'NOT_FOUND'],
  [['update', 'kept', 'nobody', '{"$set":{"a":1}}'], 'NOT_FOUND'],
  [['import', 'n', '/nowhere/x.json'], 'NOT_FOUND'],
  [['import', 'n', '-', '--format', 'parquet'], 'INVALID_ARGUMENT'],
  [['import', 'n', '-', '--format', 'csv', '--delimiter', '::'], 'INVALID_ARGUMENT', 'a\n1\n'],
  [['import', 'n', '-', '--format', 'ndjson'], 'VALIDATION_FAILED', '{"a":1'],
]

/** Each command in one folder; what is refused leaves its one document alone, and makes nothing beside the folder. */
export async function tryCommands(tally: Tally): Promise<void> {
  const parent = await mkdtemp(join(tmpdir(), 'parquedb-commands-'))
  const database = ['--db', join(parent, 'db')]
  try {
    await runCommand(['put', 'kept', '{"a": 1}', '--id', 'x', ...database])
    const before = await runCommand(['export', 'kept', ...database])
    for (const [words, refusal, stdin] of commands) {
      await tally.judge(`parquedb ${words.join(' ').slice(0, 60)}`, { refusal }, () => runCommand([...words, ...database], stdin))
    }
    tally.same('the document that was there before', await runCommand(['export', 'kept', ...database]), before)
    tally.same('the collections', JSON.parse(await runCommand(['collections', '--json', ...database])), { name: 'kept', count: 1, deletedCount: 0 })
    tally.same('beside the folder', await readdir(parent), ['db'])
  } finally {
    await rm(parent, { recursive: true, force: true })
  }
}
