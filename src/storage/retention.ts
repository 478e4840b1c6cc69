import { checkAborted } from '../base/abort.ts'
import { assert } from '../base/assert.ts'
import type { RetentionPolicy, RetentionReport } from '../model/database-options.ts'
import { collectionOf, isMirrorSpace } from '../model/edge.ts'
import { isReserved } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import type { ResolvedOptions } from './engine-options.ts'
import { holdsName } from './lookup.ts'
import { filesOfRuns, horizonOf, withKeys, type Checkpoint, type FileEntry, type Horizon, type Manifest, type RunEntry } from './manifest.ts'
import type { ManifestChange } from './Publisher.ts'
import { asSteps, commonForm, replaceSegments, rewriteSegment, writeRunFiles, type MergeParts } from './rewrite.ts'
import { statesInOrder } from './strips.ts'
import type { TableFiles } from './TableFiles.ts'
import type { View } from './view.ts'

/** A namespace's horizon, where it should be now. */
interface Step {
  readonly ns: string
  readonly seq: number
  readonly ts: number
  readonly mode: 'archive' | 'drop'
  /** What goes with it. */
  readonly events: number
  readonly bytes: number
}

interface Reading {
  readonly manifest: Manifest
  readonly tables: TableFiles
  readonly signal?: AbortSignal | undefined
}

/** What the policies would let go now, of what is in files: events exactly, bytes in proportion to the rows of a file that go. */
export async function planRetention(reading: Reading, retention: ResolvedOptions['retention'], nowMs: number): Promise<Step[]> {
  const { manifest } = reading
  const steps: Step[] = []
  for (const ns of Object.keys(manifest.runs)) {
    // Edges go with the collection that they stand with.
    const collection = collectionOf(ns)
    const policy = Object.hasOwn(retention.namespaces, collection) ? retention.namespaces[collection] : retention.policy
    if (policy === undefined || policy.mode === 'keep') continue
    const to = await horizonWanted(reading, { ns, policy, nowMs })
    if (to === undefined) continue
    const dropsArchive = policy.mode === 'drop' && horizonOf(manifest, ns)?.archive !== undefined
    const { rows, bytes } = await rowsUpTo(reading, ns, to.seq)
    // Of an edge the far end has a second row.
    if (dropsArchive || rows > 0) steps.push({ ns, ...to, mode: policy.mode, events: isMirrorSpace(ns) ? 0 : rows, bytes })
  }
  return steps
}

async function rowsUpTo({ manifest, tables, signal }: Reading, ns: string, toSeq: number): Promise<{ rows: number; bytes: number }> {
  const total = { rows: 0, bytes: 0 }
  for (const file of manifest.segments) {
    if (!holdsName(file, ns) || file.minSeq > toSeq) continue
    let rows = 0
    for await (const events of (await tables.segment(file)).scan({ ns, toSeq, signal })) rows += events.filter(mayGo).length
    total.rows += rows
    total.bytes += Math.round((file.sizeBytes * rows) / Math.max(file.rows, 1))
  }
  return total
}

/** What carrying out the steps takes away. */
export function reportRetention(steps: readonly Step[]): RetentionReport {
  const namespaces = Object.fromEntries(steps.filter(({ ns }) => !isReserved(ns)).map(({ ns, seq, ts, mode, events, bytes }) => [ns, { mode, horizonSeq: seq, horizonTs: ts, events, bytes }]))
  return { events: steps.reduce((sum, { events }) => sum + events, 0), bytes: steps.reduce((sum, { bytes }) => sum + bytes, 0), namespaces: withKeys(namespaces, {}) }
}

/**
 * Writes what is left: each segment without what goes, what is archived, and the states at each horizon. One manifest takes over all of it, so a reader
 * sees either the old horizon with all that it needs, or the new one. Memory: one segment and one run file at a time.
 */
export async function writeRetention(steps: readonly Step[], parts: MergeParts & { manifest: Manifest; view: View }): Promise<ManifestChange> {
  const { manifest } = parts
  const horizons: { [ns: string]: Horizon } = {}
  for (const step of steps) {
    assert(step.seq >= (horizonOf(manifest, step.ns)?.seq ?? 0), 'R1: a horizon never goes back')
    horizons[step.ns] = await writeHorizon(step, parts)
  }
  const byNs = new Map(steps.map((step) => [step.ns, step]))
  const place = (event: StoredEvent): 'keep' | 'archive' | 'drop' => {
    const step = byNs.get(event.ns)
    return step === undefined || event.seq > step.seq || !mayGo(event) ? 'keep' : step.mode
  }
  const touched = (file: FileEntry, of: readonly Step[]): boolean => of.some(({ ns, seq }) => file.minSeq <= seq && holdsName(file, ns))
  const kept = new Map<FileEntry, FileEntry | undefined>()
  const archived: FileEntry[] = []
  for (const file of manifest.archived) {
    // What is dropped is dropped from the archive, too.
    if (touched(file, steps.filter(({ mode }) => mode === 'drop'))) kept.set(file, (await rewriteSegment(file, (event) => (place(event) === 'drop' ? 'drop' : 'keep'), parts)).kept)
  }
  for (const file of manifest.segments) {
    if (!touched(file, steps)) continue
    const output = await rewriteSegment(file, place, parts)
    kept.set(file, output.kept)
    if (output.archived !== undefined) archived.push(output.archived)
    checkAborted(parts.signal)
  }
  return (current) => ({
    ...current,
    segments: replaceSegments(current.segments, kept),
    archived: [...current.archived.flatMap((file) => (kept.has(file) ? (kept.get(file) ?? []) : [file])), ...archived],
    horizons: withKeys(current.horizons, horizons),
    checkpoints: current.checkpoints.flatMap((checkpoint) => withoutForgotten(checkpoint, horizons)),
  })
}

/** The states at the horizon: what every answer from there on starts from. */
async function writeHorizon({ ns, seq, ts, mode }: Step, parts: MergeParts & { manifest: Manifest; view: View }): Promise<Horizon> {
  const before = horizonOf(parts.manifest, ns)
  const archive = mode === 'archive' ? (before?.archive ?? before ?? { seq: 0, ts: 0, base: [] }) : undefined
  const form = await commonForm(filesOfRuns(parts.manifest, ns), parts)
  const states = statesInOrder(parts.view.scan(ns, { asOf: { seq }, signal: parts.signal }))
  const run = await writeRunFiles({ ns, steps: () => asSteps(states), ...form, forgetUpTo: archive === undefined ? seq : archive.seq }, parts)
  assert(run.files.every(({ maxSeq }) => maxSeq <= seq), 'R2: the base of a horizon holds nothing from after it')
  const base: RunEntry[] = run.files.length === 0 ? [] : [{ level: 0, ...run }]
  return { seq, ts, base, ...(archive !== undefined && { archive: { seq: archive.seq, ts: archive.ts, base: archive.base } }) }
}

/** A checkpoint keeps nothing of a namespace whose horizon has passed it. */
function withoutForgotten(checkpoint: Checkpoint, horizons: { readonly [ns: string]: Horizon }): Checkpoint[] {
  const runs = Object.entries(checkpoint.runs).filter(([ns]) => (horizons[ns]?.seq ?? 0) <= checkpoint.seq)
  return runs.length === 0 ? [] : [{ ...checkpoint, runs: withKeys(Object.fromEntries(runs), {}) }]
}

/** The newest event that neither age nor count keeps: the horizon itself where that is past it. */
async function horizonWanted(reading: Reading, of: { ns: string; policy: RetentionPolicy; nowMs: number }): Promise<{ seq: number; ts: number } | undefined> {
  const { maxAge, maxEvents } = of.policy
  const byAge = maxAge === undefined ? undefined : await lastAtOrBefore(reading, of.nowMs - maxAge)
  const byCount = maxEvents === undefined ? undefined : await lastBeforeNewest(reading, of.ns, maxEvents)
  const to = (byAge?.seq ?? 0) > (byCount?.seq ?? 0) ? byAge : byCount
  const horizon = horizonOf(reading.manifest, of.ns)
  if (horizon === undefined || (to?.seq ?? 0) > horizon.seq) return to
  // What is before the horizon already, and may be archived, is beyond the newest, too, or old enough.
  return maxEvents !== undefined || horizon.ts <= of.nowMs - (maxAge ?? Number.POSITIVE_INFINITY) ? horizon : undefined
}

async function lastAtOrBefore({ manifest, tables, signal }: Reading, ts: number): Promise<{ seq: number; ts: number } | undefined> {
  for (const file of manifest.segments.toReversed()) {
    if (file.maxTs <= ts) return { seq: file.maxSeq, ts: file.maxTs }
    if (file.minTs > ts) continue
    const last = { seq: 0, ts: 0 }
    for await (const events of (await tables.segment(file)).scan({ toTs: ts, signal })) {
      for (const event of events) if (event.seq > last.seq) [last.seq, last.ts] = [event.seq, event.ts]
    }
    if (last.seq > 0) return last
  }
  return undefined
}

/** The newest event of a namespace after which it has had `count` more. */
async function lastBeforeNewest({ manifest, tables, signal }: Reading, ns: string, count: number): Promise<{ seq: number; ts: number } | undefined> {
  let left = count
  for (const file of manifest.segments.toReversed()) {
    if (!holdsName(file, ns)) continue
    const found: { seq: number; ts: number }[] = []
    for await (const events of (await tables.segment(file)).scan({ ns, signal })) for (const { seq, ts } of events.filter(mayGo)) found.push({ seq, ts })
    if (found.length > left) return found.toSorted((one, other) => one.seq - other.seq)[found.length - left - 1]
    left -= found.length
  }
  return undefined
}

/** That something was erased stays on record, and before that is done, what is to be erased. */
function mayGo({ op }: StoredEvent): boolean {
  return op !== 'ERASE'
}
