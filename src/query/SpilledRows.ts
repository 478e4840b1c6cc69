import { utf8Decode, utf8Encode } from '../base/bytes.ts'
import { fromExtendedJson, toExtendedJson } from '../model/ejson.ts'
import type { Document } from '../model/values.ts'
import { mergeSorted } from '../storage/merge-groups.ts'
import type { Scratch } from '../storage/Scratch.ts'
import type { Position, Row } from './row-order.ts'

/** Characters of one temporary object: what each sorted part holds in memory while they are merged. */
const blockCharactersMax = 1024 * 1024

/** Sorted parts of a result in temporary objects, and the whole of them in order. */
export class SpilledRows {
  readonly #scratch: Scratch
  readonly #compare: (left: Position, right: Position) => number
  readonly #parts: string[][] = []

  constructor(scratch: Scratch, compare: (left: Position, right: Position) => number) {
    this.#scratch = scratch
    this.#compare = compare
  }

  async add(rows: readonly Row[]): Promise<void> {
    const paths: string[] = []
    this.#parts.push(paths)
    let lines: string[] = []
    let characters = 0
    for (const row of rows.toSorted(this.#compare)) {
      const line = lineOf(row)
      lines.push(line)
      characters += line.length
      if (characters < blockCharactersMax) continue
      paths.push(await this.#scratch.write(utf8Encode(lines.join('\n'))))
      lines = []
      characters = 0
    }
    if (lines.length > 0) paths.push(await this.#scratch.write(utf8Encode(lines.join('\n'))))
  }

  /** All rows that were added, in order, in batches. */
  merged(): AsyncGenerator<readonly Row[]> {
    return mergeSorted(this.#parts.map((paths) => this.#rowsOf(paths)), this.#compare)
  }

  async *#rowsOf(paths: readonly string[]): AsyncGenerator<Row[]> {
    for (const path of paths) yield utf8Decode(await this.#scratch.read(path)).split('\n').map(rowOf)
  }
}

function lineOf({ id, values, state }: Row): string {
  const kept = values.map((value) => (value === undefined ? [] : [toExtendedJson(value)]))
  return JSON.stringify({ id, values: kept, state: { ...state, document: toExtendedJson(state.document) } })
}

function rowOf(line: string): Row {
  const { id, values, state } = JSON.parse(line) as { id: string; values: unknown[][]; state: Row['state'] }
  const { version, seq, createdAt, createdBy, updatedAt, updatedBy, deletedAt, document } = state
  return {
    id,
    values: values.map(([value]) => (value === undefined ? undefined : fromExtendedJson(value))),
    state: { id, version, seq, createdAt, createdBy, updatedAt, updatedBy, deletedAt, document: fromExtendedJson(document) as Document },
  }
}
