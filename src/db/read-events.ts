import { checkAborted } from '../base/abort.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { EventQueryOptions } from '../model/database-options.ts'
import { isReserved, validateNamespace } from '../model/entity.ts'
import type { Event, EventOp } from '../model/event.ts'
import { parseAsOf } from '../query/as-of.ts'
import { checkFlag, checkName, checkOptions, checkWholeNumber } from '../model/check-options.ts'
import { overView, type EventScanOptions, type ViewOptions } from '../storage/view.ts'
import { publicEvent } from '../model/public-event.ts'
import type { Session } from './session.ts'

const eventOps: readonly EventOp[] = ['CREATE', 'UPDATE', 'DELETE', 'REL_CREATE', 'REL_DELETE', 'ERASE']

/** INVALID_ARGUMENT with the option that is wrong. */
export function parseEventQuery(options: EventQueryOptions | undefined): EventScanOptions & ViewOptions {
  const checked = checkOptions('events', options, ['ns', 'fromSeq', 'toSeq', 'from', 'to', 'op', 'actor', 'correlationId', 'causationId', 'includeArchived', 'signal'])
  return {
    ns: checked.ns === undefined ? undefined : validateNamespace(checked.ns),
    fromSeq: checkWholeNumber(checked.fromSeq, { option: 'fromSeq', least: 1 }),
    toSeq: checkWholeNumber(checked.toSeq, { option: 'toSeq', least: 0 }),
    fromTs: parseTime(checked.from, 'from'),
    toTs: parseTime(checked.to, 'to'),
    ops: parseOps(checked.op),
    actor: checkName(checked.actor, 'actor'),
    correlationId: checkName(checked.correlationId, 'correlationId'),
    causationId: checkName(checked.causationId, 'causationId'),
    includeArchived: checkFlag(checked.includeArchived, 'includeArchived'),
    signal: checked.signal,
  }
}

export function readEvents(session: Session, query: EventScanOptions & ViewOptions): AsyncGenerator<Event> {
  return overView(session, query, async function* (view) {
    for await (const event of view.events(query)) {
      checkAborted(query.signal)
      // The database's own records are nobody's events.
      if (!isReserved(event.ns)) yield publicEvent(event)
    }
  })
}

function parseTime(time: unknown, option: string): number | undefined {
  if (typeof time === 'number') throw new ParqueDBError('INVALID_ARGUMENT', `'${option}' is a time, a Date or an ISO 8601 string; for a position use '${option}Seq'.`, { details: { option } })
  return parseAsOf(time, option)?.ts
}

export function parseOps(op: unknown, option = 'op'): readonly EventOp[] | undefined {
  if (op === undefined) return undefined
  const ops: unknown[] = Array.isArray(op) ? op : [op]
  if (ops.length > 0 && ops.every((one) => (eventOps as readonly unknown[]).includes(one))) return ops as EventOp[]
  throw new ParqueDBError('INVALID_ARGUMENT', `The option '${option}' must be one or more of ${eventOps.join(', ')}.`, { details: { option } })
}
