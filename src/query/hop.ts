import { checkAborted } from '../base/abort.ts'
import { compareStrings } from '../base/bytes.ts'
import { edgeRange, edgeSpace, farEnd, type Direction, type EdgeRange } from '../model/edge.ts'
import { formatEntityId, isLive, type EntityKey, type EntityState } from '../model/entity.ts'
import type { IdRange } from '../parquet/key-ranges.ts'
import type { AsOf, View } from '../storage/view.ts'

/** Edges whose far ends are read together. */
const edgesAtOnce = 1000
/** Far ends read beyond a limit, as some may be deleted. */
const spareEdges = 8

export interface Hop {
  readonly nears: readonly EntityKey[]
  /** undefined: edges of every name. */
  readonly predicate: string | undefined
  readonly direction: Direction
  readonly asOf?: AsOf | undefined
  readonly signal?: AbortSignal | undefined
  /** Whether a far end is wanted; deleted and absent ones never are. */
  readonly accepts?: ((key: EntityKey, state: EntityState) => boolean) | undefined
  /** Rows of one near end, at most: the first in order. */
  readonly limit?: number | undefined
  /** Whether there are no rows where the near end itself is not there: it is read with the far ones. With one near end. */
  readonly checksNear?: boolean
  /** Only far ends whose `$id` is greater; with one near end and a predicate. */
  readonly after?: string | undefined
}

/** An edge that is there, seen from `near`, which is the object that the hop was given, and what is at its other end. States are shared: copy before handing them out. */
export interface HopRow {
  readonly near: EntityKey
  readonly edge: EntityState
  /** Of the far end. */
  readonly $id: string
  readonly key: EntityKey
  readonly state: EntityState
}

/**
 * The edges of many entities and their far ends, in one pass: ordered by near end (collection, id), predicate and far `$id`, by UTF-8 bytes. A few
 * requests however many entities there are, and at most a thousand edges in memory besides what the files' readers hold.
 */
export async function* hop(view: View, of: Hop): AsyncGenerator<readonly HopRow[]> {
  for (const walk of walks(view, of)) {
    for await (const states of view.scanRanges(walk.space, walk.ranges, of)) {
      for (let at = 0; at < states.length && !walk.isLeft; at += edgesAtOnce) {
        checkAborted(of.signal)
        const rows = await walk.rowsOf(states.slice(at, at + edgesAtOnce))
        if (rows.length > 0) yield rows
      }
      if (walk.isLeft) break
    }
  }
}

/** A pass over the edges of each collection's entities, and another one from where that was left. */
function* walks(view: View, of: Hop): Generator<Walk> {
  const nears = [...new Map(of.nears.map((near) => [formatEntityId(near), near])).values()]
  for (const ns of new Set(nears.map((near) => near.ns))) {
    const own = nears.filter((near) => near.ns === ns).map((near) => ({ near, range: rangeOf(near, of) }))
    const ends = own.toSorted((left, right) => compareStrings(left.range.fromId, right.range.fromId))
    for (let start = 0; start < ends.length; ) {
      const walk = new Walk(view, of, { ns, ends: ends.slice(start) })
      yield walk
      start += walk.isLeft ? walk.endsDone : ends.length
    }
  }
}

interface End {
  readonly near: EntityKey
  readonly range: EdgeRange & { readonly afterId?: string }
}

function rangeOf(near: EntityKey, { predicate, after }: Hop): End['range'] {
  const range = edgeRange(near, predicate)
  return after === undefined ? range : { ...range, afterId: range.fromId + after }
}

/** Consecutive edges of one end, and what has come of them. */
interface Group {
  readonly end: End
  readonly edges: EntityState[]
  readonly rows: HopRow[]
  /** Edges whose far ends have been read. */
  read: number
  /** Rows of this end so far, of earlier groups, too. */
  count: number
}

/** One pass over the edges of some ends. */
class Walk {
  readonly space: string
  readonly ranges: readonly IdRange[]
  /** Ends whose edges are all behind, or enough. */
  endsDone = 0
  /** A long stretch of edges that are not wanted any more is left: another pass goes on with the next end. */
  isLeft = false
  readonly #view: View
  readonly #of: Hop
  readonly #ends: readonly End[]
  readonly #limit: number
  /** Rows of the end that the pass has come to. */
  #count = 0

  constructor(view: View, of: Hop, { ns, ends }: { ns: string; ends: readonly End[] }) {
    this.space = edgeSpace(ns, of.direction)
    this.ranges = ends.map(({ range }) => range)
    this.#view = view
    this.#of = of
    this.#ends = ends
    this.#limit = of.limit ?? Number.POSITIVE_INFINITY
  }

  /** What the next edges lead to. */
  async rowsOf(edges: readonly EntityState[]): Promise<readonly HopRow[]> {
    const groups = this.#grouped(edges)
    for (let open = groups, take = this.#limit + spareEdges; open.length > 0; take *= 8) {
      await this.#read(open, take)
      open = this.isLeft ? [] : open.filter((group) => group.count < this.#limit && group.read < group.edges.length)
    }
    this.#count = groups.at(-1)?.count ?? this.#count
    this.isLeft ||= groups.length === 1 && this.#count >= this.#limit
    if (this.isLeft) this.endsDone += 1
    return groups.length === 1 ? (groups[0] as Group).rows : groups.flatMap((group) => group.rows)
  }

  #grouped(edges: readonly EntityState[]): Group[] {
    const groups: Group[] = []
    for (const edge of edges) {
      if (edge.deletedAt !== undefined) continue
      let end = this.#ends[this.endsDone] as End
      while (compareStrings(edge.id, end.range.beforeId) >= 0) {
        end = this.#ends[++this.endsDone] as End
        this.#count = 0
      }
      const last = groups.at(-1)
      if (last?.end === end) last.edges.push(edge)
      else groups.push({ end, edges: [edge], rows: [], read: 0, count: this.#count })
    }
    return groups
  }

  /** Reads the far ends of the next `take` edges of each group. */
  async #read(groups: readonly Group[], take: number): Promise<void> {
    const { direction, asOf, accepts, checksNear = false, nears } = this.#of
    // Each entity is read once, however many edges lead to it.
    const places = new Map<string, number>()
    const keys: EntityKey[] = []
    for (const { edges, read } of groups) {
      for (let at = read; at < edges.length && at < read + take; at++) {
        const $id = farEnd(edges[at] as EntityState, direction)
        if (places.size === places.set($id, places.get($id) ?? keys.length).size) continue
        const slash = $id.indexOf('/')
        keys.push({ ns: $id.slice(0, slash), id: $id.slice(slash + 1) })
      }
    }
    if (checksNear) keys.push(nears[0] as EntityKey)
    const states = await this.#view.getMany(keys, asOf)
    this.isLeft = checksNear && !isLive(states.at(-1))
    for (const group of this.isLeft ? [] : groups) {
      const end = Math.min(group.edges.length, group.read + take)
      for (; group.read < end; group.read++) {
        const edge = group.edges[group.read] as EntityState
        const $id = farEnd(edge, direction)
        const place = places.get($id) as number
        const key = keys[place] as EntityKey
        const state = states[place]
        if (group.count >= this.#limit || !isLive(state) || accepts?.(key, state) === false) continue
        group.count += 1
        group.rows.push({ near: group.end.near, edge, $id, key, state })
      }
    }
  }
}
