import type { Column } from './Column.ts'
import { joinColumns } from './join-columns.ts'
import type { RowGroup } from './RowGroup.ts'

/** Some rows of one row group, by their places in it; they ascend. */
export interface GroupRows {
  readonly group: RowGroup
  readonly rows: Int32Array
}

/** Row groups of a file that are read together, as one: what a row group costs by itself is paid once for all of them. */
export class Stretch {
  readonly groups: readonly RowGroup[]
  readonly rowCount: number
  /** The first row of each row group, and the end. */
  readonly starts: readonly number[]
  /** Joined columns: those of the first row group, where the stretch is one that others will read, too. */
  #columns: (Column | undefined)[]

  constructor(groups: readonly RowGroup[], { isWhole }: { isWhole: boolean } = { isWhole: false }) {
    this.groups = groups
    const starts = [0]
    let rowCount = 0
    for (const group of groups) starts.push((rowCount += group.rowCount))
    this.starts = starts
    this.rowCount = rowCount
    this.#columns = (isWhole ? groups[0]?.joined : undefined) ?? []
  }

  /** The physical column of all of it. */
  column(index: number): Column {
    const [first, ...others] = this.groups
    if (first !== undefined && others.length === 0) return first.column(index)
    const present = this.#columns[index]
    if (present !== undefined) return present
    first?.file.arena.reset()
    const column = joinColumns(this.groups.map((group) => group.passingColumn(index)))
    if (this.#columns === first?.joined && first.keptBy?.admits(column.bytes) !== true) this.#columns = [...this.#columns]
    this.#columns[index] = column
    if (this.#columns === first?.joined) first.grow(column.bytes)
    return column
  }

  /** Where some rows, which ascend, stand. */
  *partsOf(rows: Int32Array): Generator<GroupRows> {
    let at = 0
    for (let index = 0; at < rows.length; index++) {
      const start = this.starts[index] as number
      const end = this.starts[index + 1] as number
      const from = at
      while (at < rows.length && (rows[at] as number) < end) at++
      if (at === from) continue
      const part = rows.subarray(from, at)
      yield { group: this.groups[index] as RowGroup, rows: start === 0 ? part : part.map((row) => row - start) }
    }
  }
}
