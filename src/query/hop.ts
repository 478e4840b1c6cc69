import { checkAborted } from '../base/abort.ts'
import { compareStrings } from '../base/bytes.ts'
import { edgeRange, edgeSpace, farEnd, type Direction, type EdgeRange } from '../model/edge.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
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
  const byNamespace = new Map<string, Map<string, EntityKey>>()
  for (const near of of.nears) {
    const ids = byNamespace.get(near.ns)
    if (ids === undefined) byNamespace.set(near.ns, new Map([[near.id, near]]))
    else ids.set(near.id, near)
  }
  for (const [ns, nears] of byNamespace) {
    const ends = [...nears.values()].map((near) => ({ near, range: rangeOf(near, of) })).toSorted((left, right) => compareStrings(left.range.fromId, right.range.fromId))
    for (let start = 0; start < ends.length; ) {
      const walk = new Walk(view, of, ends.slice(start))
      yield* walk.rows(edgeSpace(ns, of.direction))
      // Left early, within the edges of an end that had enough of them.
      start += walk.endsDone
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

/** One pass over the edges of some ends, which it leaves where a long stretch of them is not wanted. */
class Walk {
  /** Ends whose edges are all behind. */
  endsDone = 0
  readonly #view: View
  readonly #of: Hop
  readonly #ends: readonly End[]
  readonly #limit: number
  /** Rows of the end that the pass has come to. */
  #count = 0

  constructor(view: View, of: Hop, ends: readonly End[]) {
    this.#view = view
    this.#of = of
    this.#ends = ends
    this.#limit = of.limit ?? Number.POSITIVE_INFINITY
  }

  async *rows(space: string): AsyncGenerator<readonly HopRow[]> {
    const { asOf, signal } = this.#of
    const ranges = this.#ends.map(({ range }) => range)
    for await (const states of this.#view.scanRanges(space, ranges, { asOf, signal })) {
      for (let at = 0; at < states.length; at += edgesAtOnce) {
        checkAborted(signal)
        const groups = this.#grouped(states.slice(at, at + edgesAtOnce))
        for (let open = groups, take = this.#limit + spareEdges; open.length > 0; take *= 8) {
          await this.#read(open, take)
          open = open.filter((group) => group.count < this.#limit && group.read < group.edges.length)
        }
        const rows = groups.flatMap((group) => group.rows)
        if (rows.length > 0) yield rows
        this.#count = groups.at(-1)?.count ?? this.#count
        if (groups.length !== 1 || this.#count < this.#limit) continue
        this.endsDone += 1
        return
      }
    }
    this.endsDone = this.#ends.length
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
    const { direction, asOf, accepts } = this.#of
    // Each entity is read once, however many edges lead to it.
    const places = new Map<string, number>()
    const keys: EntityKey[] = []
    for (const { edges, read } of groups) {
      for (let at = read; at < edges.length && at < read + take; at++) {
        const $id = farEnd(edges[at] as EntityState, direction)
        if (places.size < places.set($id, places.get($id) ?? keys.length).size) keys.push(keyOf($id))
      }
    }
    const states = await this.#view.getMany(keys, asOf)
    for (const group of groups) {
      const end = Math.min(group.edges.length, group.read + take)
      for (; group.read < end; group.read++) {
        const edge = group.edges[group.read] as EntityState
        const $id = farEnd(edge, direction)
        const place = places.get($id) as number
        const key = keys[place] as EntityKey
        const state = states[place]
        if (group.count >= this.#limit || state === undefined || state.deletedAt !== undefined || accepts?.(key, state) === false) continue
        group.count += 1
        group.rows.push({ near: group.end.near, edge, $id, key, state })
      }
    }
  }
}

/** The key of a stored `$id`. */
function keyOf($id: string): EntityKey {
  const slash = $id.indexOf('/')
  return { ns: $id.slice(0, slash), id: $id.slice(slash + 1) }
}
