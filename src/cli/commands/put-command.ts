import { Command } from 'commander'
import { ParqueDBError } from '../../base/ParqueDBError.ts'
import { systemFields } from '../../model/system-fields.ts'
import type { Document } from '../../model/values.ts'
import type { CommandLine } from '../CommandLine.ts'
import { parseJsonArgument } from '../json-argument.ts'
import { actorOption, expectedVersionOption, given } from '../options.ts'
import { printEntity } from '../print-entity.ts'

interface PutOptions {
  readonly id?: string
  readonly actor?: string
  readonly expectVersion?: number
}

/** A document may take 16 MiB; JSON needs more room than that. */
const stdinBytesMax = 64 * 1024 * 1024

const examples = `
Examples:
  parquedb put users '{"name": "Alice", "born": {"$date": "1990-05-01T00:00:00Z"}}' --id alice --db data
  parquedb put users < alice.json
  parquedb get users alice --json | sed s/Alice/Alicia/ | parquedb put users -

A document that came from 'get' carries its version: when somebody changed it since, put refuses (exit code 4).`

export function putCommand(cli: CommandLine): Command {
  return new Command('put')
    .summary('create a document, or replace the one with its id')
    .description('Creates a document, or replaces the one with its id, and prints it.')
    .argument('<ns>', 'the collection')
    .argument('[json]', "the document; '-' or nothing to read it from stdin", '-')
    .option('--id <id>', 'its id (default: the "$id" in it, else a new one)')
    .addOption(expectedVersionOption())
    .addOption(actorOption())
    .addHelpText('after', examples)
    .action(async (ns: string, json: string, options: PutOptions) => {
      const text = json === '-' ? await readStdin(cli.stdin) : json
      const parsed = parseJsonArgument(text, { what: 'the document', example: '{"name": "Alice"}', code: 'VALIDATION_FAILED', operators: false })
      const document = withId(parsed, options.id)
      const write = given({ actor: options.actor, expectedVersion: options.expectVersion })
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
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let text = ''
  try {
    for await (const chunk of stdin) {
      text += decoder.decode(chunk, { stream: true })
      if (text.length > stdinBytesMax) throw new ParqueDBError('LIMIT_EXCEEDED', `the document on stdin is longer than ${stdinBytesMax} characters; for many documents use 'parquedb import'`)
    }
    return text + decoder.decode()
  } catch (cause) {
    if (cause instanceof TypeError) throw new ParqueDBError('VALIDATION_FAILED', 'the document on stdin is not UTF-8 text', { cause })
    throw cause
  }
}
