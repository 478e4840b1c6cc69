import { compareStrings } from '../base/bytes.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { foldFromSnapshot, stateAfter } from '../model/fold.ts'
import { filesOfRuns, type FileEntry, type Manifest, type NamespaceRuns } from './manifest.ts'
import type { TableFiles } from './TableFiles.ts'
import type { AsOf } from './view.ts'

/** Run files of a namespace whose key range holds the id, newest first: known from the manifest alone, without a request. */
export function runFilesFor(of: { runs: NamespaceRuns }, key: EntityKey): FileEntry[] {
  const found: FileEntry[] = []
  for (const run of filesOfRuns(of, key.ns)) {
    const file = run.files.find((one) => holdsName(one, key.id))
    if (file !== undefined) found.push(file)
  }
  return found.length < 2 ? found : found.toSorted((left, right) => right.maxSeq - left.maxSeq)
}

/** The newest flushed state of an entity, where memory tells it. */
export function newestInMemory(files: TableFiles, candidates: readonly FileEntry[], id: string): EntityState | undefined | 'in files' {
  let newest: EntityState | undefined
  for (const file of candidates) {
    if (newest !== undefined && newest.seq >= file.maxSeq) break
    const states = files.runNow(file)?.statesNow({ fromId: id, beforeId: `${id}\0` }, 1)
    if (states === undefined) return 'in files'
    newest = newerOf(newest, states[0])
  }
  return newest
}

/** The newest flushed state of an entity. */
export async function newestInRuns(files: TableFiles, candidates: readonly FileEntry[], id: string): Promise<EntityState | undefined> {
  let newest: EntityState | undefined
  // Runs may overlap in seq after a merge, so the first hit is the answer only when no later candidate can be newer.
  for (const file of candidates) if ((newest?.seq ?? -1) < file.maxSeq) newest = newerOf(newest, await (await files.run(file)).get(id))
  return newest
}

function newerOf(left: EntityState | undefined, right: EntityState | undefined): EntityState | undefined {
  return right !== undefined && (left?.seq ?? -1) < right.seq ? right : left
}

/** The newest flushed states of entities of one namespace, by id; ids that have none are left out. */
export async function newestOfMany(files: TableFiles, manifest: Manifest, of: { ns: string; ids: readonly string[] }): Promise<Map<string, EntityState>> {
  const newest = new Map<string, EntityState>()
  const sorted = [...new Set(of.ids)].toSorted(compareStrings)
  for (const file of filesOfRuns(manifest, of.ns).flatMap((run) => run.files).toSorted((left, right) => right.maxSeq - left.maxSeq)) {
    const wanted = sorted.filter((id) => holdsName(file, id) && (newest.get(id)?.seq ?? -1) < file.maxSeq)
    if (wanted.length === 0) continue
    const reader = await files.run(file)
    for (const [id, state] of await reader.getMany(wanted)) if ((newest.get(id)?.seq ?? -1) < state.seq) newest.set(id, state)
  }
  return newest
}

/** Segments that may hold events of the key at or before `asOf`, newest first, from the manifest alone. */
export function segmentsFor(manifest: Manifest, key: EntityKey, asOf?: AsOf): FileEntry[] {
  return manifest.segments.filter((file) => reaches(file, asOf) && compareKeys(file.minKey, key) <= 0 && compareKeys(file.maxKey, key) >= 0).toReversed()
}

/**
 * The state at a point in the past, from the newest segment that reaches back to it: every segment is self-contained. Only where its snapshots are of
 * another fold, replay starts in an earlier one, or from `base`: the state before all of the segments.
 */
export async function pastInSegments(files: TableFiles, candidates: readonly FileEntry[], at: { key: EntityKey; asOf: AsOf; base: () => Promise<EntityState | undefined> }): Promise<EntityState | undefined> {
  let events: StoredEvent[] = []
  for (const file of candidates) {
    const reader = await files.segment(file)
    if (!reader.mayContainKey(at.key)) continue
    events = [...(await reader.eventsAsOf(at.key, at.asOf)), ...events]
    if (events[0]?.state !== undefined) return foldFromSnapshot(events)
  }
  return events.reduce(stateAfter, await at.base())
}

/** Whether a file holds anything at or before `asOf`. */
export function reaches(file: FileEntry, asOf: AsOf | undefined): boolean {
  return (asOf?.seq === undefined || file.minSeq <= asOf.seq) && (asOf?.ts === undefined || file.minTs <= asOf.ts)
}

/** Whether a file's keys reach from before a name to behind it: a segment's into a namespace, a run's around an id. */
export function holdsName(file: FileEntry, name: string): boolean {
  return compareStrings(file.minKey[0] ?? '', name) <= 0 && compareStrings(file.maxKey[0] ?? '', name) >= 0
}

function compareKeys(bound: readonly string[], key: EntityKey): number {
  return compareStrings(bound[0] ?? '', key.ns) || compareStrings(bound[1] ?? '', key.id)
}
