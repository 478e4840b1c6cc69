import { limitExceeded } from '../base/ParqueDBError.ts'
import type { StorageBackend } from './storage-backend.ts'

/** Where temporary objects stand; a writer deletes those of older epochs. */
export const scratchPrefix = 'tmp/'
/** What one query may put aside. */
const scratchBytesMax = 8 * 1024 ** 3

/** Temporary objects of one query: more than memory should hold, gone with `dispose`. */
export class Scratch {
  readonly #backend: StorageBackend
  readonly #folder: string
  #count = 0
  #bytes = 0

  constructor(backend: StorageBackend, folder: string) {
    this.#backend = backend
    this.#folder = folder
  }

  /** Gives the path to read it from. LIMIT_EXCEEDED past 8 GiB. */
  async write(bytes: Uint8Array): Promise<string> {
    this.#bytes += bytes.length
    if (this.#bytes > scratchBytesMax) throw limitExceeded({ scratchBytesMax }, 'The query would put more than 8 GiB into temporary files; narrow the filter, or add a limit.')
    const path = `${this.#folder}/${this.#count}`
    this.#count += 1
    await this.#backend.put(path, bytes)
    return path
  }

  read(path: string): Promise<Uint8Array> {
    return this.#backend.read(path)
  }

  async dispose(): Promise<void> {
    for (; this.#count > 0; this.#count--) await this.#backend.delete(`${this.#folder}/${this.#count - 1}`)
  }
}
