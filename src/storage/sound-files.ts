import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import { findFacts } from '../parquet/find-facts.ts'
import { namespaceOfRun } from './DataFiles.ts'
import { newestSoundHead, type Head } from './head.ts'
import { withArchive } from './horizon.ts'
import { listObjects } from './list-objects.ts'
import { dataFiles, emptyManifest, readManifest, type FileEntry } from './manifest.ts'
import type { StorageBackend } from './storage-backend.ts'

export interface SoundFiles {
  /** undefined when the newest one cannot be trusted: then everything that is there is looked at. */
  readonly head: Head | undefined
  readonly segments: readonly FileEntry[]
  readonly runs: readonly { readonly ns: string; readonly file: FileEntry }[]
  /** The states that the history begins with, where what was before is forgotten. */
  readonly bases: SoundFiles['runs']
  /** Events up to this seq may be missing because they were forgotten. */
  readonly forgottenTo: number
}

/** The data files to salvage from: those that the manifest names or, where head or manifest are damaged, all that are there and tell what they are. */
export async function findSoundFiles(from: { backend: StorageBackend; logBackend: StorageBackend }, onDamage: (error: ParqueDBError) => void): Promise<SoundFiles> {
  let isDamaged = false
  const damaged = (error: ParqueDBError): void => {
    isDamaged = true
    onDamage(error)
  }
  const head = await newestSoundHead(from.logBackend, damaged)
  if (head === undefined || isDamaged) return { head: undefined, ...(await listDataFiles(from.backend, onDamage)), bases: [], forgottenTo: 0 }
  try {
    const manifest = head.manifest === undefined ? emptyManifest : await readManifest(from.backend, head.manifest)
    const all = withArchive(manifest)
    const runs = [...dataFiles(manifest)].flatMap(({ ns, file }) => (ns === undefined ? [] : [{ ns, file }]))
    const bases = Object.entries(all.horizons).flatMap(([ns, { base }]) => base.flatMap((run) => run.files.map((file) => ({ ns, file }))))
    return { head, segments: all.segments.toSorted((left, right) => left.minSeq - right.minSeq), runs, bases, forgottenTo: Math.max(0, ...Object.values(all.horizons).map(({ seq }) => seq)) }
  } catch (error) {
    if (!isLoss(error)) throw error
    onDamage(error)
    return { head, ...(await listDataFiles(from.backend, onDamage)), bases: [], forgottenTo: 0 }
  }
}

/** Whether an error says that a file is not, or no more, what it should be. */
export function isLoss(error: unknown): error is ParqueDBError {
  return isParqueDBError(error, 'CORRUPT_FILE') || isParqueDBError(error, 'NOT_FOUND')
}

/** Data files by what they say of themselves. A file that no manifest ever named holds nothing that is not true. */
async function listDataFiles(backend: StorageBackend, onDamage: (error: ParqueDBError) => void): Promise<Pick<SoundFiles, 'segments' | 'runs'>> {
  const segments: FileEntry[] = []
  const runs: { ns: string; file: FileEntry }[] = []
  for await (const path of pathsOf(backend, ['archive/', 'events/', 'entities/', 'edges/'])) {
    const ns = namespaceOfRun(path)
    const bytes = await backend.read(path)
    const found = findFacts(bytes)
    if (found === undefined || (found.kind === 'run') !== (ns !== undefined)) {
      onDamage(new ParqueDBError('CORRUPT_FILE', `${path} has no index that could be read, and the manifest that would say where it is, is lost.`, { details: { path, offset: 0 } }))
      continue
    }
    const file = { ...found.facts, path, sizeBytes: bytes.length }
    if (ns === undefined) segments.push(file)
    else runs.push({ ns, file })
  }
  return { segments: segments.toSorted((left, right) => left.minSeq - right.minSeq), runs }
}

async function* pathsOf(backend: StorageBackend, prefixes: readonly string[]): AsyncGenerator<string> {
  for (const prefix of prefixes) {
    for await (const { path } of listObjects(backend, prefix)) if (path.endsWith('.parquet')) yield path
  }
}
