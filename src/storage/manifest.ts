import { toHex, utf8Decode, utf8Encode } from '../base/bytes.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { sha256 } from '../base/sha256.ts'
import type { WrittenFile } from '../parquet/written-file.ts'
import type { StorageBackend } from './storage-backend.ts'

/** A data file's facts, without its bytes. */
export type FileEntry = Omit<WrittenFile, 'bytes'> & { readonly path: string; readonly sizeBytes: number }

/** A sorted run: files in key order that do not overlap. Runs of one namespace may overlap one another. */
export interface RunEntry {
  /** 0 when a flush wrote it, else one more than the deepest run merged into it. */
  readonly level: number
  readonly files: readonly FileEntry[]
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
  readonly runs: { readonly [ns: string]: readonly RunEntry[] }
  readonly dropped: readonly DroppedFile[]
}

export const emptyManifest: Manifest = { id: 0, flushedSeq: 0, flushedTs: 0, segments: [], runs: {}, dropped: [] }

/** A manifest is read whole; one past this size is refused before it is allocated. */
const manifestBytesMax = 64 * 1024 * 1024

export interface ManifestAddress {
  readonly path: string
  readonly sha256: string
}

export function filesOfRuns(manifest: Manifest, ns: string): readonly RunEntry[] {
  return Object.hasOwn(manifest.runs, ns) ? (manifest.runs[ns] ?? []) : []
}

/** Every data file that the manifest names, with its kind. */
export function* dataFiles(manifest: Manifest): Generator<{ kind: 'segment' | 'run'; ns: string | undefined; file: FileEntry }> {
  for (const file of manifest.segments) yield { kind: 'segment', ns: undefined, file }
  for (const [ns, runs] of Object.entries(manifest.runs)) {
    for (const run of runs) for (const file of run.files) yield { kind: 'run', ns, file }
  }
}

/** Writes the manifest under a name of its own and gives its address. */
export async function writeManifest(backend: StorageBackend, manifest: Manifest, nonce: string): Promise<ManifestAddress> {
  const path = `manifest/${String(manifest.id).padStart(20, '0')}-${nonce}.json`
  const bytes = utf8Encode(JSON.stringify(manifest))
  await backend.put(path, bytes, { ifAbsent: true })
  return { path, sha256: toHex(sha256(bytes)) }
}

/** Reads a manifest back and checks it against the hash that the head names. */
export async function readManifest(backend: StorageBackend, address: ManifestAddress): Promise<Manifest> {
  const info = await backend.stat(address.path)
  if (info !== undefined && info.sizeBytes > manifestBytesMax) throw damaged(address.path, `is ${info.sizeBytes} bytes, more than a manifest may have`)
  const bytes = await backend.read(address.path)
  if (toHex(sha256(bytes)) !== address.sha256) throw damaged(address.path, 'does not have the hash that the head names')
  try {
    const manifest = JSON.parse(utf8Decode(bytes)) as Manifest
    // Parsed objects have prototypes; namespaces are data. An object without one makes `__proto__` a plain key.
    return { ...manifest, runs: Object.assign(Object.create(null), manifest.runs) as Manifest['runs'] }
  } catch (cause) {
    throw damaged(address.path, 'is not JSON', cause)
  }
}

function damaged(path: string, what: string, cause?: unknown): ParqueDBError {
  return new ParqueDBError('CORRUPT_FILE', `The manifest ${path} ${what}. Restore the file from a backup, or salvage what is sound with \`parquedb recover\`.`, { details: { path, offset: 0 }, cause })
}
