import { Command, Option } from 'commander'
import { stringifyExtendedJson } from '../../model/ejson.ts'
import type { EventOp } from '../../model/event.ts'
import { decodePatchPath } from '../../model/path.ts'
import type { Patch } from '../../model/patch.ts'
import { systemFields } from '../../model/system-fields.ts'
import type { Document } from '../../model/values.ts'
import type { CommandLine } from '../CommandLine.ts'
import { formatTime, formatValue } from '../format-value.ts'
import { archivedOption, given, opOption, point, wholeNumber } from '../options.ts'
import { noSuchDocument } from './get-command.ts'

interface HistoryCommandOptions {
  readonly from?: number | string
  readonly to?: number | string
  readonly actor?: string
  readonly op?: EventOp[]
  readonly limit?: number
  readonly reverse?: boolean
  readonly includeArchived?: boolean
}

const examples = `
Examples:
  parquedb history users alice --db data
  parquedb history users alice --reverse --limit 1          the last change
  parquedb history users alice --json          each with the document before and after it`

export function historyCommand(cli: CommandLine): Command {
  return new Command('history')
    .summary('every change of one document')
    .description('Prints every change of one document, oldest first. As JSON, each with the document before and after it.')
    .argument('<ns>', 'the collection')
    .argument('<id>', 'its id')
    .addOption(new Option('--from <time|seq>', 'from here on').argParser(point))
    .addOption(new Option('--to <time|seq>', 'up to here').argParser(point))
    .option('--actor <name>', 'only changes by this one')
    .addOption(opOption())
    .option('--limit <n>', 'at most so many', wholeNumber(1))
    .option('--reverse', 'newest first')
    .addOption(archivedOption())
    .addHelpText('after', examples)
    .action(async (ns: string, id: string, options: HistoryCommandOptions) => {
      const { terminal, signal } = cli
      await cli.read(async (db) => {
        const collection = db.collection(ns)
        let count = 0
        for await (const entry of collection.history(id, given({ ...options, signal }))) {
          count++
          if (!terminal.forPeople) {
            await terminal.line(stringifyExtendedJson(entry as unknown as Document))
            continue
          }
          const by = entry.actor === undefined ? '' : `  by ${formatValue(entry.actor)}`
          await terminal.line(`${terminal.paint('bold', `version ${entry.version}`)}  ${entry.op}  seq ${entry.seq}  ${formatTime(entry.at.getTime())}${by}`)
          const { before, after } = entry
          if (entry.patch !== undefined) await terminal.write(formatPatch(entry.patch, before))
          else if (entry.op === 'CREATE' && after !== undefined) await terminal.line(`  with ${Object.keys(after).filter((name) => !systemFields.has(name)).join(', ')}`)
        }
        if (count === 0 && [options.from, options.to, options.actor, options.op].every((bound) => bound === undefined)) throw noSuchDocument({ ns, id })
      })
    })
}

/** The fields that a change set and unset, a line each. */
function formatPatch(patch: Patch, before?: Document): string {
  const set = Object.entries(patch.set ?? {}).map(([path, value]) => {
    const names = decodePatchPath(path)
    const old = names.length === 1 && before !== undefined ? before[names[0] ?? ''] : undefined
    return `  ${names.join('.')}: ${old === undefined ? '' : `${formatValue(old)} → `}${formatValue(value)}\n`
  })
  const unset = (patch.unset ?? []).filter((path) => !Object.hasOwn(patch.set ?? {}, path)).map((path) => `  ${decodePatchPath(path).join('.')}: removed\n`)
  return [...unset, ...set].join('')
}
