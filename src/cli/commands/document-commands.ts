import type { Command } from 'commander'
import { ParqueDBError } from '../../base/ParqueDBError.ts'
import { systemFields } from '../../model/entity-document.ts'
import type { Document } from '../../model/values.ts'
import { actorOption, archivedOption, atOption, command, expectedVersionOption, given, parseJsonArgument, writeOptions, type WriteFlags } from '../command.ts'
import type { CommandLine } from '../CommandLine.ts'
import { readText } from '../input/read-text.ts'
import { printEntity, printFacts } from '../print-entity.ts'

const getExamples = `
  parquedb get users alice --db data
  parquedb get users alice --at 2026-03-01T12:00:00Z
  parquedb get users alice --at 1041          the state after event 1041, as 'parquedb log' numbers them`

export function getCommand(cli: CommandLine): Command {
  return command({ name: 'get <ns> <id>', summary: 'one document, now or at an earlier time', description: 'Prints one document. Exit code 3 when there is none.', examples: getExamples })
    .addOption(atOption)
    .option('--deleted', 'also when it is deleted')
    .addOption(archivedOption)
    .action((ns: string, id: string, { at, deleted, includeArchived }: { at?: number | string; deleted?: boolean; includeArchived?: boolean }) => cli.read(async (db) => {
      const entity = await db.collection(ns).get(id, given({ asOf: at, includeDeleted: deleted, includeArchived }))
      if (entity === undefined) throw noSuchDocument({ ns, id, at })
      await printEntity(cli.terminal, entity)
    }))
}

export function noSuchDocument({ ns, id, at }: { ns: string; id: string; at?: number | string | undefined }): ParqueDBError {
  const $id = id.startsWith(`${ns}/`) ? id : `${ns}/${id}`
  const when = at === undefined ? '' : ` at ${typeof at === 'number' ? `seq ${at}` : at}`
  return new ParqueDBError('NOT_FOUND', `there is no ${$id}${when}; 'parquedb history' shows what it was, 'parquedb find' what there is`, { details: { $id } })
}

/** A document may take 16 MiB; JSON needs more room than that. */
const stdinBytesMax = 64 * 1024 * 1024

const putExamples = `
  parquedb put users '{"name": "Alice", "born": {"$date": "1990-05-01T00:00:00Z"}}' --id alice --db data
  parquedb put users < alice.json
  parquedb get users alice --json | sed s/Alice/Alicia/ | parquedb put users -

A document that came from 'get' carries its version: when somebody changed it since, put refuses (exit code 4).`

export function putCommand(cli: CommandLine): Command {
  return command({ name: 'put <ns>', summary: 'create a document, or replace the one with its id', description: 'Creates a document, or replaces the one with its id, and prints it.', examples: putExamples })
    .argument('[json]', "the document; '-' or nothing to read it from stdin", '-')
    .option('--id <id>', 'its id (default: the "$id" in it, else a new one)')
    .addOption(expectedVersionOption)
    .addOption(actorOption)
    .action(async (ns: string, json: string, options: WriteFlags & { id?: string }) => {
      const parsed = parseJsonArgument(json === '-' ? await readStdin(cli.stdin) : json, { what: 'the document', example: '{"name": "Alice"}', code: 'VALIDATION_FAILED', operators: false })
      const document = withId(parsed, options.id)
      const write = writeOptions(options)
      await cli.write(async (db) => {
        const collection = db.collection(ns)
        const { $id } = document
        const isFetched = Object.keys(document).some((name) => name !== '$id' && systemFields.has(name))
        if (typeof $id === 'string') await printEntity(cli.terminal, await collection.replace($id, document, { ...write, upsert: !isFetched }))
        else await printEntity(cli.terminal, await collection.create(document, write))
      })
    })
}

function withId(document: Document, id: string | undefined): Document {
  if (id === undefined) return document
  if (document.$id !== undefined) throw new ParqueDBError('INVALID_ARGUMENT', 'the document has a "$id" of its own; leave out --id')
  return { $id: id, ...document }
}

async function readStdin(stdin: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const part of readText('the document on stdin', stdin)) {
    text += part
    if (text.length > stdinBytesMax) throw new ParqueDBError('LIMIT_EXCEEDED', `the document on stdin is longer than ${stdinBytesMax} characters; for many documents use 'parquedb import'`)
  }
  return text
}

const updateExamples = `
  parquedb update users alice '{"$set": {"name": "Alice"}, "$inc": {"visits": 1}}' --db data
  parquedb update users alice '{"$push": {"tags": "new"}}' --expect-version 3 --actor ada`

export function updateCommand(cli: CommandLine): Command {
  return command({ name: 'update <ns> <id>', summary: "change one document with MongoDB's operators", description: "Changes one document with MongoDB's update operators, and prints it. Exit code 3 when there is none.", examples: updateExamples })
    .argument('<update>', 'the operators, as JSON', parseUpdateArgument)
    .addOption(expectedVersionOption)
    .addOption(actorOption)
    .action((...[ns, id, update, options]: [ns: string, id: string, update: Document, options: WriteFlags]) =>
      cli.change(async (db) => printEntity(cli.terminal, await db.collection(ns).update(id, update, writeOptions(options)))))
}

function parseUpdateArgument(text: string): Document {
  return parseJsonArgument(text, { what: 'the update', example: '{"$set": {"name": "Alice"}}', code: 'INVALID_UPDATE', operators: true })
}

const rmExamples = '\n  parquedb rm users alice --db data          and back again: parquedb restore users alice --db data'

export function rmCommand(cli: CommandLine): Command {
  return command({ name: 'rm <ns> <id>', summary: 'delete one document; its history stays', description: 'Deletes one document. Its history stays, and it can be restored. Exit code 3 when there is none.', examples: rmExamples })
    .addOption(expectedVersionOption)
    .addOption(actorOption)
    .action((ns: string, id: string, options: WriteFlags) => cli.change(async (db) => {
      if (!(await db.collection(ns).delete(id, writeOptions(options)))) throw noSuchDocument({ ns, id })
      await printFacts(cli.terminal, { deleted: id.startsWith(`${ns}/`) ? id : `${ns}/${id}` })
    }))
}

const restoreExamples = '\n  parquedb restore users alice --db data'

export function restoreCommand(cli: CommandLine): Command {
  return command({ name: 'restore <ns> <id>', summary: 'bring a deleted document back', description: 'Brings a deleted document back as it was, and prints it. Exit code 3 when there never was one.', examples: restoreExamples })
    .addOption(actorOption)
    .addOption(archivedOption)
    .action((ns: string, id: string, options: { actor?: string; includeArchived?: boolean }) => cli.change(async (db) => printEntity(cli.terminal, await db.collection(ns).restore(id, given(options)))))
}
