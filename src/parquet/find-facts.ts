import { crc32 } from '../base/crc32.ts'
import { isParqueDBError } from '../base/ParqueDBError.ts'
import { readIndex, type SparseIndex } from './sparse-index.ts'
import { rowFacts, type FileFacts } from './written-file.ts'

/** The length of the footer, and the magic bytes. */
const tailBytes = 8
/** 'PQDX', with which an index begins. */
const indexMark = [0x50, 0x51, 0x44, 0x58]

/**
 * The facts of a file whose manifest is lost, from the file alone; undefined when it does not tell them. The index is taken as it is,
 * without the checksum that the manifest had: every row group has checksums of its own, and rows are read from those.
 */
export function findFacts(bytes: Uint8Array): { kind: SparseIndex['kind']; facts: FileFacts } | undefined {
  if (bytes.length < 2 * tailBytes) return undefined
  const end = bytes.length - tailBytes - new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - tailBytes, true)
  for (let start = end - indexMark.length; start >= 0; start--) {
    if (!indexMark.every((byte, at) => bytes[start + at] === byte)) continue
    const index = parse(bytes.subarray(start, end))
    if (index === undefined) continue
    const facts: FileFacts = {
      ...rowFacts(index.rowGroups, index.lastKey),
      index: { start, end, crc32: crc32(bytes.subarray(start, end)) },
      footerCrc32: crc32(bytes.subarray(end, bytes.length - tailBytes)),
    }
    return { kind: index.kind, facts }
  }
  return undefined
}

/** Bytes that only look like the beginning of an index, or a damaged one, do not parse. */
function parse(bytes: Uint8Array): SparseIndex | undefined {
  try {
    return readIndex(bytes)
  } catch (error) {
    if (error instanceof Error && !isParqueDBError(error, 'UNSUPPORTED_FORMAT')) return undefined
    throw error
  }
}
