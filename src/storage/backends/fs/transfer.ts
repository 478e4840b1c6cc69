import { read } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { ByteRange } from '../../storage-backend.ts'

/** Node.js reads and writes less than 2 GiB a call. */
const transferBytesMax = 1024 * 1024 * 1024

export async function writeAll(file: FileHandle, bytes: Uint8Array, position = 0): Promise<void> {
  let at = 0
  while (at < bytes.length) {
    const { bytesWritten } = await file.write(bytes, at, Math.min(bytes.length - at, transferBytesMax), position + at)
    at += bytesWritten
  }
}

const readAsync = promisify(read)

/** Fewer bytes where the file ends before the range does. */
export async function readUpTo(file: number, { start, end }: ByteRange): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start)
  let at = 0
  while (at < bytes.length) {
    const { bytesRead } = await readAsync(file, bytes, at, Math.min(bytes.length - at, transferBytesMax), start + at)
    if (bytesRead === 0) return bytes.slice(0, at)
    at += bytesRead
  }
  return bytes
}
