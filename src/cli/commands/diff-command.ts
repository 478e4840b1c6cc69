import { Command } from 'commander'
import { ParqueDBError } from '../../base/ParqueDBError.ts'
import { stringifyExtendedJson } from '../../model/ejson.ts'
import type { Document } from '../../model/values.ts'
import type { CommandLine } from '../CommandLine.ts'
import { formatValue } from '../format-value.ts'
import { archivedOption, given } from '../options.ts'

type Point = number | string | { readonly version: number }

const examples = `
Examples:
  parquedb diff users alice --db data                        the last change
  parquedb diff users alice --from v1 --to v3                two of its versions
  parquedb diff users alice --from 2026-03-01 --to 1041      a time, and the number of an event`

export function diffCommand(cli: CommandLine): Command {
  return new Command('diff')
    .summary('what changed in one document between two points')
    .description('Prints the fields that differ between two points in the life of a document: its last two versions, unless others are named.')
    .argument('<ns>', 'the collection')
    .argument('<id>', 'its id')
    .option('--from <point>', "a version as 'v1', a time, or the seq of an event (default: the version before --to)")
    .option('--to <point>', 'likewise (default: the newest version)')
    .addOption(archivedOption())
    .addHelpText('after', examples)
    .action(async (ns: string, id: string, options: { from?: string; to?: string; includeArchived?: boolean }) => {
      const { terminal } = cli
      await cli.read(async (db) => {
        const collection = db.collection(ns)
        const newest = async (): Promise<Point> => ({ version: await newestVersion(collection.history(id, { reverse: true, limit: 1 }), `${ns}/${id}`) })
        const to = options.to === undefined ? await newest() : readPoint(options.to)
        const from = options.from === undefined ? versionBefore(to) : readPoint(options.from)
        const differences = await collection.diff(id, from, to, given({ includeArchived: options.includeArchived }))
        for (const difference of differences) {
          if (terminal.forPeople) await terminal.line(`${difference.path}: ${side(difference.before)} → ${side(difference.after)}`)
          else await terminal.line(stringifyExtendedJson(difference as unknown as Document))
        }
        if (differences.length === 0 && terminal.forPeople) terminal.note('(no difference)')
      })
    })
}

function side(value: unknown): string {
  return value === undefined ? '(absent)' : formatValue(value as Document)
}

async function newestVersion(entries: AsyncIterable<{ readonly version: number }>, $id: string): Promise<number> {
  for await (const { version } of entries) return version
  throw new ParqueDBError('NOT_FOUND', `there is no ${$id}, and never was`, { details: { $id } })
}

function readPoint(text: string): Point {
  if (/^v[1-9]\d{0,14}$/.test(text)) return { version: Number(text.slice(1)) }
  return /^\d{1,15}$/.test(text) ? Number(text) : text
}

function versionBefore(to: Point): Point {
  if (typeof to === 'object' && to.version > 1) return { version: to.version - 1 }
  if (typeof to === 'object') throw new ParqueDBError('INVALID_ARGUMENT', `version ${to.version} is the first one, so nothing is before it; 'parquedb get' shows it`)
  throw new ParqueDBError('INVALID_ARGUMENT', '--to names a point that is not a version; name --from too')
}
