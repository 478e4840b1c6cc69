import { compareStrings } from '../base/bytes.ts'
import { lowerBound } from '../base/lower-bound.ts'

/** Ids that are sorted at once. */
const batchIds = 1024
/** So few, as come between two reads, are put into their places. */
const insertedMax = 32

/** Ids that come in any order, each once. They are sorted while they come, so that nobody ever waits for one long sort. */
export class SortedIds {
  /** Each in order, and at least twice as long as the next. An array that was handed out stays as it is. */
  #runs: (readonly string[])[] = []
  #added: string[] = []

  add(id: string): void {
    this.#added.push(id)
    if (this.#added.length === batchIds) this.#sortAdded()
  }

  /** All of them in order; shared, not to be changed. */
  all(): readonly string[] {
    this.#sortAdded()
    while (this.#runs.length > 1) this.#mergeLast()
    return this.#runs[0] ?? []
  }

  #sortAdded(): void {
    if (this.#added.length === 0) return
    this.#runs.push(this.#added.toSorted(compareStrings))
    this.#added = []
    while (this.#runs.length > 1 && (this.#runs.at(-2)?.length ?? 0) < 2 * (this.#runs.at(-1)?.length ?? 0)) this.#mergeLast()
  }

  #mergeLast(): void {
    const [left = [], right = []] = this.#runs.splice(-2)
    this.#runs.push(merged(left, right))
  }
}

function merged(left: readonly string[], right: readonly string[]): readonly string[] {
  const [last, first] = [left.at(-1) ?? '', right[0] ?? '']
  // Ids that are made one after another ascend.
  if (compareStrings(last, first) < 0) return left.concat(right)
  const ids: string[] = right.length > insertedMax ? [] : [...left]
  if (right.length <= insertedMax) {
    for (const id of right) ids.splice(lowerBound(ids, (each) => compareStrings(each, id) < 0), 0, id)
    return ids
  }
  let at = 0
  for (const id of right) {
    while (at < left.length && compareStrings(left[at] as string, id) < 0) ids.push(left[at++] as string)
    ids.push(id)
  }
  while (at < left.length) ids.push(left[at++] as string)
  return ids
}
