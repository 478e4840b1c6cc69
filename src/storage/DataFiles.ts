import { isParqueDBError } from '../base/ParqueDBError.ts'
import { collectionOf, edgeSpace, isEdgeSpace, isMirrorSpace, type Direction } from '../model/edge.ts'
import { foldVersion } from '../model/fold.ts'
import { foldKey } from '../parquet/segment-columns.ts'
import type { FileOptions } from '../parquet/TableWriter.ts'
import type { WrittenFile } from '../parquet/written-file.ts'
import type { FileEntry } from './manifest.ts'
import { Scratch, scratchPrefix } from './Scratch.ts'
import type { StorageBackend } from './storage-backend.ts'
import type { TableFiles } from './TableFiles.ts'

/** Escaped names longer than this are cut: a file's own name is unique, the folder is for people. */
export const folderCharsMax = 120

/** Of one job: those that others have taken are passed over. */
const takenNamesMax = 10_000

/** Where data files stand. */
export const dataFolders = ['archive/', 'events/', 'entities/', 'edges/']

interface OutputParts {
  readonly backend: StorageBackend
  readonly tables: TableFiles
  readonly rowGroupBytes: number
}

/** Names and writes the data files of one writer's epoch. No name is ever given twice. */
export class DataFiles {
  readonly #parts: OutputParts & { readonly epoch: number }
  #jobs = 0

  constructor(parts: OutputParts & { epoch: number }) {
    this.#parts = parts
  }

  scratch(): Scratch {
    return new Scratch(this.#parts.backend, `${scratchPrefix}${pad(this.#parts.epoch, 10)}-${++this.#jobs}`)
  }

  /** Begins a flush or a merge. */
  job(): OutputJob {
    return new OutputJob(this.#parts, `${pad(this.#parts.epoch, 10)}-${pad(++this.#jobs, 6)}`)
  }
}

/** The files of one flush or merge: named by a manifest together or not at all. */
export class OutputJob {
  readonly #parts: OutputParts
  readonly #name: string
  readonly #written = new Set<string>()
  #names = 0
  /** For the writer of each of its files; the metadata tells a reader whether its own fold made the states. */
  readonly fileOptions: FileOptions

  constructor(parts: OutputParts, name: string) {
    this.#parts = parts
    this.#name = name
    this.fileOptions = { metadata: { [foldKey]: String(foldVersion) }, rowGroupBytes: parts.rowGroupBytes }
  }

  async writeSegment(file: WrittenFile, folder: 'events' | 'archive' = 'events'): Promise<FileEntry> {
    const entry = await this.#write(folder, file)
    await this.#parts.tables.segment(entry)
    return entry
  }

  async writeRun(ns: string, file: WrittenFile): Promise<FileEntry> {
    const entry = await this.#write(runFolder(ns), file)
    await this.#parts.tables.run(entry)
    return entry
  }

  /** Deletes what was written, when no manifest names it nor ever will. */
  async discard(): Promise<void> {
    for (const path of this.#written) {
      this.#parts.tables.forget(path)
      await this.#parts.backend.delete(path)
    }
  }

  /**
   * D3: the caller reads the index back before any manifest names the file. A name that is taken is another writer's, as where a backup was put back over newer
   * files: it stays, and the next one is tried.
   */
  async #write(folder: string, file: WrittenFile): Promise<FileEntry> {
    const { bytes, ...facts } = file
    for (let taken = 0; ; taken++) {
      const path = `${folder}/${this.#name}-${pad(++this.#names, 4)}.parquet`
      this.#written.add(path)
      try {
        await this.#parts.backend.put(path, bytes, { ifAbsent: true })
        return { ...facts, path, sizeBytes: bytes.length }
      } catch (error) {
        if (!isParqueDBError(error, 'PRECONDITION_FAILED') || taken >= takenNamesMax) throw error
        this.#written.delete(path)
      }
    }
  }
}

/** The epoch in a data file's name; undefined for a file that is not one. */
export function epochOfDataFile(path: string): number | undefined {
  const match = /^(?:events|archive|entities\/[^/]+|edges\/[^/]+\/(?:out|in))\/(\d{10})-\d{6}-\d{4,}\.parquet$/.exec(path)
  return match === null ? undefined : Number(match[1])
}

/** `entities/<ns>`; of edges `edges/<ns>/out` and `edges/<ns>/in`. */
function runFolder(ns: string): string {
  const folder = escapeFolder(collectionOf(ns))
  return isEdgeSpace(ns) ? `edges/${folder}/${isMirrorSpace(ns) ? 'in' : 'out'}` : `entities/${folder}`
}

/** The namespace in a run's name, which is cut where it was too long; undefined for a file that is not a run. */
export function namespaceOfRun(path: string): string | undefined {
  const match = /^(?:entities\/([^/]+)|edges\/([^/]+)\/(out|in))\//.exec(path)
  const folder = match?.[1] ?? match?.[2]
  if (folder === undefined) return undefined
  const ns = decodeURIComponent(folder)
  return match?.[3] === undefined ? ns : edgeSpace(ns, match[3] as Direction)
}

/** A namespace as one path component: letters, digits, '-' and '_' stay, every other UTF-8 byte is %XX. */
export function escapeFolder(ns: string): string {
  const escaped = encodeURIComponent(ns).replace(/[.!~*'()]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
  return escaped.length <= folderCharsMax ? escaped : escaped.slice(0, folderCharsMax).replace(/%[0-9A-F]?$/, '')
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, '0')
}
