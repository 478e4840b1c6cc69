import { Command } from 'commander'
import type { ParqueDB } from '../../db/ParqueDB.ts'
import { stringifyExtendedJson } from '../../model/ejson.ts'
import type { Event, EventOp } from '../../model/event.ts'
import { decodePatchPath } from '../../model/path.ts'
import type { Document } from '../../model/values.ts'
import type { CommandLine } from '../CommandLine.ts'
import { formatTime, formatValue } from '../format-value.ts'
import { archivedOption, given, opOption, wholeNumber } from '../options.ts'
import type { Terminal } from '../Terminal.ts'

interface LogOptions {
  readonly ns?: string
  readonly op?: EventOp[]
  readonly actor?: string
  readonly reason?: string
  readonly correlation?: string
  readonly fromSeq?: number
  readonly limit?: number
  readonly follow?: boolean
  readonly includeArchived?: boolean
}

const screenLimit = 20

const examples = `
Examples:
  parquedb log --db data                          the last ${screenLimit} events on a terminal; all of them into a pipe
  parquedb log --ns users --from-seq 1000 --limit 50
  parquedb log --actor ada --reason 'request 4711'
  parquedb log --follow --json | jq .target       and then every event as it happens, until Ctrl-C`

export function logCommand(cli: CommandLine): Command {
  return new Command('log')
    .summary('the events, newest last')
    .description('Prints the events of the whole database, or of one collection, newest last.')
    .option('--ns <ns>', 'only of this collection')
    .addOption(opOption())
    .option('--actor <name>', 'only by this one')
    .option('--reason <text>', 'only of writes whose reason holds this text')
    .option('--correlation <id>', 'only of writes with this correlation id')
    .option('--from-seq <n>', 'from this event on', wholeNumber(1))
    .option('--limit <n>', 'at most so many: the first ones from --from-seq, else the last ones', wholeNumber(1))
    .addOption(archivedOption())
    .option('--follow', 'go on with every event as it happens, until interrupted')
    .addHelpText('after', examples)
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
  const place = event.target.replace(':', '/')
  await terminal.line(`${String(event.seq).padStart(8)}  ${formatTime(event.ts).padEnd(24)}  ${event.op}  ${terminal.paint('bold', formatValue(place))}  v${event.version}${by}  ${terminal.paint('dim', summary(event))}`.trimEnd())
}

function summary({ patch }: Event): string {
  const paths = [...Object.keys(patch?.set ?? {}), ...(patch?.unset ?? [])].map((path) => decodePatchPath(path).join('.'))
  const shown = [...new Set(paths)]
  return shown.length <= 6 ? shown.join(', ') : `${shown.slice(0, 6).join(', ')} and ${shown.length - 6} more`
}
