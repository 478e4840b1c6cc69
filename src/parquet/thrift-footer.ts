import type { ByteBuffer } from './ByteBuffer.ts'
import { ByteCursor } from './ByteCursor.ts'
import { malformed } from './malformed.ts'
import { thriftStop, thriftTypes } from './ThriftWriter.ts'

/** A field on its way from the outermost struct: ids, each below 16, one hexadecimal digit each. Lists add none. */
const rowGroupsPath = 0x4
/** Of a RowGroup, places in the file: file_offset; a chunk's offset_index_offset, column_index_offset, data_page_offset, dictionary_page_offset, bloom_filter_offset. */
const offsetPaths: ReadonlySet<number> = new Set([0x5, 0x14, 0x16, 0x139, 0x13b, 0x13e])

/** Told of every value that is no struct or list, and of every struct in a list: where it stands. */
type OnValue = (path: number, at: { start: number; end: number }) => void

/** The row groups of a Thrift footer that `writeFileMetadata` wrote, each as `writeRowGroup` wrote it. */
export function rowGroupsOfFooter(footer: Uint8Array): Uint8Array[] {
  const groups: Uint8Array[] = []
  walkStruct(new ByteCursor(footer), 0, (path, { start, end }) => {
    if (path === rowGroupsPath) groups.push(footer.subarray(start, end))
  })
  return groups
}

/** Writes a row group that stands `by` bytes further on in its new file. */
export function writeMovedRowGroup(group: Uint8Array, by: number, out: ByteBuffer): void {
  let copied = 0
  walkStruct(new ByteCursor(group), 0, (path, { start, end }) => {
    if (!offsetPaths.has(path)) return
    out.append(group.subarray(copied, start))
    out.zigzag(new ByteCursor(group, start).zigzag() + by)
    copied = end
  })
  out.append(group.subarray(copied))
}

function walkStruct(cursor: ByteCursor, path: number, onValue: OnValue): void {
  let id = 0
  for (let header = cursor.byte(); header !== thriftStop; header = cursor.byte()) {
    if (header >>> 4 === 0) throw malformed('a footer is not one of ours')
    id += header >>> 4
    walkValue(cursor, { type: header & 15, path: path * 16 + id }, onValue)
  }
}

function walkValue(cursor: ByteCursor, { type, path }: { type: number; path: number }, onValue: OnValue): void {
  const start = cursor.at
  if (type === thriftTypes.struct) return walkStruct(cursor, path, onValue)
  if (type === thriftTypes.list) return walkList(cursor, path, onValue)
  if (type === thriftTypes.i32 || type === thriftTypes.i64) cursor.varint()
  else if (type === thriftTypes.binary) cursor.take(cursor.varint())
  else if (type !== thriftTypes.true && type !== thriftTypes.false) throw malformed('a footer is not one of ours')
  onValue(path, { start, end: cursor.at })
}

function walkList(cursor: ByteCursor, path: number, onValue: OnValue): void {
  const header = cursor.byte()
  const count = header >>> 4 === 15 ? cursor.varint() : header >>> 4
  for (let index = 0; index < count; index++) {
    const start = cursor.at
    walkValue(cursor, { type: header & 15, path }, onValue)
    if ((header & 15) === thriftTypes.struct) onValue(path, { start, end: cursor.at })
  }
}
