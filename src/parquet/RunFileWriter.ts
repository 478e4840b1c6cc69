import { assert } from '../base/assert.ts'
import { compareStrings, utf8Encode } from '../base/bytes.ts'
import type { EntityState } from '../model/entity.ts'
import { approximateBytes } from '../model/values.ts'
import { columnsOfShape } from './columns-of-shape.ts'
import { DocumentShredder } from './DocumentShredder.ts'
import type { LeafBuilder } from './LeafBuilder.ts'
import { reservedNames, restField, runSystemFields, shapeSection } from './run-columns.ts'
import type { Shape } from './shape.ts'
import { defaultRowGroupBytes, TableWriter } from './TableWriter.ts'
import type { WrittenFile } from './written-file.ts'

export interface RunFileOptions {
  /** What the states' documents look like: it decides the columns. Kept in the file; any shape is right, a true one is small. */
  readonly shape: Shape
  /** What a row group should take in the file; 64 KB. */
  readonly rowGroupBytes?: number | undefined
  /** Key-value metadata of the file. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
}

/** Of a row's system columns, before encoding: numbers and times at 8 bytes. */
const systemBytes = 48

/** Writes a run: the newest state of each entity, in strictly ascending order of the UTF-8 bytes of id. */
export class RunFileWriter {
  readonly #table: TableWriter
  readonly #shape: Shape
  readonly #documents: DocumentShredder
  readonly #system: readonly LeafBuilder[]
  readonly #rest: LeafBuilder
  #lastId: string | undefined

  constructor(options: RunFileOptions) {
    const fields = columnsOfShape(options.shape, reservedNames)
    this.#shape = options.shape
    this.#table = new TableWriter({
      kind: 'run',
      fields: [...runSystemFields, ...fields, restField],
      sortedBy: [0],
      prefixColumn: 0,
      rowGroupBytes: options.rowGroupBytes ?? defaultRowGroupBytes,
      metadata: options.metadata ?? {},
    })
    const { leaves } = this.#table
    this.#system = leaves.slice(0, runSystemFields.length)
    this.#documents = new DocumentShredder(fields, leaves.slice(runSystemFields.length, -1))
    this.#rest = leaves[leaves.length - 1] as LeafBuilder
  }

  /** States appended. */
  get rows(): number {
    return this.#table.rows
  }

  /** Size of the file so far: exact for what is encoded, an estimate for the rows that are not. */
  get bytes(): number {
    return this.#table.bytes
  }

  /** Takes at most about as long as encoding one row group. */
  append(state: EntityState): void {
    assert(this.#lastId === undefined || compareStrings(this.#lastId, state.id) < 0, 'P1: the keys of a run ascend strictly')
    this.#lastId = state.id
    this.#appendSystem(state)
    const isEmptyTombstone = state.deletedAt !== undefined && Object.keys(state.document).length === 0
    const rest = isEmptyTombstone ? this.#documents.appendNothing() : this.#documents.append(state.document)
    // A tombstone that has a document says so with a rest, if only '{}'.
    const text = rest ?? (state.deletedAt !== undefined && !isEmptyTombstone ? '{}' : undefined)
    if (text === undefined) this.#rest.none(0)
    else this.#rest.value(text)
    const bytes = systemBytes + state.id.length + approximateBytes(state.document)
    this.#table.endRow({ key: [state.id], seq: state.seq, ts: state.updatedAt, bytes })
    if (this.#table.isFull) this.#flush()
  }

  /** The whole file. Nothing may be appended afterwards. */
  finish(): WrittenFile {
    this.#flush()
    return this.#table.finish({ [shapeSection]: utf8Encode(JSON.stringify(this.#shape)) })
  }

  #flush(): void {
    this.#documents.endRowGroup()
    this.#table.flush()
  }

  #appendSystem(state: EntityState): void {
    const [id, version, seq, createdAt, updatedAt, createdBy, updatedBy, deleted, deletedAt] = this.#system
    id?.value(state.id)
    version?.value(state.version)
    seq?.value(state.seq)
    createdAt?.value(state.createdAt)
    updatedAt?.value(state.updatedAt)
    appendOptional(createdBy, state.createdBy)
    appendOptional(updatedBy, state.updatedBy)
    deleted?.value(state.deletedAt !== undefined)
    appendOptional(deletedAt, state.deletedAt)
  }
}

export function appendOptional(leaf: LeafBuilder | undefined, value: string | number | undefined): void {
  if (value === undefined) leaf?.none(0)
  else leaf?.value(value)
}
