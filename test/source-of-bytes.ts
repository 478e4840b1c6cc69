import { ParqueDBError } from '../src/base/ParqueDBError.ts'
import type { ByteSource } from '../src/parquet/byte-source.ts'

/** A file that is in memory whole. */
export function sourceOfBytes(path: string, bytes: Uint8Array): ByteSource {
  return {
    path,
    sizeBytes: bytes.length,
    readRange: async ({ start, end }) => {
      if (end > bytes.length) {
        throw new ParqueDBError('CORRUPT_FILE', `${path} has ${bytes.length} bytes, and its bytes ${start} to ${end} are asked for.`, { details: { path, offset: start } })
      }
      return bytes.slice(start, end)
    },
  }
}
