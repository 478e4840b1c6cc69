import { checkAborted } from '../base/abort.ts'
import { assert } from '../base/assert.ts'
import { compareStrings } from '../base/bytes.ts'
import { listAt } from '../base/list-at.ts'
import { edgeKey, edgeRange, edgeSpace, isEdgeSpace, parseEdgeKey } from '../model/edge.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { ShapeBuilder, type Shape } from '../parquet/shape.ts'
import { KeyMap } from './KeyMap.ts'
import { dataFiles, withKeys, type Erasure, type FileEntry, type Horizon, type Manifest, type NamespaceRuns, type RunEntry } from './manifest.ts'
import type { ManifestChange } from './Publisher.ts'
import { asSteps, byKeyAndSeq, replaceSegments, rewriteSegment, writeRunFiles, type MergeParts } from './rewrite.ts'
import type { View } from './view.ts'

/** What is to go: seqs by key, and ids by namespace or edge space; `erased`: seqs of the erasures by entity. */
interface Found {
  readonly erased: KeyMap<number>
  readonly seqs: KeyMap<number>
  readonly ids: Map<string, Set<string>>
}

/**
 * Writes every data file that holds something of the erased entities, or of edges that begin or end at them, anew, without it: segments, archived ones too, and runs, also those of checkpoints and bases.
 * Of each erasure the event stays, without the entity's id. Memory: one file at a time.
 */
export async function writeErasure(erasures: readonly Erasure[], parts: MergeParts & { manifest: Manifest; view: View }): Promise<{ change: ManifestChange; rewrittenFiles: number }> {
  const { manifest } = parts
  const runs = allRuns(manifest)
  // Where retention has moved one end's horizon and not the other's, or later, an edge may be left with one of its ends only.
  const areApart = Object.keys(manifest.horizons).some(isEdgeSpace)
  const found: Found = { erased: new KeyMap(), seqs: new KeyMap(), ids: new Map() }
  for (const erasure of erasures) found.erased.set(erasure, erasure.seq)
  const touched = new Map<FileEntry, StoredEvent[]>()
  for (const file of [...manifest.archived, ...manifest.segments]) {
    const marks = await keysInSegment(file, areApart ? [{}] : erasures.flatMap(rangesOf), { parts, found })
    if (marks !== undefined) touched.set(file, marks)
  }
  const ofEntities = erasures.flatMap((erasure) => rangesOf(erasure).slice(0, areApart ? 1 : undefined))
  const everyEdge = [...runs.keys()].filter((ns) => areApart && isEdgeSpace(ns)).map((ns) => ({ ns }))
  for (const range of [...ofEntities, ...everyEdge]) await keysInRuns(range, runs, { parts, found })
  const segments = new Map<FileEntry, FileEntry | undefined>()
  const place = (event: StoredEvent): 'keep' | 'drop' => (event.seq <= (found.seqs.get(event) ?? 0) ? 'drop' : 'keep')
  for (const [file, marks] of touched) {
    segments.set(file, (await rewriteSegment(file, place, { ...parts, inserted: marks.map(anonymous).toSorted(byKeyAndSeq) })).kept)
    checkAborted(parts.signal)
  }
  const files = new Map<string, readonly FileEntry[]>()
  for (const [ns, ids] of found.ids) for (const file of runs.get(ns) ?? []) await eraseFromRun({ ns, ids, file }, { parts, files })
  const known = new Set([...dataFiles(manifest)].map(({ file }) => file.path))
  const lastSeq = Math.max(...erasures.map(({ seq }) => seq))
  const change: ManifestChange = (current) => {
    assert([...dataFiles(current)].every(({ file }) => known.has(file.path) || file.minSeq > lastSeq), 'E1: an erasure is done when it has looked at every file that may hold something of the entity')
    return {
      ...current,
      segments: replaceSegments(current.segments, segments),
      archived: current.archived.flatMap((file) => (segments.has(file) ? (segments.get(file) ?? []) : [file])),
      runs: mapRuns(current.runs, files),
      checkpoints: current.checkpoints.map((checkpoint) => ({ ...checkpoint, runs: mapRuns(checkpoint.runs, files) })),
      horizons: withKeys(Object.fromEntries(Object.entries(current.horizons).map(([ns, horizon]) => [ns, mapHorizon(horizon, files)])), {}),
      erasing: current.erasing.filter(({ seq }) => !erasures.some((done) => done.seq === seq)),
      erasedCount: current.erasedCount + erasures.length,
    }
  }
  return { change, rewrittenFiles: segments.size + files.size }
}

/** Rows of one namespace or edge space. */
interface Stretch {
  readonly ns: string
  readonly fromId?: string
  readonly beforeId?: string
}

/** Where an entity, and the edges that begin or end at it, stand. */
function rangesOf({ ns, id }: Erasure): Stretch[] {
  const edges = edgeRange({ ns, id }, undefined)
  // No id stands between an id and the same with a NUL at its end.
  return [{ ns, fromId: id, beforeId: `${id}\0` }, ...(['out', 'in'] as const).map((direction) => ({ ns: edgeSpace(ns, direction), ...edges }))]
}

/** Remembers a row that is to go, of an edge from both of its ends: whether it is of an erased entity, or of an edge that begins or ends there. */
function note(key: EntityKey, found: Found): boolean {
  const ends = isEdgeSpace(key.ns) ? parseEdgeKey(key) : undefined
  const seq = Math.max(found.erased.get(ends?.from ?? key) ?? 0, found.erased.get(ends?.to ?? key) ?? 0)
  if (seq === 0) return false
  for (const each of ends === undefined ? [key] : (['out', 'in'] as const).map((direction) => edgeKey(ends, direction))) {
    found.seqs.set(each, Math.max(seq, found.seqs.get(each) ?? 0))
    const ids = found.ids.get(each.ns)
    if (ids === undefined) found.ids.set(each.ns, new Set([each.id]))
    else ids.add(each.id)
  }
  return true
}

/** What the event says when the entity is gone: that, when, by whom and why; the SHA-256 of its `$id` is in its metadata. */
function anonymous(event: StoredEvent): StoredEvent {
  return { ...event, id: '', version: 1, after: undefined, patch: undefined, state: undefined }
}

/** The ERASE events of a segment; undefined when it holds nothing of the entities. Nothing is written to them before they are gone. */
async function keysInSegment(file: FileEntry, ranges: readonly Partial<Stretch>[], { parts, found }: { parts: MergeParts; found: Found }): Promise<StoredEvent[] | undefined> {
  const reader = await parts.tables.segment(file)
  const gone: StoredEvent[] = []
  for (const range of ranges) for await (const events of reader.scan({ ...range, signal: parts.signal })) gone.push(...events.filter((event) => note(event, found)))
  return gone.length === 0 ? undefined : gone.filter((event) => event.op === 'ERASE' && event.seq === found.erased.get(event))
}

async function keysInRuns({ ns, ...range }: Stretch, runs: ReadonlyMap<string, readonly FileEntry[]>, { parts, found }: { parts: MergeParts; found: Found }): Promise<void> {
  for (const file of runs.get(ns) ?? []) {
    for await (const states of (await parts.tables.run(file)).scan({ ...range, signal: parts.signal })) for (const { id } of states) note({ ns, id }, found)
  }
}

function allRuns(manifest: Manifest): Map<string, FileEntry[]> {
  const runs = new Map<string, FileEntry[]>()
  for (const { ns, file } of dataFiles(manifest)) if (ns !== undefined) listAt(runs, ns).push(file)
  return runs
}

/** A file that has nothing of the entities stays, unless it names a field that none of its rows has, which may have been theirs alone. The shape is made anew. */
async function eraseFromRun({ ns, ids, file }: { ns: string; ids: ReadonlySet<string>; file: FileEntry }, to: { parts: MergeParts; files: Map<string, readonly FileEntry[]> }): Promise<void> {
  const reader = await to.parts.tables.run(file)
  const rest = async function* (): AsyncGenerator<EntityState[]> {
    for await (const states of reader.scan({ signal: to.parts.signal })) yield states.filter(({ id }) => !ids.has(id))
  }
  if ((await reader.getMany([...ids].toSorted(compareStrings))).size === 0 && (await hasAllNames(rest(), await reader.shape()))) return
  const shape = new ShapeBuilder()
  for await (const states of rest()) for (const { document } of states) shape.add(document)
  to.files.set(file.path, (await writeRunFiles({ ns, steps: () => asSteps(rest()), shape: shape.build(), codec: to.parts.codec ?? reader.codec, forgetUpTo: 0 }, to.parts)).files)
}

/** Whether each field that a shape names is in some state; most are in one of the first. */
async function hasAllNames(batches: AsyncIterable<readonly EntityState[]>, { fields }: Shape): Promise<boolean> {
  const missing = new Set(namesIn(fields))
  for await (const states of batches) {
    const seen = new ShapeBuilder()
    for (const { document } of states) seen.add(document)
    for (const name of namesIn(seen.build().fields)) missing.delete(name)
    if (missing.size === 0) break
  }
  return missing.size === 0
}

function namesIn(fields: Shape['fields'], around = ''): string[] {
  return fields.flatMap(({ name, fields: inner = [] }) => [`${around}\0${name}`, ...namesIn(inner, `${around}\0${name}`)])
}

function mapRuns(runs: NamespaceRuns, files: ReadonlyMap<string, readonly FileEntry[]>): NamespaceRuns {
  return withKeys(Object.fromEntries(Object.entries(runs).map(([ns, entries]) => [ns, mapEntries(entries, files)])), {})
}

function mapEntries(entries: readonly RunEntry[], files: ReadonlyMap<string, readonly FileEntry[]>): readonly RunEntry[] {
  return entries
    .map((run) => (run.files.some(({ path }) => files.has(path)) ? { ...run, files: run.files.flatMap((file) => files.get(file.path) ?? [file]) } : run))
    .filter((run) => run.files.length > 0)
}

function mapHorizon({ archive, ...horizon }: Horizon, files: ReadonlyMap<string, readonly FileEntry[]>): Horizon {
  return { ...horizon, base: mapEntries(horizon.base, files), ...(archive !== undefined && { archive: mapHorizon(archive, files) }) }
}
