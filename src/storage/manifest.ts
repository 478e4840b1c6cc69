import { toHex, utf8Decode, utf8Encode } from '../base/bytes.ts'
import { ParqueDBError, translated } from '../base/ParqueDBError.ts'
import { sha256 } from '../base/sha256.ts'
import type { EntityKey } from '../model/entity.ts'
import type { WrittenFile } from '../parquet/written-file.ts'
import type { StorageBackend } from './storage-backend.ts'

export const manifestFolder = 'manifest/'

/** A data file's facts, without its bytes. */
export type FileEntry = Omit<WrittenFile, 'bytes'> & {
  readonly path: string
  readonly sizeBytes: number
  /** Of a segment of which rows are gone: the seqs that it stands for, inclusive. Absent: from minSeq to maxSeq, a row each. */
  readonly span?: { readonly from: number; readonly to: number }
}

/** A sorted run: files in key order that do not overlap. Runs of one namespace may overlap one another. */
export interface RunEntry {
  /** 0 when a flush wrote it, else one more than the deepest run merged into it. */
  readonly level: number
  readonly files: readonly FileEntry[]
  /** seq of the oldest tombstone in it; absent where there is none. */
  readonly deletedMinSeq?: number
}

/** Runs by namespace; without a prototype, so that every name is a plain key. */
export type NamespaceRuns = { readonly [ns: string]: readonly RunEntry[] }

/** The runs of a moment, kept: reading the past starts at the nearest one. */
export interface Checkpoint {
  /** The states are those after this event. */
  readonly seq: number
  readonly ts: number
  readonly runs: NamespaceRuns
}

/** Where a namespace's history begins: events up to `seq` are gone, and what they led to is in `base`. */
export interface Horizon {
  readonly seq: number
  /** ts of the event at seq. */
  readonly ts: number
  readonly base: readonly RunEntry[]
  /** Where it begins with the archived segments. */
  readonly archive?: Horizon
}

/** An entity whose events before `seq`, and whose states, are to be taken out of every file. */
export interface Erasure extends EntityKey {
  readonly seq: number
}

/** A file that the manifest no longer names. Its path is never used again. */
export interface DroppedFile {
  readonly path: string
  readonly sizeBytes: number
  /** When it was dropped; deleted at the earliest the grace period later. Milliseconds. */
  readonly atMs: number
  /** The first manifest without it: a view of an older one may still read it. */
  readonly manifestId: number
}

/** The immutable list of a partition's files. Readers never find files by listing. */
export interface Manifest {
  readonly id: number
  /** Everything up to this seq is in segments and runs; what follows is in the log. */
  readonly flushedSeq: number
  /** ts of the event at flushedSeq; 0 when nothing is flushed. */
  readonly flushedTs: number
  /** In seq order; their seq ranges are disjoint and contiguous. */
  readonly segments: readonly FileEntry[]
  readonly runs: NamespaceRuns
  /** In seq order. */
  readonly checkpoints: readonly Checkpoint[]
  /** Of the namespaces that have forgotten something; without a prototype. */
  readonly horizons: { readonly [ns: string]: Horizon }
  /** Segments of what is before a horizon; of each namespace in seq order. */
  readonly archived: readonly FileEntry[]
  /** What a crash may have interrupted. */
  readonly erasing: readonly Erasure[]
  /** Erasures that are done. */
  readonly erasedCount: number
  /** Manifests before this one may have keys of what was erased: they are deleted without delay. */
  readonly oldestId: number
  readonly dropped: readonly DroppedFile[]
}

export const emptyManifest: Manifest = { id: 0, flushedSeq: 0, flushedTs: 0, segments: [], runs: {}, checkpoints: [], horizons: {}, archived: [], erasing: [], erasedCount: 0, oldestId: 0, dropped: [] }

/** A manifest is read whole; one past this size is refused before it is allocated. */
const manifestBytesMax = 64 * 1024 * 1024

/** A manifest of up to so many characters also stands in the head, which saves who opens the database a request. */
const inlineCharsMax = 16 * 1024

export interface ManifestAddress {
  readonly path: string
  readonly sha256: string
  /** The manifest itself, when it is small. */
  readonly inline?: Manifest
}

export function filesOfRuns({ runs }: { runs: NamespaceRuns }, ns: string): readonly RunEntry[] {
  return (Object.hasOwn(runs, ns) ? runs[ns] : undefined) ?? []
}

/** The events of a segment; an edge's has two rows there. */
export function eventsIn(segment: FileEntry): number {
  return segment.rows - (segment.mirrors ?? 0)
}

export function horizonOf(manifest: Manifest, ns: string): Horizon | undefined {
  return Object.hasOwn(manifest.horizons, ns) ? manifest.horizons[ns] : undefined
}

/** The same record with other values, and without a prototype. */
export function withKeys<Value>(record: { readonly [ns: string]: Value }, changes: { readonly [ns: string]: Value }): { readonly [ns: string]: Value } {
  return Object.assign(Object.create(null), record, changes) as { readonly [ns: string]: Value }
}

/** Every data file that the manifest names, once, with its kind. */
export function* dataFiles(manifest: Omit<Manifest, 'id'>): Generator<{ kind: 'segment' | 'run'; ns: string | undefined; file: FileEntry }> {
  for (const file of [...manifest.archived, ...manifest.segments]) yield { kind: 'segment', ns: undefined, file }
  const seen = new Set<string>()
  const bases = Object.entries(manifest.horizons).map(([ns, { base, archive }]) => withKeys({}, { [ns]: [...base, ...(archive?.base ?? [])] }))
  for (const runs of [manifest.runs, ...manifest.checkpoints.map((checkpoint) => checkpoint.runs), ...bases]) {
    for (const [ns, entries] of Object.entries(runs)) {
      for (const file of entries.flatMap((run) => run.files)) if (!seen.has(file.path)) yield { kind: 'run', ns, file }
      for (const file of entries.flatMap((run) => run.files)) seen.add(file.path)
    }
  }
}

/** The seqs that a segment stands for, inclusive. */
export function spanOf(file: FileEntry): { readonly from: number; readonly to: number } {
  return file.span ?? { from: file.minSeq, to: file.maxSeq }
}

/** The segment, standing for these seqs. */
export function withSpan(file: FileEntry, span: { from: number; to: number }): FileEntry {
  const { span: _span, ...plain } = file
  return file.minSeq === span.from && file.maxSeq === span.to && eventsIn(file) === span.to - span.from + 1 ? plain : { ...plain, span }
}

/** Writes the manifest under a name of its own and gives its address. */
export async function writeManifest(backend: StorageBackend, manifest: Manifest, nonce: string): Promise<ManifestAddress> {
  const path = `${manifestFolder}${String(manifest.id).padStart(20, '0')}-${nonce}.json`
  const json = JSON.stringify(manifest)
  const bytes = utf8Encode(json)
  await backend.put(path, bytes, { ifAbsent: true })
  return { path, sha256: toHex(sha256(bytes)), ...(json.length <= inlineCharsMax && { inline: manifest }) }
}

/** The manifest that a head names, from the head where it has it. */
export async function openManifest(backend: StorageBackend, address: ManifestAddress | undefined): Promise<Manifest> {
  if (address === undefined) return emptyManifest
  return address.inline === undefined ? readManifest(backend, address) : withPlainNames(address.inline)
}

/** Reads a manifest's file and checks it against the hash that the head names. */
export async function readManifest(backend: StorageBackend, address: ManifestAddress): Promise<Manifest> {
  // One request; the byte past the limit tells that there is more.
  const bytes = await backend.readRange(address.path, { start: 0, end: manifestBytesMax + 1 })
  if (bytes.length > manifestBytesMax) throw damaged(address.path, `is more than the ${manifestBytesMax} bytes that a manifest may have`)
  if (toHex(sha256(bytes)) !== address.sha256) throw damaged(address.path, 'does not have the hash that the head names')
  return translated(() => withPlainNames(JSON.parse(utf8Decode(bytes)) as StoredManifest), (cause) => damaged(address.path, 'is not JSON', cause))
}

/** Parsed objects have prototypes; namespaces are data. An object without one makes `__proto__` a plain key. */
function withPlainNames(manifest: StoredManifest): Manifest {
  const checkpoints = (manifest.checkpoints ?? []).map((checkpoint) => ({ ...checkpoint, runs: withKeys(checkpoint.runs, {}) }))
  return { ...emptyManifest, ...manifest, runs: withKeys(manifest.runs, {}), horizons: withKeys(manifest.horizons ?? {}, {}), checkpoints }
}

/** Earlier versions know fewer of its parts. */
type StoredManifest = Pick<Manifest, 'id' | 'runs'> & Partial<Manifest>

function damaged(path: string, what: string, cause?: unknown): ParqueDBError {
  return new ParqueDBError('CORRUPT_FILE', `The manifest ${path} ${what}. Restore the file from a backup, or salvage what is sound with \`parquedb recover\`.`, { details: { path, offset: 0 }, cause })
}
