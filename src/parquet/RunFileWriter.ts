import { assert } from '../base/assert.ts'
import { compareStrings, utf8Encode } from '../base/bytes.ts'
import type { EntityState } from '../model/entity.ts'
import { scalarsOf } from './column-values.ts'
import { rowsBetween } from './Column.ts'
import { columnsOfShape } from './columns-of-shape.ts'
import { DocumentShredder } from './DocumentShredder.ts'
import type { LeafBuilder } from './LeafBuilder.ts'
import { reservedNames, restField, runSystemFields, shapeSection } from './run-columns.ts'
import type { Shape } from './shape.ts'
import { layoutOf, type GroupOfFile } from './TableReader.ts'
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

/** Writes a run: the newest state of each entity, in strictly ascending order of the UTF-8 bytes of id. */
export class RunFileWriter {
  readonly #table: TableWriter
  readonly #shape: Shape
  readonly #documents: DocumentShredder
  readonly #system: readonly LeafBuilder[]
  readonly #rest: LeafBuilder
  readonly #layout: string
  #lastId: string | undefined

  constructor(options: RunFileOptions) {
    const fields = columnsOfShape(options.shape, reservedNames)
    this.#shape = options.shape
    const file = { fields: [...runSystemFields, ...fields, restField], metadata: options.metadata ?? {} }
    this.#layout = layoutOf(file)
    this.#table = new TableWriter({ kind: 'run', ...file, sortedBy: [0], prefixColumn: 0, rowGroupBytes: options.rowGroupBytes ?? defaultRowGroupBytes })
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
    appendOptional(this.#rest, this.#table.pendingRows, text)
    this.#table.endRow({ key: [state.id], seq: state.seq, ts: state.updatedAt })
    if (this.#table.isFull) this.#flush()
  }

  /** Whether a row group of another run can, and should, be taken over as it stands. */
  takes({ group, layout }: GroupOfFile): boolean {
    const { entry } = group
    return layout === this.#layout && (this.#lastId === undefined || compareStrings(this.#lastId, entry.firstKey[0] ?? '') < 0) && this.#table.takes(entry)
  }

  /** Takes over a row group whose ids come after all that were appended. */
  copy({ group, footer, statistics }: GroupOfFile): void {
    const ids = scalarsOf(group.column(0), rowsBetween(0, group.rowCount)) as string[]
    assert(this.#lastId === undefined || compareStrings(this.#lastId, ids[0] as string) < 0, 'P1: the keys of a run ascend strictly')
    this.#lastId = ids.at(-1)
    this.#documents.endRowGroup()
    this.#table.copy({ entry: group.entry, bytes: group.checkedBytes(), footer, statistics }, { keys: ids.map((id) => [id]), ids: [] })
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
    const row = this.#table.pendingRows
    appendOptional(createdBy, row, state.createdBy)
    appendOptional(updatedBy, row, state.updatedBy)
    deleted?.value(state.deletedAt !== undefined)
    appendOptional(deletedAt, row, state.deletedAt)
  }
}

/** The value of a row, whose index among those gathered is `row`; nothing where there is none. */
export function appendOptional(leaf: LeafBuilder | undefined, row: number, value: string | number | undefined): void {
  if (value === undefined) return
  leaf?.fillTo(row)
  leaf?.value(value)
}
