import type { FileHandle } from 'node:fs/promises'

/** Node.js reads and writes less than 2 GiB a call. */
export const transferBytesMax = 1024 * 1024 * 1024

export async function writeAll(file: FileHandle, bytes: Uint8Array, position = 0): Promise<void> {
  let at = 0
  while (at < bytes.length) {
    const { bytesWritten } = await file.write(bytes, at, Math.min(bytes.length - at, transferBytesMax), position + at)
    at += bytesWritten
  }
}
