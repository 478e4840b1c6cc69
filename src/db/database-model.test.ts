import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareStrings } from '../base/bytes.ts'
import { isParqueDBError } from '../base/ParqueDBError.ts'
import { compareSortValues } from '../model/sort.ts'
import { withEventSourcing } from '../storage/EventSourcedBackend.ts'
import { MemoryBackend } from '../storage/MemoryBackend.ts'
import type { Collection } from './Collection.ts'
import { ParqueDB } from './ParqueDB.ts'

// A database as a plain map, to compare the real one with: after every kind of change, flush, compaction and reopening
// both must tell the same of the present and of every moment of the past.

interface Thing {
  n?: number | string | null
  tag?: string
}

interface Known {
  readonly version: number
  readonly document: Thing
  readonly isDeleted: boolean
  /** The last document of a deleted one. */
  readonly last: Thing
}

type State = ReadonlyMap<string, Known>

type Step =
  | { kind: 'create' | 'replace'; id: string; document: Thing; upsert: boolean }
  | { kind: 'set' | 'upsert'; id: string; n: number }
  | { kind: 'delete' | 'restore'; id: string }
  | { kind: 'revert'; id: string; back: number }
  | { kind: 'updateMany'; tag: string; n: number }
  | { kind: 'deleteMany'; n: number }
  | { kind: 'transaction'; steps: Step[]; fails: boolean }
  | { kind: 'flush' | 'compact' | 'reopen' }

const ids = ['a', 'b', 'c/d', 'é', '\u{1f680}', '\uffee', 'a\u0000']
const id = fc.constantFrom(...ids)
const n = fc.constantFrom(0, 1, 2, 3)
const tag = fc.constantFrom('x', 'y')
const document: fc.Arbitrary<Thing> = fc.record({ n: fc.constantFrom(0, 1, 2, 'one', null), tag }, { requiredKeys: [] })

const change: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('create' as const, 'replace' as const), id, document, upsert: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('set' as const, 'upsert' as const), id, n }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('delete' as const, 'restore' as const), id }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('updateMany' as const), tag, n }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteMany' as const), n }) },
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: change },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('revert' as const), id, back: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('transaction' as const), steps: fc.array(change, { maxLength: 4 }), fails: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('flush' as const, 'compact' as const, 'reopen' as const) }) },
)

/** What happened: the state after each event. */
class Model {
  states: State[] = [new Map()]

  get now(): State {
    return this.states.at(-1) ?? new Map()
  }

  /** The error code that the change is refused with; its events are added otherwise. */
  apply(change: Step): string | undefined {
    switch (change.kind) {
      case 'create':
        return this.live(change.id) === undefined ? this.put(change.id, change.document) : 'ALREADY_EXISTS'
      case 'replace':
        if (this.live(change.id) === undefined && !change.upsert) return 'NOT_FOUND'
        return this.put(change.id, change.document)
      case 'set':
      case 'upsert': {
        const live = this.live(change.id)
        if (live === undefined && change.kind === 'set') return 'NOT_FOUND'
        return this.put(change.id, { ...live?.document, n: change.n })
      }
      case 'delete':
        return this.remove(change.id)
      case 'restore': {
        const known = this.now.get(change.id)
        if (known === undefined) return 'NOT_FOUND'
        return known.isDeleted ? this.put(change.id, known.last) : undefined
      }
      case 'revert': {
        const then = this.states.at(-1 - Math.min(change.back, this.states.length - 1))?.get(change.id)
        if (then === undefined || then.isDeleted) return 'NOT_FOUND'
        return this.put(change.id, then.document)
      }
      case 'updateMany':
        for (const [key, known] of this.sorted()) if (!known.isDeleted && known.document.tag === change.tag) this.put(key, { ...known.document, n: change.n })
        return undefined
      case 'deleteMany':
        for (const [key, known] of this.sorted()) if (!known.isDeleted && known.document.n === change.n) this.remove(key)
        return undefined
      case 'transaction': {
        const before = this.states.slice()
        for (const inner of change.steps) this.apply(inner)
        if (change.fails) this.states = before
        return change.fails ? 'ABORTED' : undefined
      }
      case 'flush':
      case 'compact':
      case 'reopen':
        return undefined
    }
  }

  sorted(state: State = this.now): [string, Known][] {
    return [...state].toSorted(([left], [right]) => compareStrings(left, right))
  }

  private live(key: string): Known | undefined {
    const known = this.now.get(key)
    return known?.isDeleted === true ? undefined : known
  }

  private put(key: string, next: Thing): undefined {
    const live = this.live(key)
    if (live !== undefined && JSON.stringify(live.document) === JSON.stringify(next)) return
    this.add(key, { document: next, isDeleted: false, last: next })
  }

  private remove(key: string): undefined {
    const live = this.live(key)
    if (live !== undefined) this.add(key, { document: {}, isDeleted: true, last: live.document })
  }

  private add(key: string, known: Omit<Known, 'version'>): void {
    this.states.push(new Map(this.now).set(key, { ...known, version: (this.now.get(key)?.version ?? 0) + 1 }))
  }
}

async function perform(things: Collection<Thing>, change: Step, seq: number): Promise<unknown> {
  switch (change.kind) {
    case 'create':
      return things.create({ ...change.document, $id: change.id })
    case 'replace':
      return things.replace(change.id, change.document, { upsert: change.upsert })
    case 'set':
      return things.update(change.id, { $set: { n: change.n } })
    case 'upsert':
      return things.upsert(change.id, { $set: { n: change.n } })
    case 'delete':
      return things.delete(change.id)
    case 'restore':
      return things.restore(change.id)
    case 'revert':
      return things.revert(change.id, { asOf: seq - Math.min(change.back, seq) })
    case 'updateMany':
      return things.updateMany({ tag: change.tag }, { $set: { n: change.n } })
    case 'deleteMany':
      return things.deleteMany({ n: change.n })
    case 'transaction':
    case 'flush':
    case 'compact':
    case 'reopen':
      throw new Error(`${change.kind} is no change of a collection`)
  }
}

async function codeOf(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    if (isParqueDBError(error)) return error.code
    if (error instanceof Error && error.message === 'rolled back') return 'ABORTED'
    throw error
  }
}

function open(storage: MemoryBackend): ParqueDB {
  return new ParqueDB({ storage: withEventSourcing(storage, { autoSnapshotThreshold: 3, maxCachedEntities: 2, compaction: { fanIn: 2 } }) })
}

const keyOf = (entity: { $id: string }): string => entity.$id.slice('things/'.length)
const shape = (known: Known): object => ({ version: known.version, ...known.document })
const shapeOf = (entity: object): object => {
  const { $id: _id, createdAt: _createdAt, updatedAt: _updatedAt, ...rest } = entity as Record<string, unknown>
  return rest
}

async function comparePast(things: Collection<Thing>, model: Model, seq: number): Promise<void> {
  const then = model.sorted(model.states[seq]).filter(([, known]) => !known.isDeleted)
  const found = await things.find({}, { asOf: seq }).toArray()
  expect(found.map((entity) => [keyOf(entity), shapeOf(entity)])).toEqual(then.map(([key, known]) => [key, shape(known)]))
  const [first] = then
  if (first !== undefined) expect(shapeOf((await things.get(first[0], { asOf: seq })) ?? {})).toEqual(shape(first[1]))
}

async function comparePresent(things: Collection<Thing>, model: Model): Promise<void> {
  const live = model.sorted().filter(([, known]) => !known.isDeleted)
  expect(await things.count()).toBe(live.length)
  expect(await things.count({}, { includeDeleted: true })).toBe(model.now.size)
  expect(await things.count({ n: { $gte: 1 } })).toBe(live.filter(([, { document: { n: value } }]) => typeof value === 'number' && value >= 1).length)
  for (const key of ids) {
    const known = model.now.get(key)
    const found = await things.get(key)
    expect(found === undefined ? undefined : shapeOf(found)).toEqual(known === undefined || known.isDeleted ? undefined : shape(known))
  }
  const byN = live.toSorted(([left, { document: a }], [right, { document: b }]) => -compareSortValues(a.n ?? null, b.n ?? null) || compareStrings(left, right)).map(([key]) => key)
  expect((await things.find({}, { sort: { n: -1 } }).toArray()).map(keyOf)).toEqual(byN)
  expect((await things.find({}, { sort: { n: -1 }, skip: 1, limit: 3 }).toArray()).map(keyOf)).toEqual(byN.slice(1, 4))
  const paged: string[] = []
  let cursor: string | undefined
  do {
    const page = await things.find({}, { sort: { n: -1 }, limit: 2, ...(cursor !== undefined && { cursor }) }).page()
    paged.push(...page.items.map(keyOf))
    cursor = page.cursor
  } while (cursor !== undefined)
  expect(paged).toEqual(byN)
  expect((await things.find({ $id: { $gt: 'a', $lte: 'é' } }).toArray()).map(keyOf)).toEqual(live.map(([key]) => key).filter((key) => compareStrings(key, 'a') > 0 && compareStrings(key, 'é') <= 0))
}

async function compareHistory(things: Collection<Thing>, model: Model): Promise<void> {
  for (const key of ids) {
    const versions: (object | undefined)[] = []
    for (const state of model.states) {
      const known = state.get(key)
      if (known !== undefined && known.version > versions.length) versions.push(known.isDeleted ? undefined : shape(known))
    }
    const entries = await things.history(key).toArray()
    expect(entries.map(({ after }) => (after === undefined ? undefined : shapeOf(after)))).toEqual(versions)
    const reversed = await things.history(key, { reverse: true }).toArray()
    expect(reversed.toReversed()).toEqual(entries)
  }
}

test(
  'the database tells of the present and of the past what a map of every state tells',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), async (steps) => {
        const storage = new MemoryBackend()
        const model = new Model()
        let db = open(storage)
        for (const change of steps) {
          const seq = model.states.length - 1
          const wanted = model.apply(change)
          const things = db.collection<Thing>('things')
          if (change.kind === 'flush') await db.flush()
          else if (change.kind === 'compact') await db.compact()
          else if (change.kind === 'reopen') {
            await db.close()
            db = open(storage)
          } else if (change.kind === 'transaction') {
            const run = db.transaction(async (tx) => {
              for (const inner of change.steps) await codeOf(() => perform(tx.collection<Thing>('things'), inner, seq))
              if (change.fails) throw new Error('rolled back')
            })
            expect(await codeOf(() => run)).toBe(wanted)
          } else expect(await codeOf(() => perform(things, change, seq))).toBe(wanted)
          expect((await db.stats()).lastSeq).toBe(model.states.length - 1)
        }
        const things = db.collection<Thing>('things')
        await comparePresent(things, model)
        await compareHistory(things, model)
        for (let seq = 0; seq < model.states.length; seq++) await comparePast(things, model, seq)
        expect((await db.verify({ deep: true })).problems).toEqual([])
        await db.close()
      }),
      { numRuns: 150 },
    )
  },
  120_000,
)
