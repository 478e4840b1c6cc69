import { type Command, Option } from 'commander'
import { ParqueDBError } from '../../base/ParqueDBError.ts'
import type { ParqueDB } from '../../db/ParqueDB.ts'
import { stringifyExtendedJson } from '../../model/ejson.ts'
import type { EventQueryOptions, HistoryOptions } from '../../model/database-options.ts'
import type { Event } from '../../model/event.ts'
import type { Patch } from '../../model/patch.ts'
import { decodePatchPath } from '../../model/path.ts'
import { systemFields } from '../../model/entity-document.ts'
import type { Document } from '../../model/values.ts'
import { command, archivedOption, given, opOption, point, wholeNumber } from '../command.ts'
import type { CommandLine } from '../CommandLine.ts'
import { printReport, formatTime, formatValue } from '../print-entity.ts'
import type { Terminal } from '../Terminal.ts'
import { noSuchDocument } from './document-commands.ts'

const historyExamples = `
  parquedb history users alice --db data
  parquedb history users alice --reverse --limit 1          the last change
  parquedb history users alice --json          each with the document before and after it`

export function historyCommand(cli: CommandLine): Command {
  return command({ name: 'history <ns> <id>', summary: 'every change of one document', description: 'Prints every change of one document, oldest first. As JSON, each with the document before and after it.', examples: historyExamples })
    .addOption(new Option('--from <time|seq>', 'from here on').argParser(point))
    .addOption(new Option('--to <time|seq>', 'up to here').argParser(point))
    .option('--actor <name>', 'only changes by this one')
    .addOption(opOption)
    .option('--limit <n>', 'at most so many', wholeNumber(1))
    .option('--reverse', 'newest first')
    .addOption(archivedOption)
    .action((ns: string, id: string, options: HistoryOptions) => cli.read(async (db) => {
      const { terminal, signal } = cli
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
        if (entry.to !== undefined) await terminal.line(`  ${entry.predicate ?? ''} ${entry.op === 'REL_CREATE' ? 'to' : 'no longer to'} ${entry.to}${entry.data === undefined ? '' : ` ${stringifyExtendedJson(entry.data)}`}`)
        if (entry.patch !== undefined) await terminal.write(formatPatch(entry.patch, before))
        else if (entry.op === 'CREATE' && after !== undefined) await terminal.line(`  with ${Object.keys(after).filter((name) => !systemFields.has(name)).join(', ')}`)
      }
      if (count === 0 && [options.from, options.to, options.actor, options.op].every((bound) => bound === undefined)) throw noSuchDocument({ ns, id })
    }))
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

type Point = number | string | { readonly version: number }

const diffExamples = `
  parquedb diff users alice --db data                        the last change
  parquedb diff users alice --from v1 --to v3                two of its versions
  parquedb diff users alice --from 2026-03-01 --to 1041      a time, and the number of an event`

export function diffCommand(cli: CommandLine): Command {
  return command({ name: 'diff <ns> <id>', summary: 'what changed in one document between two points', description: 'Prints the fields that differ between two points in the life of a document: its last two versions, unless others are named.', examples: diffExamples })
    .option('--from <point>', "a version as 'v1', a time, or the seq of an event (default: the version before --to)")
    .option('--to <point>', 'likewise (default: the newest version)')
    .addOption(archivedOption)
    .action((ns: string, id: string, options: { from?: string; to?: string; includeArchived?: boolean }) => cli.read(async (db) => {
      const { terminal } = cli
      const collection = db.collection(ns)
      const newest = async (): Promise<Point> => ({ version: await newestVersion(collection.history(id, { reverse: true, limit: 1 }), `${ns}/${id}`) })
      const to = options.to === undefined ? await newest() : readPoint(options.to)
      const from = options.from === undefined ? versionBefore(to) : readPoint(options.from)
      const differences = await collection.diff(id, from, to, given({ includeArchived: options.includeArchived }))
      for (const difference of differences) await printReport(terminal, `${difference.path}: ${side(difference.before)} → ${side(difference.after)}`, difference as unknown as Document)
      if (differences.length === 0 && terminal.forPeople) terminal.note('(no difference)')
    }))
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
  return point(text)
}

function versionBefore(to: Point): Point {
  if (typeof to === 'object' && to.version > 1) return { version: to.version - 1 }
  if (typeof to === 'object') throw new ParqueDBError('INVALID_ARGUMENT', `version ${to.version} is the first one, so nothing is before it; 'parquedb get' shows it`)
  throw new ParqueDBError('INVALID_ARGUMENT', '--to names a point that is not a version; name --from too')
}

interface LogOptions extends Pick<EventQueryOptions, 'ns' | 'op' | 'actor' | 'fromSeq' | 'includeArchived'> {
  readonly reason?: string
  readonly correlation?: string
  readonly limit?: number
  readonly follow?: boolean
}

const screenLimit = 20

const logExamples = `
  parquedb log --db data                          the last ${screenLimit} events on a terminal; all of them into a pipe
  parquedb log --ns users --from-seq 1000 --limit 50
  parquedb log --actor ada --reason 'request 4711'
  parquedb log --follow --json | jq .target       and then every event as it happens, until Ctrl-C`

export function logCommand(cli: CommandLine): Command {
  return command({ name: 'log', summary: 'the events, newest last', description: 'Prints the events of the whole database, or of one collection, newest last.', examples: logExamples })
    .option('--ns <ns>', 'only of this collection')
    .addOption(opOption)
    .option('--actor <name>', 'only by this one')
    .option('--reason <text>', 'only of writes whose reason holds this text')
    .option('--correlation <id>', 'only of writes with this correlation id')
    .option('--from-seq <n>', 'from this event on', wholeNumber(1))
    .option('--limit <n>', 'at most so many: the first ones from --from-seq, else the last ones', wholeNumber(1))
    .addOption(archivedOption)
    .option('--follow', 'go on with every event as it happens, until interrupted')
    .action((options: LogOptions) => log(cli, options))
}

async function log(cli: CommandLine, options: LogOptions): Promise<void> {
  const { terminal, signal } = cli
  const limit = options.limit ?? (terminal.isTTY && terminal.forPeople && options.fromSeq === undefined ? screenLimit : undefined)
  await cli.read(async (db) => {
    const { lastSeq, horizons } = await db.stats()
    const filter = given({ ns: options.ns, op: options.op, actor: options.actor, correlationId: options.correlation, signal })
    const { includeArchived = false } = options
    if (limit !== undefined && options.fromSeq === undefined) {
      const begins = Math.max(0, ...Object.entries(horizons).map(([ns, { seq }]) => (!includeArchived && (options.ns === undefined || options.ns === ns) ? seq : 0)))
      for (const event of await lastEvents(limit, { fromSeq: begins + 1, toSeq: lastSeq }, (range) => chosen(db.events({ ...filter, includeArchived, ...range }), options))) await printEvent(terminal, event)
    } else {
      let left = limit ?? Number.POSITIVE_INFINITY
      // Without a start they begin where the history does.
      for await (const event of chosen(db.events({ ...filter, includeArchived, ...given({ fromSeq: options.fromSeq }) }), options)) {
        if (event.seq > lastSeq || left-- <= 0) break
        await printEvent(terminal, event)
      }
    }
    if (options.follow === true) await follow(cli, db, { ...options, fromSeq: Math.max(lastSeq + 1, options.fromSeq ?? 1) })
  }).catch((error: unknown) => {
    if (options.follow !== true || !signal.aborted) throw error
  })
}

/** Until interrupted. */
async function follow({ terminal, signal }: CommandLine, db: ParqueDB, options: LogOptions & { fromSeq: number }): Promise<void> {
  const { lastSeq } = await db.stats()
  await terminal.flush()
  const subscription = db.subscribe({ ...given({ ns: options.ns, ops: options.op }), fromSeq: Math.min(options.fromSeq, lastSeq + 1), signal })
  for await (const event of chosen(subscription, options)) {
    if (event.seq >= options.fromSeq) await printEvent(terminal, event)
    await terminal.flush()
  }
}

/** Of what is read or subscribed to, what the options leave. */
async function* chosen(events: AsyncIterable<Event>, { actor, reason, correlation }: LogOptions): AsyncGenerator<Event> {
  for await (const event of events) {
    const why = event.metadata?.['reason']
    const isChosen = (actor ?? event.actor) === event.actor && (correlation === undefined || event.metadata?.['correlationId'] === correlation)
    if (isChosen && (reason === undefined || (typeof why === 'string' && why.includes(reason)))) yield event
  }
}

/** The last `count` events that match, found by looking back over ranges that double. */
async function lastEvents(count: number, within: { fromSeq: number; toSeq: number }, events: (range: { fromSeq: number; toSeq: number }) => AsyncIterable<Event>): Promise<Event[]> {
  let found: Event[] = []
  let { toSeq } = within
  for (let span = count; toSeq >= within.fromSeq && found.length < count; span *= 4) {
    const fromSeq = Math.max(within.fromSeq, toSeq - span + 1)
    const here: Event[] = []
    for await (const event of events({ fromSeq, toSeq })) {
      here.push(event)
      if (here.length > count) here.shift()
    }
    found = [...here, ...found].slice(-count)
    toSeq = fromSeq - 1
  }
  return found
}

async function printEvent(terminal: Terminal, event: Event): Promise<void> {
  if (!terminal.forPeople) return terminal.line(stringifyExtendedJson(event as unknown as Document))
  const by = event.actor === undefined ? '' : `  by ${formatValue(event.actor)}`
  await terminal.line(`${String(event.seq).padStart(8)}  ${formatTime(event.ts).padEnd(24)}  ${event.op}  ${terminal.paint('bold', formatValue(event.target.replace(':', '/')))}  v${event.version}${by}  ${terminal.paint('dim', summary(event))}`.trimEnd())
}

function summary({ patch }: Event): string {
  const shown = [...new Set([...Object.keys(patch?.set ?? {}), ...(patch?.unset ?? [])].map((path) => decodePatchPath(path).join('.')))]
  return shown.length <= 6 ? shown.join(', ') : `${shown.slice(0, 6).join(', ')} and ${shown.length - 6} more`
}
