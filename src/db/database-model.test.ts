import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isParqueDBError } from '../base/ParqueDBError.ts'
import { withEventSourcing } from '../storage/EventSourcedBackend.ts'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import { namingsOf, relationships, type Command, type Linking } from '../testing/simulation/commands.ts'
import { describeEntities, ReferenceDatabase } from '../testing/simulation/ReferenceDatabase.ts'
import { describeEntity, describeRelated, filterOf, namespaces, perform, schema } from '../testing/simulation/workload.ts'
import { ParqueDB } from './ParqueDB.ts'

// The real database and the simulator's reference are given the same commands, and after each they must tell the same. fast-check shrinks what
// breaks that to a few commands, and prints them.

const ids = ['a', 'b', 'c/d', 'é', '\u{1f680}', '\uffee', 'a\u0000']

interface Real {
  readonly storage: MemoryBackend
  db: ParqueDB
}

type Step = fc.AsyncCommand<ReferenceDatabase, Real>

function open(storage: MemoryBackend): ParqueDB {
  return new ParqueDB({ storage: withEventSourcing(storage, { autoSnapshotThreshold: 3, maxCachedEntities: 2, compaction: { fanIn: 2 } }), schema })
}

/** A revert's `to` counts back from the newest event, as how many there will be is not known when it is made up. */
async function write(made: Command, model: ReferenceDatabase, real: Real): Promise<void> {
  const command = made.kind === 'revert' ? { ...made, to: Math.max(0, model.lastSeq - made.to) } : made
  const outcome = model.evaluate(command, model.lastSeq)
  const told = await perform(real.db, command, { name: 'step' }).catch((error: unknown) => {
    if (!isParqueDBError(error)) throw error
    return `refused: ${error.code}`
  })
  if (outcome.kind === 'changes') model.commit(outcome.changes, [])
  expect((await real.db.stats()).lastSeq).toBe(model.lastSeq)
  if (outcome.kind === 'refused' || told.startsWith('refused')) expect(told).toBe(`refused: ${outcome.kind === 'refused' ? outcome.code : outcome.kind}`)
  else if ('id' in command && command.kind !== 'delete') expect(told).toBe(model.entity(command, model.lastSeq))
  else if (command.kind === 'updateMany' || command.kind === 'edges') expect(told).toBe(String(outcome.kind === 'changes' ? outcome.changes.length : 0))
}

/** Something that is done to both, with the text that a counterexample shows. */
class ModelStep implements Step {
  readonly #text: string
  readonly #work: Step['run']
  constructor(text: string, work: Step['run']) {
    this.#text = text
    this.#work = work
  }
  check(): boolean {
    return true
  }
  run(model: ReferenceDatabase, real: Real): Promise<void> {
    return this.#work(model, real)
  }
  toString(): string {
    return this.#text
  }
}

const reopen = async (_model: ReferenceDatabase, real: Real): Promise<void> => {
  await real.db.close()
  real.db = open(real.storage)
}

async function compareAsOf(model: ReferenceDatabase, { db }: Real, seq: number): Promise<void> {
  for (const ns of namespaces) {
    expect(describeEntity(...(await db.collection(ns).find({}, { asOf: seq }).toArray()))).toBe(model.listing(ns, seq))
    for (const id of ids.slice(0, 2)) expect(describeEntity(await db.collection(ns).get(id, { asOf: seq }))).toBe(model.entity({ ns, id }, seq))
  }
}

/** Edges from both of their ends, and ways along them, as of a seq. */
async function compareGraph(model: ReferenceDatabase, { db }: Real, { key, seq }: { key: { ns: string; id: string }; seq: number }): Promise<void> {
  const name = `${key.ns}/${key.id}`
  for (const direction of ['out', 'in'] as const) {
    for (const { predicate } of relationships) {
      const options = { direction, asOf: seq }
      expect(describeRelated(await db.collection(key.ns).related(key.id, predicate, options).toArray())).toBe(model.related(name, { predicate, direction }, { seq }))
    }
    const reached = (await db.traverse(name, { direction, min: 1 }, { depth: 3, asOf: seq }).toArray()).map(({ $id, $path }) => `${$id} ${$path.length - 1}`)
    expect(reached.toSorted()).toEqual(model.graph.distances(name, { direction, depth: 3 }, { seq }).map(([far, distance]) => `${far} ${distance}`).toSorted())
  }
}

async function compareHistory(model: ReferenceDatabase, { db }: Real, { ns, id }: { ns: string; id: string }): Promise<void> {
  const entries = await db.collection(ns).history(id).toArray()
  const isOfEdge = ({ op }: { op: string }): boolean => op.startsWith('REL_')
  const edgeEvents: unknown[] = []
  for await (const { seq, target, op, predicate, to } of db.events({ ns, op: ['REL_CREATE', 'REL_DELETE'] })) if (target === `${ns}:${id}`) edgeEvents.push([seq, op, predicate, to])
  expect(entries.filter(isOfEdge).map(({ seq, op, predicate, to }) => [seq, op, predicate, to])).toEqual(edgeEvents)
  const text = entries.filter((entry) => !isOfEdge(entry)).map(({ seq, op, version, after }) => `${seq} ${op} ${after === undefined ? describeEntities([{ id, version, document: undefined }]) : describeEntity(after)}`)
  expect(text.join('\n')).toBe(model.history({ ns, id }, model.lastSeq))
  expect((await db.collection(ns).history(id, { reverse: true }).toArray()).toReversed()).toEqual(entries)
}

async function compareQueries(model: ReferenceDatabase, { db }: Real, { ns, range }: { ns: string; range: { from: number; below: number } }): Promise<void> {
  const things = db.collection(ns)
  const all = model.matching(ns, model.lastSeq)
  const within = model.matching(ns, model.lastSeq, range)
  expect(describeEntity(...(await things.find().toArray()))).toBe(model.listing(ns, model.lastSeq))
  expect(describeEntity(...(await things.find(filterOf(range)).toArray()))).toBe(describeEntities(within))
  expect([await things.count(), await things.count(filterOf(range))]).toEqual([all.length, within.length])
  expect((await things.distinct('m')).map(Number).toSorted((left, right) => left - right)).toEqual([...new Set(all.flatMap(({ document: { m } }) => (m === undefined ? [] : Number(m))))].toSorted((left, right) => left - right))
  const byN = within.toSorted((left, right) => Number(right.document.n) - Number(left.document.n)).map(({ id }) => `${ns}/${id}`)
  expect((await things.find(filterOf(range), { sort: { n: -1 } }).toArray()).map(({ $id }) => $id)).toEqual(byN)
  expect((await things.find(filterOf(range), { sort: { n: -1 }, skip: 1, limit: 3 }).toArray()).map(({ $id }) => $id)).toEqual(byN.slice(1, 4))
  const paged: string[] = []
  let cursor: string | undefined
  do {
    const page = await things.find(filterOf(range), { sort: { n: -1 }, limit: 2, ...(cursor !== undefined && { cursor }) }).page()
    paged.push(...page.items.map(({ $id }) => $id))
    cursor = page.cursor
  } while (cursor !== undefined)
  expect(paged).toEqual(byN)
}

const id = fc.constantFrom(...ids)
const ns = fc.constantFrom(...namespaces)
const key = { ns, id }
const document = fc.record({ n: fc.oneof(fc.nat(3), fc.constantFrom('one', null)), m: fc.nat(2) }, { requiredKeys: [] })
const numbers = fc.record({ n: fc.nat(3), m: fc.nat(2) }, { requiredKeys: [] })
const range = fc.record({ from: fc.nat(3), below: fc.integer({ min: 1, max: 4 }) })
/** A relationship by one of the names that the collection has for it, and one end or, where there may be several, two. */
const linking = (of: string): fc.Arbitrary<Linking> =>
  fc.record({ kind: fc.constantFrom('link' as const, 'link' as const, 'unlink' as const), naming: fc.constantFrom(...namingsOf(of)), far: fc.uniqueArray(id, { minLength: 1, maxLength: 2 }), data: fc.option(fc.record({ d: fc.nat(2) }), { nil: undefined }) }).map(({ kind, naming, far, data }) => {
    const { name, direction, relationship: { ends, isOne, isOneBack } } = naming
    const isSingle = (direction === 'out' ? isOne : isOneBack) === true
    const to = far.slice(0, isSingle ? 1 : 2).map((one) => `${(direction === 'out' ? ends?.to : ends?.from) ?? 'b'}/${one}`)
    return { kind, name, to, ...(data !== undefined && { data }) }
  })
const change: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: ns.chain((of) => fc.record({ kind: fc.constant('edges' as const), ns: fc.constant(of), near: id, linking: linking(of) })) },
  { weight: 2, arbitrary: ns.chain((of) => fc.record({ kind: fc.constant('create' as const), ns: fc.constant(of), id, document, linking: linking(of).map((one) => ({ ...one, kind: 'link' as const })) })) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('create' as const), ...key, document }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('replace' as const), ...key, document, upsert: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('update' as const, 'upsert' as const), ...key, fields: numbers.filter((fields) => Object.keys(fields).length > 0), expectedVersion: fc.integer({ min: 1, max: 3 }) }, { requiredKeys: ['kind', 'ns', 'id', 'fields'] }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('delete' as const, 'restore' as const), ...key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('updateMany' as const), ns, range, fields: fc.record({ m: fc.nat(2) }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteMany' as const), ns, range }) },
)
const steps: fc.Arbitrary<Step>[] = [
  change.map((command): Step => new ModelStep(JSON.stringify(command), (model, real) => write(command, model, real))),
  change.map((command): Step => new ModelStep(JSON.stringify(command), (model, real) => write(command, model, real))),
  fc.record({ kind: fc.constant('revert' as const), ...key, to: fc.nat(4) }).map((command) => new ModelStep(JSON.stringify(command), (model, real) => write(command, model, real))),
  fc.record({ kind: fc.constant('transaction' as const), commands: fc.array(change, { maxLength: 4 }), fails: fc.boolean() }).map((command) => new ModelStep(JSON.stringify(command), (model, real) => write(command, model, real))),
  fc.constantFrom(new ModelStep('flush', (_model, { db }) => db.flush()), new ModelStep('compact', (_model, { db }) => db.compact()), new ModelStep('reopen', reopen)),
  fc.nat(20).map((back) => new ModelStep(`as of ${back} events ago`, (model, real) => compareAsOf(model, real, Math.max(0, model.lastSeq - back)))),
  fc.record(key).map((of) => new ModelStep(`history of ${of.ns}/${of.id}`, (model, real) => compareHistory(model, real, of))),
  fc.record({ key: fc.record(key), back: fc.nat(10) }).map((of) => new ModelStep(`edges of ${of.key.ns}/${of.key.id}, ${of.back} events ago`, (model, real) => compareGraph(model, real, { key: of.key, seq: Math.max(0, model.lastSeq - of.back) }))),
  fc.record({ ns, range }).map((of) => new ModelStep(`find in ${of.ns} from ${of.range.from} to ${of.range.below}`, (model, real) => compareQueries(model, real, of))),
]

test('the database tells of the present and of the past what the reference tells, whatever is done to it', { timeout: 240_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.commands(steps, { maxCommands: 60, size: 'max' }), async (commands) => {
      const storage = new MemoryBackend()
      const model = new ReferenceDatabase()
      const real: Real = { storage, db: open(storage) }
      await fc.asyncModelRun(() => ({ model, real }), commands)
      for (const of of namespaces) for (const one of ids) await compareHistory(model, real, { ns: of, id: one })
      for (const of of namespaces) await compareGraph(model, real, { key: { ns: of, id: 'a' }, seq: model.lastSeq })
      for (let seq = 0; seq <= model.lastSeq; seq++) await compareAsOf(model, real, seq)
      await compareQueries(model, real, { ns: 'a', range: { from: 0, below: 4 } })
      expect((await real.db.verify({ deep: true })).problems).toEqual([])
      await real.db.close()
    }),
    { numRuns: 150 },
  )
})

test('fields that change places are a change, to the database and to its reference', async () => {
  const model = new ReferenceDatabase()
  const storage = new MemoryBackend()
  const real: Real = { storage, db: open(storage) }
  await write({ kind: 'create', ns: 'a', id: 'a', document: { m: 0 } }, model, real)
  await write({ kind: 'update', ns: 'a', id: 'a', fields: { n: 3, m: 2 } }, model, real)
  await write({ kind: 'replace', ns: 'a', id: 'a', document: { n: 3, m: 2 } }, model, real)
  expect(model.lastSeq).toBe(3)
  await real.db.close()
})
