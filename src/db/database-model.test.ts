import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isParqueDBError } from '../base/ParqueDBError.ts'
import { withEventSourcing } from '../storage/EventSourcedBackend.ts'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import type { Command } from '../testing/simulation/commands.ts'
import { describeEntities, ReferenceDatabase } from '../testing/simulation/ReferenceDatabase.ts'
import { describeEntity, filterOf, perform } from '../testing/simulation/workload.ts'
import { ParqueDB } from './ParqueDB.ts'

// The real database and the simulator's reference are given the same commands, and after each they must tell the same. fast-check shrinks what
// breaks that to a few commands, and prints them.

const ns = 'things'
const ids = ['a', 'b', 'c/d', 'é', '\u{1f680}', '\uffee', 'a\u0000']

interface Real {
  readonly storage: MemoryBackend
  db: ParqueDB
}

type Step = fc.AsyncCommand<ReferenceDatabase, Real>

function open(storage: MemoryBackend): ParqueDB {
  return new ParqueDB({ storage: withEventSourcing(storage, { autoSnapshotThreshold: 3, maxCachedEntities: 2, compaction: { fanIn: 2 } }) })
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
  else if (command.kind === 'updateMany' || command.kind === 'deleteMany') expect(told).toBe(String(outcome.kind === 'changes' ? outcome.changes.length : 0))
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
  expect(describeEntity(...(await db.collection(ns).find({}, { asOf: seq }).toArray()))).toBe(model.listing(ns, seq))
  for (const id of ids.slice(0, 2)) expect(describeEntity(await db.collection(ns).get(id, { asOf: seq }))).toBe(model.entity({ ns, id }, seq))
}

async function compareHistory(model: ReferenceDatabase, { db }: Real, id: string): Promise<void> {
  const entries = await db.collection(ns).history(id).toArray()
  const text = entries.map(({ seq, op, version, after }) => `${seq} ${op} ${after === undefined ? describeEntities([{ id, version, document: undefined }]) : describeEntity(after)}`)
  expect(text.join('\n')).toBe(model.history({ ns, id }, model.lastSeq))
  expect((await db.collection(ns).history(id, { reverse: true }).toArray()).toReversed()).toEqual(entries)
}

async function compareQueries(model: ReferenceDatabase, { db }: Real, range: { from: number; below: number }): Promise<void> {
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
const key = { ns: fc.constant(ns), id }
const document = fc.record({ n: fc.oneof(fc.nat(3), fc.constantFrom('one', null)), m: fc.nat(2) }, { requiredKeys: [] })
const numbers = fc.record({ n: fc.nat(3), m: fc.nat(2) }, { requiredKeys: [] })
const range = fc.record({ from: fc.nat(3), below: fc.integer({ min: 1, max: 4 }) })
const change: fc.Arbitrary<Command> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('create' as const), ...key, document }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('replace' as const), ...key, document, upsert: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('update' as const, 'upsert' as const), ...key, fields: numbers.filter((fields) => Object.keys(fields).length > 0), expectedVersion: fc.integer({ min: 1, max: 3 }) }, { requiredKeys: ['kind', 'ns', 'id', 'fields'] }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('delete' as const, 'restore' as const), ...key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('updateMany' as const), ns: fc.constant(ns), range, fields: fc.record({ m: fc.nat(2) }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deleteMany' as const), ns: fc.constant(ns), range }) },
)
const steps: fc.Arbitrary<Step>[] = [
  change.map((command): Step => new ModelStep(JSON.stringify(command), (model, real) => write(command, model, real))),
  change.map((command): Step => new ModelStep(JSON.stringify(command), (model, real) => write(command, model, real))),
  fc.record({ kind: fc.constant('revert' as const), ...key, to: fc.nat(4) }).map((command) => new ModelStep(JSON.stringify(command), (model, real) => write(command, model, real))),
  fc.record({ kind: fc.constant('transaction' as const), commands: fc.array(change, { maxLength: 4 }), fails: fc.boolean() }).map((command) => new ModelStep(JSON.stringify(command), (model, real) => write(command, model, real))),
  fc.constantFrom(new ModelStep('flush', (_model, { db }) => db.flush()), new ModelStep('compact', (_model, { db }) => db.compact()), new ModelStep('reopen', reopen)),
  fc.nat(20).map((back) => new ModelStep(`as of ${back} events ago`, (model, real) => compareAsOf(model, real, Math.max(0, model.lastSeq - back)))),
  id.map((of) => new ModelStep(`history of ${of}`, (model, real) => compareHistory(model, real, of))),
  range.map((within) => new ModelStep(`find from ${within.from} to ${within.below}`, (model, real) => compareQueries(model, real, within))),
]

test('the database tells of the present and of the past what the reference tells, whatever is done to it', { timeout: 240_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.commands(steps, { maxCommands: 60, size: 'max' }), async (commands) => {
      const storage = new MemoryBackend()
      const model = new ReferenceDatabase()
      const real: Real = { storage, db: open(storage) }
      await fc.asyncModelRun(() => ({ model, real }), commands)
      for (const of of ids) await compareHistory(model, real, of)
      for (let seq = 0; seq <= model.lastSeq; seq++) await compareAsOf(model, real, seq)
      await compareQueries(model, real, { from: 0, below: 4 })
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
  await write({ kind: 'create', ns, id: 'a', document: { m: 0 } }, model, real)
  await write({ kind: 'update', ns, id: 'a', fields: { n: 3, m: 2 } }, model, real)
  await write({ kind: 'replace', ns, id: 'a', document: { n: 3, m: 2 } }, model, real)
  expect(model.lastSeq).toBe(3)
  await real.db.close()
})
