import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { AsOf, View } from '../storage/view.ts'

const isoPattern = /^(\d{4}|[+-]\d{6})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?(?:Z|[+-]\d{2}:\d{2}))?$/

/** undefined for undefined. INVALID_ARGUMENT for what names no point in time; `option` is the name for the message. */
export function parseAsOf(input: unknown, option = 'asOf'): AsOf | undefined {
  if (input === undefined) return undefined
  if (typeof input === 'number') {
    if (Number.isSafeInteger(input) && input >= 0) return { seq: input }
    throw invalid(option, `a number is a seq, a whole number from 0 on; it is ${input}`)
  }
  if (input instanceof Date) {
    const ms = input.getTime()
    if (!Number.isNaN(ms)) return { ts: ms }
    throw invalid(option, 'the Date is invalid')
  }
  if (typeof input === 'string') return { ts: parseIsoTime(input, option) }
  throw invalid(option, `give a Date, an ISO 8601 string or a seq, not ${input === null ? 'null' : typeof input}`)
}

/**
 * The point within a view: undefined where it is the view's own newest state, so also for every time after the view's last
 * event. A seq beyond the newest one is INVALID_ARGUMENT: it has not happened, and would name another state later.
 */
export function resolveAsOf(asOf: AsOf | undefined, view: View): AsOf | undefined {
  if (asOf === undefined) return undefined
  if (asOf.seq !== undefined && asOf.seq > view.seq) throw new ParqueDBError('INVALID_ARGUMENT', `The seq ${asOf.seq} has not happened yet: the newest event is ${view.seq}.`, { details: { seq: asOf.seq, newestSeq: view.seq } })
  const isNewest = (asOf.seq === undefined || asOf.seq >= view.seq) && (asOf.ts === undefined || asOf.ts >= view.ts)
  return isNewest ? undefined : asOf
}

function parseIsoTime(text: string, option: string): number {
  const match = isoPattern.exec(text)
  const ms = match === null ? Number.NaN : Date.parse(text)
  if (match === null || Number.isNaN(ms)) throw invalid(option, `${JSON.stringify(text.slice(0, 40))} is not an ISO 8601 date or a time with its zone, as '2026-03-01' or '2026-03-01T12:00:00Z'`)
  const [, year, month, day] = match
  // Date.parse takes the 30th of February for a day in March.
  if (new Date(`${year}-${month}-${day}T00:00:00Z`).getUTCDate() !== Number(day)) throw invalid(option, `there is no day ${text.slice(0, 40)}`)
  return ms
}

function invalid(option: string, problem: string): ParqueDBError {
  return new ParqueDBError('INVALID_ARGUMENT', `'${option}': ${problem}.`, { details: { option } })
}
