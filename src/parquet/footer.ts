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

/** How a type stands in the schema. */
interface SchemaType {
  readonly type: number
  /** ConvertedType, for older readers. A bigint has the bits of an `int`: this tells the two apart. */
  readonly converted?: number
  /** LogicalType, for the others. A bigint has none: its width is a Thrift byte. */
  readonly logical?: (thrift: ThriftWriter) => void
}

const schemaTypes: Readonly<Record<ScalarKind, SchemaType>> = {
  string: { type: physicalTypes.BYTE_ARRAY, converted: converted.UTF8, logical: (thrift) => thrift.struct(1, nothing) },
  bytes: { type: physicalTypes.BYTE_ARRAY },
  int: { type: physicalTypes.INT64 },
  bigint: { type: physicalTypes.INT64, converted: converted.INT_64 },
  date: { type: physicalTypes.INT64, converted: converted.TIMESTAMP_MILLIS, logical: (thrift) => thrift.struct(8, () => writeUtcMilliseconds(thrift)) },
  double: { type: physicalTypes.DOUBLE },
  boolean: { type: physicalTypes.BOOLEAN },
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
    thrift.structs(2, schemaOf(metadata.fields), (element) => writeElement(element, thrift))
    thrift.i64(3, metadata.rows)
    thrift.writtenStructs(4, metadata.rowGroupCount, metadata.rowGroups)
    thrift.structs(5, metadata.keyValues, ([key, value]) => {
      thrift.text(1, key)
      thrift.text(2, value)
    })
    thrift.text(6, 'parquedb')
    // Each column is ordered as its type says; without this, readers pass over min and max of texts.
    thrift.structs(7, Array.from({ length: metadata.leafCount }), () => thrift.struct(1, nothing))
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
  const total = (of: (chunk: EncodedChunk) => number): number => facts.chunks.reduce((sum, chunk) => sum + of(chunk), 0)
  thrift.element(() => {
    thrift.structs(1, facts.chunks, (chunk, index) => writeChunk({ chunk, leaf: facts.leaves[index] as Leaf, offset: facts.offsets[index] as number, codec: facts.codec }, thrift))
    thrift.i64(2, total((chunk) => chunk.uncompressedBytes))
    thrift.i64(3, facts.rows)
    thrift.structs(4, facts.sortedBy, (column) => {
      thrift.i32(1, column)
      thrift.boolean(2, false)
      thrift.boolean(3, false)
    })
    thrift.i64(5, facts.offsets[0] ?? 0)
    thrift.i64(6, total((chunk) => chunk.bytes.length))
  })
}

function writeChunk({ chunk, leaf, offset, codec }: { chunk: EncodedChunk; leaf: Leaf; offset: number; codec: Codec }, thrift: ThriftWriter): void {
  const { statistics } = chunk
  const encodings = [...new Set([encodingCodes[chunk.encoding], ...(chunk.dataPageAt > 0 ? [encodingCodes.PLAIN] : []), encodingCodes.RLE])]
  thrift.i64(2, 0)
  thrift.struct(3, () => {
    thrift.i32(1, schemaTypes[leaf.kind].type)
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
}

/** One of parquet.thrift's SchemaElement. */
interface SchemaElement extends Partial<SchemaType> {
  readonly name: string
  readonly repetition?: number
  readonly children?: number
  readonly id?: number
}

/** The root, then each field before those inside it. */
function schemaOf(fields: readonly FieldSpec[]): SchemaElement[] {
  const columns = fields.filter((field) => field.kind !== 'rest')
  return [{ name: 'document', children: columns.length }, ...columns.flatMap((field) => elementsOf(field, ''))]
}

/** `within`: the path of the group around it, with a NUL at its end. */
function elementsOf(field: Exclude<FieldSpec, { kind: 'rest' }>, within: string): SchemaElement[] {
  const path = within + field.name
  const own = { name: field.name, repetition: field.nulls === 'never' ? repetitions.REQUIRED : repetitions.OPTIONAL, id: fieldId(path) }
  if (field.kind === 'group') {
    const inner = field.fields.filter((one) => one.kind !== 'rest')
    return [{ ...own, children: inner.length }, ...inner.flatMap((one) => elementsOf(one, `${path}\0`))]
  }
  if (field.kind !== 'list') return [{ ...own, ...schemaTypes[field.kind] }]
  return [
    { ...own, children: 1, converted: converted.LIST, logical: (thrift) => thrift.struct(3, nothing) },
    { name: 'list', repetition: repetitions.REPEATED, children: 1 },
    { name: 'element', repetition: repetitions.REQUIRED, id: fieldId(`${path}\0`), ...schemaTypes[field.element] },
  ]
}

/** Parquet's field_id: of a field's path, so that a field has the same one in every file, whatever other fields stand beside it. */
function fieldId(path: string): number {
  return crc32(utf8Encode(path)) & 0x7fff_ffff
}

function writeElement({ type, repetition, name, children, converted: convertedType, id, logical }: SchemaElement, thrift: ThriftWriter): void {
  if (type !== undefined) thrift.i32(1, type)
  if (repetition !== undefined) thrift.i32(3, repetition)
  thrift.text(4, name)
  if (children !== undefined) thrift.i32(5, children)
  if (convertedType !== undefined) thrift.i32(6, convertedType)
  if (id !== undefined) thrift.i32(9, id)
  if (logical !== undefined) thrift.struct(10, () => logical(thrift))
}

function writeUtcMilliseconds(thrift: ThriftWriter): void {
  thrift.boolean(1, true)
  thrift.struct(2, () => thrift.struct(1, nothing))
}

/** An empty struct. */
function nothing(): void {}
