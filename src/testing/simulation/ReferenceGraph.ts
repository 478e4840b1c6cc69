import { compareStrings } from '../../base/bytes.ts'
import type { Document } from '../../model/values.ts'
import { namingsOf, relationships, type Linking, type Relationship } from './commands.ts'
import { Timelines, type Change } from './Timelines.ts'

export interface Edge {
  /** 'ns/id', as is `to`. */
  readonly from: string
  readonly predicate: string
  readonly to: string
  readonly data: Document
}

/** At which moment, and as of which knowledge of erasures: of a past that is read now, all of them. */
export interface Moment {
  readonly seq: number
  readonly knownAt?: number
}

/** The edges of the database that ParqueDB is compared with: a list, which is searched. */
export class ReferenceGraph {
  #edges = new Timelines()
  /** Whether an entity is there. */
  readonly isLive: (name: string, at: Moment) => boolean

  constructor(isLive: (name: string, at: Moment) => boolean) {
    this.isLive = isLive
  }

  add(change: Change, seq: number): void {
    this.#edges.add(change, seq)
  }

  forget(name: string, seq: number): void {
    this.#edges.forget(name, seq)
  }

  /** Each end that an edge of some kind ever had, with that kind. */
  get ends(): Iterable<readonly [name: string, kind: { predicate: string; direction: 'out' | 'in' }]> {
    const ends = new Map<string, readonly [string, { predicate: string; direction: 'out' | 'in' }]>()
    for (const name of this.#edges.names) {
      const [from = '', predicate = '', to = ''] = name.split(' ')
      ends.set(`${from} ${predicate}`, [from, { predicate, direction: 'out' }])
      ends.set(`${predicate} ${to}`, [to, { predicate, direction: 'in' }])
    }
    return ends.values()
  }

  /** Edges that were, whatever became of them, at one end of which is an entity of these. */
  namesAt(ends: readonly string[]): string[] {
    return [...this.#edges.names].filter((name) => ends.some((end) => name.startsWith(`${end} `) || name.endsWith(` ${end}`)))
  }

  forkAt(seq: number, isLive: (name: string, at: Moment) => boolean): ReferenceGraph {
    const fork = new ReferenceGraph(isLive)
    fork.#edges = this.#edges.upTo(seq)
    return fork
  }

  /** What linking or unlinking changes; a code where it is refused. `made`: entities of the same write. An edge that there may be only one of takes the place of the one that is there. */
  linked(near: string, { kind, name, to, data }: Linking, at: { seq: number; made: readonly string[] }): readonly Change[] | string {
    const { seq, made } = at
    const naming = namingsOf(collectionOf(near)).find((one) => one.name === name)
    if (naming === undefined) throw new TypeError(`The workload has no ${name} of ${near}`)
    const { relationship, direction } = naming
    const { predicate } = relationship
    const isThere = (end: string): boolean => made.includes(end) || this.isLive(end, { seq })
    const changes: Change[] = []
    for (const far of to) {
      const edge = direction === 'out' ? { from: near, predicate, to: far } : { from: far, predicate, to: near }
      const found = this.#edges.live(nameOf(edge), seq)
      if (kind === 'unlink') {
        if (found !== undefined) changes.push(this.#gone(nameOf(edge), seq))
        continue
      }
      if (!isThere(edge.from)) return 'NOT_FOUND'
      if (relationship.refusesDangling === true && !isThere(edge.to)) return 'REFERENCE_VIOLATION'
      changes.push(...this.#others(relationship, edge, seq).map((other) => this.#gone(other, seq)))
      if (found === undefined || (data !== undefined && JSON.stringify(found.document) !== JSON.stringify(data))) changes.push(this.#edges.next(nameOf(edge), seq, { op: 'REL_CREATE', document: data ?? {} }))
    }
    return [...new Map(changes.map((change) => [change.name, change])).values()]
  }

  /** What goes when these entities are deleted: entities, by what cascades, and edges; a code where a relationship keeps one of them. */
  deleted(roots: readonly string[], seq: number): { entities: readonly string[]; edges: readonly Change[] } | string {
    const entities = new Set(roots.filter((root) => this.isLive(root, { seq })))
    const edges = this.#all({ seq })
    for (const entity of entities) for (const { from, to, predicate } of edges) if (to === entity && onDelete(predicate) === 'cascade' && this.isLive(from, { seq })) entities.add(from)
    const holder = edges.find(({ from, to, predicate }) => onDelete(predicate) === 'restrict' && entities.has(to) && !entities.has(from) && this.isLive(from, { seq }))
    if (holder !== undefined) return 'REFERENCE_VIOLATION'
    const unlinked = edges.filter(({ from, to, predicate }) => onDelete(predicate) === 'unlink' && (entities.has(from) || entities.has(to)))
    return { entities: [...entities], edges: unlinked.map((edge) => this.#gone(nameOf(edge), seq)) }
  }

  /** The edges of an entity that are seen, from one of its ends, of one kind or of every one, by what is at the other end. */
  seen(near: string, { predicate, direction }: { predicate: string | undefined; direction: 'out' | 'in' }, at: Moment): Edge[] {
    const [here, there] = direction === 'out' ? (['from', 'to'] as const) : (['to', 'from'] as const)
    if (!this.isLive(near, at)) return []
    const own = this.#all(at).filter((edge) => edge[here] === near && (predicate === undefined || edge.predicate === predicate) && this.isLive(edge[there], at))
    return own.toSorted((left, right) => compareStrings(left[there], right[there]))
  }

  /** How many edges every entity is away from the first one, along edges of every kind, nearest first and by name; the first one not. */
  distances(start: string, { direction, depth }: { direction: 'out' | 'in'; depth: number }, at: Moment): (readonly [name: string, distance: number])[] {
    const found = new Map([[start, 0]])
    for (const [name, distance] of found) {
      if (distance === depth) continue
      for (const { from, to } of this.seen(name, { predicate: undefined, direction }, at)) if (!found.has(direction === 'out' ? to : from)) found.set(direction === 'out' ? to : from, distance + 1)
    }
    found.delete(start)
    return [...found].toSorted(([left, near], [right, far]) => near - far || compareStrings(left, right))
  }

  /** Those that were linked and not unlinked, whether their ends are there or not. */
  #all({ seq, knownAt }: Moment): Edge[] {
    return [...this.#edges.names].flatMap((name) => {
      const live = this.#edges.live(name, seq, knownAt)
      const [from = '', predicate = '', to = ''] = name.split(' ')
      return live?.document === undefined ? [] : [{ from, predicate, to, data: live.document }]
    })
  }

  #others({ predicate, isOne, isOneBack }: Relationship, { from, to }: Omit<Edge, 'data'>, seq: number): string[] {
    const others = this.#all({ seq }).filter((edge) => edge.predicate === predicate && ((isOne === true && edge.from === from && edge.to !== to) || (isOneBack === true && edge.to === to && edge.from !== from)))
    return others.map(nameOf)
  }

  #gone(name: string, seq: number): Change {
    return this.#edges.next(name, seq, { op: 'REL_DELETE', document: undefined })
  }
}

function nameOf({ from, predicate, to }: Omit<Edge, 'data'>): string {
  return `${from} ${predicate} ${to}`
}

export function collectionOf(name: string): string {
  return name.slice(0, name.indexOf('/'))
}

function onDelete(predicate: string): Relationship['onDelete'] {
  return relationships.find((relationship) => relationship.predicate === predicate)?.onDelete
}
