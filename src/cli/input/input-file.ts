import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { messageOf, ParqueDBError } from '../../base/ParqueDBError.ts'
import type { ByteSource } from '../../parquet/byte-source.ts'

/** A file to import from, which must stay as it is meanwhile. */
export type InputFile = Awaited<ReturnType<typeof openInput>>

const chunkBytes = 256 * 1024

/** NOT_FOUND, or INVALID_ARGUMENT for what is no file. */
export async function openInput(path: string) {
  const { sizeBytes, changed } = await readFacts(path)
  let readBytes = 0
  return {
    path,
    /** Its own name, for messages. */
    name: basename(path),
    sizeBytes,
    /** How far `chunks` has come. */
    readBytes: () => readBytes,
    async *chunks(): AsyncIterable<Uint8Array> {
      readBytes = 0
      for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes }) as AsyncIterable<Uint8Array>) {
        readBytes += chunk.length
        yield chunk
      }
    },
    /** Random access; close it. */
    async source(): Promise<ByteSource & { close(): Promise<void> }> {
      const handle = await open(path, 'r')
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
    },
    /** VALIDATION_FAILED when it was written to since it was opened. */
    checkUnchanged: async (): Promise<void> => {
      const now = await readFacts(path)
      if (now.sizeBytes === sizeBytes && now.changed === changed) return
      throw new ParqueDBError('VALIDATION_FAILED', `${path} was changed while it was read; import it again when nothing writes to it`, { details: { file: path } })
    },
  }
}

/** `changed`: another one when it was written to, or is another file. */
async function readFacts(path: string): Promise<{ sizeBytes: number; changed: string }> {
  const facts = await stat(path).catch((cause: unknown) => {
    throw new ParqueDBError('NOT_FOUND', `the file ${path} cannot be read: ${messageOf(cause)}`, { details: { file: path }, cause })
  })
  if (!facts.isFile()) throw new ParqueDBError('INVALID_ARGUMENT', `${path} is not a file`, { details: { file: path } })
  return { sizeBytes: facts.size, changed: `${facts.mtimeMs} ${facts.ino}` }
}
