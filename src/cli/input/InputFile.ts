import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { ParqueDBError } from '../../base/ParqueDBError.ts'
import type { ByteSource } from '../../parquet/byte-source.ts'

/** Its size, and what is another one when it was written to, or is another file. */
type FileFacts = readonly [sizeBytes: number, changed: string]

const chunkBytes = 256 * 1024

/** A file to import from, which must stay as it is meanwhile. */
export class InputFile {
  readonly path: string
  /** Its own name, for messages. */
  readonly name: string
  readonly sizeBytes: number
  readonly #facts: FileFacts
  #readBytes = 0

  private constructor(path: string, facts: FileFacts) {
    this.path = path
    this.name = basename(path)
    this.#facts = facts
    this.sizeBytes = facts[0]
  }

  /** NOT_FOUND, or INVALID_ARGUMENT for what is no file. */
  static async open(path: string): Promise<InputFile> {
    return new InputFile(path, await readFacts(path))
  }

  /** How far `chunks` has come. */
  get readBytes(): number {
    return this.#readBytes
  }

  async *chunks(): AsyncIterable<Uint8Array> {
    this.#readBytes = 0
    for await (const chunk of createReadStream(this.path, { highWaterMark: chunkBytes }) as AsyncIterable<Uint8Array>) {
      this.#readBytes += chunk.length
      yield chunk
    }
  }

  /** Random access; close it. */
  async source(): Promise<ByteSource & { close(): Promise<void> }> {
    const handle = await open(this.path, 'r')
    const { path, sizeBytes } = this
    return {
      path,
      sizeBytes,
      close: () => handle.close(),
      readRange: async ({ start, end }) => {
        if (start < 0 || end < start || end > sizeBytes) throw new ParqueDBError('CORRUPT_FILE', `${path} refers to the bytes ${start}-${end}, and has ${sizeBytes}; it may have been cut off`, { details: { path, start, end, sizeBytes } })
        const bytes = new Uint8Array(end - start)
        for (let at = 0; at < bytes.length; ) {
          const { bytesRead } = await handle.read(bytes, at, bytes.length - at, start + at)
          if (bytesRead === 0) throw new ParqueDBError('CORRUPT_FILE', `${path} became shorter while it was read`, { details: { path } })
          at += bytesRead
        }
        return bytes
      },
    }
  }

  /** VALIDATION_FAILED when it was written to since it was opened. */
  async checkUnchanged(): Promise<void> {
    if ((await readFacts(this.path)).join() === this.#facts.join()) return
    throw new ParqueDBError('VALIDATION_FAILED', `${this.path} was changed while it was read; import it again when nothing writes to it`, { details: { file: this.path } })
  }
}

async function readFacts(path: string): Promise<FileFacts> {
  const facts = await stat(path).catch((cause: unknown) => {
    throw new ParqueDBError('NOT_FOUND', `the file ${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { details: { file: path }, cause })
  })
  if (!facts.isFile()) throw new ParqueDBError('INVALID_ARGUMENT', `${path} is not a file`, { details: { file: path } })
  return [facts.size, `${facts.mtimeMs} ${facts.ino}`]
}
