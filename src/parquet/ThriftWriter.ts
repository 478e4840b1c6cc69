import { utf8Encode } from '../base/bytes.ts'
import type { ByteBuffer } from './ByteBuffer.ts'

/** Types of the compact protocol, as far as Parquet's metadata needs them. A field holds a boolean in its type. */
export const thriftTypes = { true: 1, false: 2, i32: 5, i64: 6, binary: 8, list: 9, struct: 12 } as const
/** Ends a struct. */
export const thriftStop = 0

/** Thrift's compact protocol, as far as Parquet's metadata needs it. Field ids ascend within a struct and are at most 15 apart. */
export class ThriftWriter {
  readonly out: ByteBuffer
  /** Last field id of each struct that is open. */
  readonly #lastIds: number[] = [0]

  constructor(out: ByteBuffer) {
    this.out = out
  }

  i32(id: number, value: number): void {
    this.#header(id, thriftTypes.i32)
    this.out.zigzag(value)
  }

  /** Safe integers only; the protocol's i64 and i32 differ in their type alone. */
  i64(id: number, value: number): void {
    this.#header(id, thriftTypes.i64)
    this.out.zigzag(value)
  }

  boolean(id: number, value: boolean): void {
    this.#header(id, value ? thriftTypes.true : thriftTypes.false)
  }

  binary(id: number, value: Uint8Array): void {
    this.#header(id, thriftTypes.binary)
    this.out.varint(value.length)
    this.out.append(value)
  }

  text(id: number, value: string): void {
    this.binary(id, utf8Encode(value))
  }

  struct(id: number, write: () => void): void {
    this.#header(id, thriftTypes.struct)
    this.element(write)
  }

  /** A struct without a field header: an element of a list, or the outermost. */
  element(write: () => void): void {
    this.#lastIds.push(0)
    write()
    this.#lastIds.pop()
    this.out.byte(thriftStop)
  }

  /** A list of structs, of which `write` writes the fields. */
  structs<Item>(id: number, items: readonly Item[], write: (item: Item, index: number) => void): void {
    this.#list(id, { count: items.length, type: thriftTypes.struct })
    items.forEach((item, index) => this.element(() => write(item, index)))
  }

  /** A list of structs that have been written before, one after another. */
  writtenStructs(id: number, count: number, bytes: Uint8Array): void {
    this.#list(id, { count, type: thriftTypes.struct })
    this.out.append(bytes)
  }

  i32s(id: number, values: readonly number[]): void {
    this.#list(id, { count: values.length, type: thriftTypes.i32 })
    for (const value of values) this.out.zigzag(value)
  }

  texts(id: number, values: readonly string[]): void {
    this.#list(id, { count: values.length, type: thriftTypes.binary })
    for (const value of values) {
      const bytes = utf8Encode(value)
      this.out.varint(bytes.length)
      this.out.append(bytes)
    }
  }

  #list(id: number, { count, type }: { count: number; type: number }): void {
    this.#header(id, thriftTypes.list)
    if (count < 15) this.out.byte((count << 4) | type)
    else {
      this.out.byte((15 << 4) | type)
      this.out.varint(count)
    }
  }

  #header(id: number, type: number): void {
    const depth = this.#lastIds.length - 1
    this.out.byte(((id - (this.#lastIds[depth] as number)) << 4) | type)
    this.#lastIds[depth] = id
  }
}
