import { assert } from '../base/assert.ts'
import { compareStrings, utf8Encode } from '../base/bytes.ts'
import type { EntityState } from '../model/entity.ts'
import { textAt } from './byte-arrays.ts'
import { byteArraysOf } from './column-values.ts'
import { columnsOfShape } from './columns-of-shape.ts'
import { DocumentShredder } from './DocumentShredder.ts'
import type { LeafBuilder } from './LeafBuilder.ts'
import { reservedNames, restField, runSystemFields, shapeSection } from './run-columns.ts'
import type { Shape } from './shape.ts'
import type { GroupOfFile } from './TableReader.ts'
import { TableWriter, type FileOptions } from './TableWriter.ts'
import type { WrittenFile } from './written-file.ts'

export interface RunFileOptions extends FileOptions {
  /** What the states' documents look like: it decides the columns. Kept in the file; any shape is right, a true one is small. */
  readonly shape: Shape
}

/** Writes a run: the newest state of each entity, in strictly ascending order of the UTF-8 bytes of id. */
export class RunFileWriter extends TableWriter {
  readonly #shape: Shape
  readonly #documents: DocumentShredder
  readonly #system: readonly LeafBuilder[]
  readonly #rest: LeafBuilder
  #lastId: string | undefined

  constructor(options: RunFileOptions) {
    const fields = columnsOfShape(options.shape, reservedNames)
    super({ ...options, kind: 'run', fields: [...runSystemFields, ...fields, restField], sortedBy: [0], prefixColumn: 0 })
    this.#shape = options.shape
    this.#system = this.leaves.slice(0, runSystemFields.length)
    this.#documents = new DocumentShredder(fields, this.leaves.slice(runSystemFields.length, -1))
    this.#rest = this.leaves[this.leaves.length - 1] as LeafBuilder
  }

  append(state: EntityState): void {
    if (this.isFull) this.flush()
    assert(this.#lastId === undefined || compareStrings(this.#lastId, state.id) < 0, 'P1: the keys of a run ascend strictly')
    this.#lastId = state.id
    this.#appendSystem(state)
    const isEmptyTombstone = state.deletedAt !== undefined && Object.keys(state.document).length === 0
    const rest = isEmptyTombstone ? this.#documents.appendNothing() : this.#documents.append(state.document)
    // A tombstone that has a document says so with a rest, if only '{}'.
    const text = rest ?? (state.deletedAt !== undefined && !isEmptyTombstone ? '{}' : undefined)
    appendOptional(this.#rest, this.pendingRows, text)
    this.endRow({ key: [state.id], seq: state.seq, ts: state.updatedAt })
  }

  /** Whether a row group of another run can, and should, be taken over as it stands. */
  override takes(source: GroupOfFile): boolean {
    return (this.#lastId === undefined || compareStrings(this.#lastId, source.group.entry.firstKey[0] ?? '') < 0) && super.takes(source)
  }

  /** Takes over a row group whose ids come after all that were appended. */
  copy(source: GroupOfFile): void {
    const { group } = source
    const ids = byteArraysOf(group.column(0))
    assert(this.#lastId === undefined || compareStrings(this.#lastId, textAt(ids, 0)) < 0, 'P1: the keys of a run ascend strictly')
    this.#lastId = textAt(ids, group.rowCount - 1)
    for (let row = 0; row < group.rowCount; row++) this.filters.keys.addText(ids, row, '')
    this.takeOver(source, [this.#lastId])
  }

  override finish(): WrittenFile {
    return this.finishWith({ [shapeSection]: utf8Encode(JSON.stringify(this.#shape)) })
  }

  protected override beginRowGroup(): void {
    this.#documents.endRowGroup()
  }

  #appendSystem(state: EntityState): void {
    const [id, version, seq, createdAt, updatedAt, createdBy, updatedBy, deleted, deletedAt] = this.#system
    id?.value(state.id)
    version?.value(state.version)
    seq?.value(state.seq)
    createdAt?.value(state.createdAt)
    updatedAt?.value(state.updatedAt)
    const row = this.pendingRows
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
