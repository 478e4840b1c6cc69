import { utf8Decode, utf8Encode } from '../base/bytes.ts'
import { fromExtendedJson, toExtendedJson } from '../model/ejson.ts'
import { stateFromJson, stateToJson, type StateJson } from '../model/state-json.ts'
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
    for (const [index, row] of rows.toSorted(this.#compare).entries()) {
      const line = lineOf(row)
      lines.push(line)
      characters += line.length
      if (characters < blockCharactersMax && index < rows.length - 1) continue
      paths.push(await this.#scratch.write(utf8Encode(lines.join('\n'))))
      lines = []
      characters = 0
    }
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
  return JSON.stringify({ id, values: values.map((value) => (value === undefined ? [] : [toExtendedJson(value)])), version: state.version, seq: state.seq, state: stateToJson(state) })
}

function rowOf(line: string): Row {
  const { id, values, version, seq, state } = JSON.parse(line) as { id: string; values: unknown[][]; version: number; seq: number; state: StateJson }
  return { id, values: values.map(([value]) => (value === undefined ? undefined : fromExtendedJson(value))), state: stateFromJson(state, { id, version, seq }) }
}
