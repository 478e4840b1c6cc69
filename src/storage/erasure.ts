import { checkAborted } from '../base/abort.ts'
import { compareStrings } from '../base/bytes.ts'
import { edgeKey, edgeRange, edgeSpace, isEdgeSpace, parseEdgeKey } from '../model/edge.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { ShapeBuilder } from '../parquet/shape.ts'
import type { MergeParts } from './compaction.ts'
import { byKeyAndSeq } from './flush.ts'
import { KeyMap } from './KeyMap.ts'
import { dataFiles, withKeys, type Erasure, type FileEntry, type Horizon, type Manifest, type NamespaceRuns, type RunEntry } from './manifest.ts'
import type { ManifestChange } from './Publisher.ts'
import { replaceSegments, rewriteSegment, writeRunFiles } from './rewrite.ts'
import type { View } from './view.ts'

/** What is to go: seqs by key, and ids by namespace or edge space. */
interface Found {
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
  const edgeSpaces = [...runs.keys()].filter(isEdgeSpace)
  // Where retention has moved one end's horizon and not the other's, or later, an edge may be left with one of its ends only.
  const areApart = Object.keys(manifest.horizons).some(isEdgeSpace)
  const found: Found = { seqs: new KeyMap(), ids: new Map() }
  const touched = new Map<FileEntry, StoredEvent[]>()
  for (const file of [...manifest.archived, ...manifest.segments]) {
    const marks = await keysInSegment(file, erasures, { parts, found, areApart })
    if (marks !== undefined) touched.set(file, marks)
  }
  for (const erasure of erasures) await keysInRuns(erasure, runs, { parts, found, spaces: areApart ? [{ ns: erasure.ns }, ...edgeSpaces.map((ns) => ({ ns }))] : rangesOf(erasure) })
  const segments = new Map<FileEntry, FileEntry | undefined>()
  const place = (event: StoredEvent): 'keep' | 'drop' => (event.seq <= (found.seqs.get(event) ?? 0) ? 'drop' : 'keep')
  for (const [file, marks] of touched) {
    segments.set(file, (await rewriteSegment(file, place, { ...parts, inserted: marks.map(anonymous).toSorted(byKeyAndSeq) })).kept)
    checkAborted(parts.signal)
  }
  const files = new Map<string, readonly FileEntry[]>()
  for (const [ns, ids] of found.ids) for (const file of runs.get(ns) ?? []) await eraseFromRun({ ns, ids, file }, { parts, files })
  const change: ManifestChange = (current) => ({
    ...current,
    segments: replaceSegments(current.segments, segments),
    archived: current.archived.flatMap((file) => (segments.has(file) ? (segments.get(file) ?? []) : [file])),
    runs: mapRuns(current.runs, files),
    checkpoints: current.checkpoints.map((checkpoint) => ({ ...checkpoint, runs: mapRuns(checkpoint.runs, files) })),
    horizons: withKeys(Object.fromEntries(Object.entries(current.horizons).map(([ns, horizon]) => [ns, mapHorizon(horizon, files)])), {}),
    erasing: current.erasing.filter(({ seq }) => !erasures.some((done) => done.seq === seq)),
    erasedCount: current.erasedCount + erasures.length,
  })
  return { change, rewrittenFiles: segments.size + files.size }
}

/** Where an entity, and the edges that begin or end at it, stand. */
function rangesOf({ ns, id }: Erasure): { ns: string; fromId: string; beforeId: string }[] {
  const edges = edgeRange({ ns, id }, undefined)
  // No id stands between an id and the same with a NUL at its end.
  return [{ ns, fromId: id, beforeId: `${id}\0` }, ...(['out', 'in'] as const).map((direction) => ({ ns: edgeSpace(ns, direction), ...edges }))]
}

/** Whether a row is of the entity, or of an edge that begins or ends there. */
function concerns({ ns, id }: Erasure, key: EntityKey): boolean {
  if (!isEdgeSpace(key.ns)) return key.ns === ns && key.id === id
  const { from, to } = parseEdgeKey(key)
  return [from, to].some((end) => end.ns === ns && end.id === id)
}

/** Remembers what is to go: of an edge from both of its ends. */
function note(key: EntityKey, seq: number, found: Found): void {
  const all = isEdgeSpace(key.ns) ? (['out', 'in'] as const).map((direction) => edgeKey(parseEdgeKey(key), direction)) : [key]
  for (const each of all) {
    found.seqs.set(each, Math.max(seq, found.seqs.get(each) ?? 0))
    const ids = found.ids.get(each.ns)
    if (ids === undefined) found.ids.set(each.ns, new Set([each.id]))
    else ids.add(each.id)
  }
}

/** What the event says when the entity is gone: that, when, by whom and why; the SHA-256 of its `$id` is in its metadata. */
function anonymous(event: StoredEvent): StoredEvent {
  return { ...event, id: '', version: 1, after: undefined, patch: undefined, state: undefined }
}

/** The ERASE events of a segment; undefined when it holds nothing of the entities. */
async function keysInSegment(file: FileEntry, erasures: readonly Erasure[], to: { parts: MergeParts; found: Found; areApart: boolean }): Promise<StoredEvent[] | undefined> {
  const { tables, signal } = to.parts
  const marks: StoredEvent[] = []
  let isTouched = false
  for (const erasure of erasures) {
    if (file.minSeq > erasure.seq) continue
    for (const range of to.areApart ? [{}] : rangesOf(erasure)) {
      for await (const scanned of (await tables.segment(file)).scan({ ...range, toSeq: erasure.seq, signal })) {
        const events = scanned.filter((event) => concerns(erasure, event))
        isTouched ||= events.length > 0
        for (const event of events) note(event, erasure.seq, to.found)
        marks.push(...events.filter(({ seq, op }) => seq === erasure.seq && op === 'ERASE'))
      }
    }
  }
  return isTouched ? marks : undefined
}

async function keysInRuns(erasure: Erasure, runs: ReadonlyMap<string, readonly FileEntry[]>, { parts, found, spaces }: { parts: MergeParts; found: Found; spaces: readonly { ns: string; fromId?: string; beforeId?: string }[] }): Promise<void> {
  for (const { ns, ...range } of spaces) {
    for (const file of runs.get(ns) ?? []) {
      for await (const states of (await parts.tables.run(file)).scan({ ...range, signal: parts.signal })) for (const { id } of states) if (concerns(erasure, { ns, id })) note({ ns, id }, erasure.seq, found)
    }
  }
}

function allRuns(manifest: Manifest): Map<string, FileEntry[]> {
  const runs = new Map<string, FileEntry[]>()
  for (const { ns, file } of dataFiles(manifest)) if (ns !== undefined) runs.set(ns, [...(runs.get(ns) ?? []), file])
  return runs
}

/** The shape is made anew, too: a name of a field may have been the entity's alone. */
async function eraseFromRun({ ns, ids, file }: { ns: string; ids: ReadonlySet<string>; file: FileEntry }, to: { parts: MergeParts; files: Map<string, readonly FileEntry[]> }): Promise<void> {
  const reader = await to.parts.tables.run(file)
  const { signal } = to.parts
  if ((await reader.getMany([...ids].toSorted(compareStrings))).size === 0) return
  const rest = async function* (): AsyncGenerator<EntityState[]> {
    for await (const states of reader.scan({ signal })) yield states.filter(({ id }) => !ids.has(id))
  }
  const shape = new ShapeBuilder()
  for await (const states of rest()) for (const { document } of states) shape.add(document)
  to.files.set(file.path, (await writeRunFiles({ ns, states: rest(), shape: shape.build(), forgetUpTo: 0 }, to.parts)).files)
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
