import { writeSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { concatBytes } from '../../../base/bytes.ts'
import type { AppendFile } from '../../FileLog.ts'
import { storageError } from './storage-error.ts'
import { writeAll } from './transfer.ts'

/** Linux writes and syncs in one call, which saves a commit a thread's turn. Elsewhere O_DSYNC promises less than datasync, or is missing. */
export const writesAreSynced = process.platform === 'linux'

/** An append of so many bytes may be written in the calling thread, while such appends take less than `quickMs` on average: waking another thread takes a quarter as long again. */
const quickBytesMax = 64 * 1024
const quickMs = 0.3
/** How much of the average the newest append is. */
const newestShare = 0.1
/** Zeros that an append may leave behind it, twice what is there at most: the next ones change the file's content alone, whose sync takes two thirds of the time. */
const reservedBytesMax = 256 * 1024

/** A new file that is open for writing, as a part of the log. See docs/adr/0017-a-log-part-has-room.md. */
export function appendFile(file: FileHandle, path: string): AppendFile {
  let end = 0
  let reservedEnd = 0
  /** Of appends; a disk whose time is not known yet may be slow, and one whose writes are synced apart is waited for in another thread. */
  let averageMs = writesAreSynced ? quickMs : Number.POSITIVE_INFINITY
  const write = async (bytes: Uint8Array): Promise<void> => {
    const reserved = Math.min(reservedBytesMax, 2 * end)
    const whole = end + bytes.length <= reservedEnd || reserved < bytes.length ? bytes : concatBytes([bytes, new Uint8Array(reserved)])
    const startMs = performance.now()
    const written = averageMs < quickMs && whole.length <= quickBytesMax ? writeSync(file.fd, whole, 0, whole.length, end) : 0
    await writeAll(file, whole.subarray(written), end + written)
    averageMs += (performance.now() - startMs - averageMs) * newestShare
    reservedEnd = Math.max(reservedEnd, end + whole.length)
    end += bytes.length
  }
  const close = async (): Promise<void> => {
    try {
      // Only in the newest part of a log may there be anything behind its last append; what a failed one has left is for the next writer to look at.
      if (reservedEnd > end) {
        await file.truncate(end)
        await file.sync()
      }
    } finally {
      await file.close()
    }
  }
  return {
    write: (bytes) =>
      write(bytes).catch((error: unknown) => {
        reservedEnd = end
        throw storageError(error, { operation: 'append to', path })
      }),
    sync: async () => {
      if (!writesAreSynced) await file.datasync().catch((error: unknown) => Promise.reject(storageError(error, { operation: 'sync', path })))
    },
    close: () => close().catch((error: unknown) => Promise.reject(storageError(error, { operation: 'close', path }))),
  }
}
