import { utf8Encode } from '../base/bytes.ts'
import { crc32 } from '../base/crc32.ts'
import { ByteBuffer } from './ByteBuffer.ts'
import type { Codec } from './codecs.ts'
import type { FieldSpec, Leaf, ScalarKind } from './columns.ts'
import type { EncodedChunk } from './encode-chunk.ts'
import { encodingCodes } from './page-header.ts'
import { ThriftWriter } from './ThriftWriter.ts'

/** Numbers of parquet.thrift's enums. */
const physicalTypes = { BOOLEAN: 0, INT64: 2, DOUBLE: 5, BYTE_ARRAY: 6 } as const
const repetitions = { REQUIRED: 0, OPTIONAL: 1, REPEATED: 2 } as const
const converted = { UTF8: 0, LIST: 3, TIMESTAMP_MILLIS: 9, INT_64: 18 } as const
const codecs = { uncompressed: 0, snappy: 1, gzip: 2 } as const
const physicalOf: Readonly<Record<ScalarKind, number>> = {
  string: physicalTypes.BYTE_ARRAY,
  bytes: physicalTypes.BYTE_ARRAY,
  int: physicalTypes.INT64,
  bigint: physicalTypes.INT64,
  date: physicalTypes.INT64,
  double: physicalTypes.DOUBLE,
  boolean: physicalTypes.BOOLEAN,
}

export interface FileMetadata {
  readonly fields: readonly FieldSpec[]
  readonly leafCount: number
  readonly rows: number
  readonly rowGroupCount: number
  /** Row groups as `writeRowGroup` wrote them, one after another. */
  readonly rowGroups: Uint8Array
  readonly keyValues: readonly (readonly [string, string])[]
}

/** parquet.thrift's FileMetaData: what every other reader starts from. */
export function writeFileMetadata(metadata: FileMetadata): Uint8Array {
  const thrift = new ThriftWriter(new ByteBuffer(metadata.rowGroups.length + 4096))
  thrift.element(() => {
    thrift.i32(1, 2)
    writeSchema(metadata.fields, thrift)
    thrift.i64(3, metadata.rows)
    thrift.structs(4, metadata.rowGroupCount, () => thrift.out.append(metadata.rowGroups))
    thrift.structs(5, metadata.keyValues.length, () => {
      for (const [key, value] of metadata.keyValues) {
        thrift.element(() => {
          thrift.text(1, key)
          thrift.text(2, value)
        })
      }
    })
    thrift.text(6, 'parquedb')
    // Each column is ordered as its type says; without this, readers pass over min and max of texts.
    thrift.structs(7, metadata.leafCount, () => {
      for (let index = 0; index < metadata.leafCount; index++) thrift.element(() => thrift.struct(1, () => undefined))
    })
  })
  return thrift.out.copy()
}

export interface RowGroupFacts {
  readonly rows: number
  /** Physical columns that the rows are ordered by, all ascending. */
  readonly sortedBy: readonly number[]
  readonly leaves: readonly Leaf[]
  readonly chunks: readonly EncodedChunk[]
  /** Of those that are compressed. */
  readonly codec: Codec
  /** Offset of each chunk in the file. */
  readonly offsets: readonly number[]
}

/** One of parquet.thrift's RowGroup, into `out`. */
export function writeRowGroup(facts: RowGroupFacts, out: ByteBuffer): void {
  const thrift = new ThriftWriter(out)
  let compressed = 0
  let uncompressed = 0
  for (const chunk of facts.chunks) {
    compressed += chunk.bytes.length
    uncompressed += chunk.uncompressedBytes
  }
  thrift.element(() => {
    thrift.structs(1, facts.chunks.length, () => {
      facts.chunks.forEach((chunk, index) => writeChunk({ chunk, leaf: facts.leaves[index] as Leaf, offset: facts.offsets[index] as number, codec: facts.codec }, thrift))
    })
    thrift.i64(2, uncompressed)
    thrift.i64(3, facts.rows)
    thrift.structs(4, facts.sortedBy.length, () => {
      for (const column of facts.sortedBy) {
        thrift.element(() => {
          thrift.i32(1, column)
          thrift.boolean(2, false)
          thrift.boolean(3, false)
        })
      }
    })
    thrift.i64(5, facts.offsets[0] ?? 0)
    thrift.i64(6, compressed)
  })
}

function writeChunk({ chunk, leaf, offset, codec }: { chunk: EncodedChunk; leaf: Leaf; offset: number; codec: Codec }, thrift: ThriftWriter): void {
  const { statistics } = chunk
  const encodings = [...new Set([encodingCodes[chunk.encoding], ...(chunk.dataPageAt > 0 ? [encodingCodes.PLAIN] : []), encodingCodes.RLE])]
  thrift.element(() => {
    thrift.i64(2, 0)
    thrift.struct(3, () => {
      thrift.i32(1, physicalOf[leaf.kind])
      thrift.i32s(2, encodings)
      thrift.texts(3, leaf.path)
      thrift.i32(4, codecs[chunk.isCompressed ? codec : 'uncompressed'])
      thrift.i64(5, chunk.entryCount)
      thrift.i64(6, chunk.uncompressedBytes)
      thrift.i64(7, chunk.bytes.length)
      thrift.i64(9, offset + chunk.dataPageAt)
      if (chunk.dataPageAt > 0) thrift.i64(11, offset)
      thrift.struct(12, () => {
        thrift.i64(3, statistics.nullCount)
        if (statistics.greatest !== undefined) thrift.binary(5, statistics.greatest)
        if (statistics.least !== undefined) thrift.binary(6, statistics.least)
        if (statistics.greatestIsExact !== undefined) thrift.boolean(7, statistics.greatestIsExact)
        if (statistics.leastIsExact !== undefined) thrift.boolean(8, statistics.leastIsExact)
      })
    })
  })
}

function writeSchema(fields: readonly FieldSpec[], thrift: ThriftWriter): void {
  const columns = fields.filter((field) => field.kind !== 'rest')
  thrift.structs(2, 1 + elementCount(columns), () => {
    thrift.element(() => {
      thrift.text(4, 'document')
      thrift.i32(5, columns.length)
    })
    for (const field of columns) writeField(field, '', thrift)
  })
}

/** Parquet's field_id: of a field's path, so that a field has the same one in every file, whatever other fields stand beside it. */
function fieldId(path: string): number {
  return crc32(utf8Encode(path)) & 0x7fff_ffff
}

function elementCount(fields: readonly FieldSpec[]): number {
  let count = 0
  for (const field of fields) {
    if (field.kind === 'group') count += 1 + elementCount(field.fields)
    else if (field.kind === 'list') count += 3
    else if (field.kind !== 'rest') count += 1
  }
  return count
}

/** `within`: the path of the group around it, with a NUL at its end. */
function writeField(field: FieldSpec, within: string, thrift: ThriftWriter): void {
  if (field.kind === 'rest') return
  const path = within + field.name
  const repetition = field.nulls === 'never' ? repetitions.REQUIRED : repetitions.OPTIONAL
  if (field.kind === 'group') {
    const inner = field.fields.filter((one) => one.kind !== 'rest')
    writeNode({ name: field.name, repetition, children: inner.length, id: fieldId(path) }, thrift)
    for (const one of inner) writeField(one, `${path}\0`, thrift)
  } else if (field.kind === 'list') {
    thrift.element(() => {
      thrift.i32(3, repetition)
      thrift.text(4, field.name)
      thrift.i32(5, 1)
      thrift.i32(6, converted.LIST)
      thrift.i32(9, fieldId(path))
      thrift.struct(10, () => thrift.struct(3, () => undefined))
    })
    writeNode({ name: 'list', repetition: repetitions.REPEATED, children: 1 }, thrift)
    writeLeaf({ name: 'element', repetition: repetitions.REQUIRED, kind: field.element, id: fieldId(`${path}\0`) }, thrift)
  } else {
    writeLeaf({ name: field.name, repetition, kind: field.kind, id: fieldId(path) }, thrift)
  }
}

function writeNode({ name, repetition, children, id }: { name: string; repetition: number; children: number; id?: number }, thrift: ThriftWriter): void {
  thrift.element(() => {
    thrift.i32(3, repetition)
    thrift.text(4, name)
    thrift.i32(5, children)
    if (id !== undefined) thrift.i32(9, id)
  })
}

function writeLeaf({ name, repetition, kind, id }: { name: string; repetition: number; kind: ScalarKind; id: number }, thrift: ThriftWriter): void {
  thrift.element(() => {
    thrift.i32(1, physicalOf[kind])
    thrift.i32(3, repetition)
    thrift.text(4, name)
    if (kind in convertedOf) thrift.i32(6, convertedOf[kind as keyof typeof convertedOf])
    thrift.i32(9, id)
    writeLogicalType(kind, thrift)
  })
}

/** ConvertedType (field 6), for older readers. A bigint has the bits of an `int`: this tells the two apart. */
const convertedOf = { string: converted.UTF8, date: converted.TIMESTAMP_MILLIS, bigint: converted.INT_64 } as const

/** LogicalType (field 10), for the others. A bigint has none: its width is a Thrift byte. */
function writeLogicalType(kind: ScalarKind, thrift: ThriftWriter): void {
  switch (kind) {
    case 'string':
      thrift.struct(10, () => thrift.struct(1, () => undefined))
      return
    case 'date':
      thrift.struct(10, () =>
        thrift.struct(8, () => {
          thrift.boolean(1, true)
          thrift.struct(2, () => thrift.struct(1, () => undefined))
        }),
      )
      return
    case 'bigint':
    case 'int':
    case 'double':
    case 'boolean':
    case 'bytes':
      return
  }
}
