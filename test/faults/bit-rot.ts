import type { Clock } from '../../src/base/clock.ts'
import { ParqueDB } from '../../src/db/ParqueDB.ts'
import { edgeRange } from '../../src/model/edge.ts'
import { isParqueDBError } from '../../src/base/ParqueDBError.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { EventInput } from '../../src/storage/event-input.ts'
import { withEventSourcing, type EventSourcedBackend } from '../../src/storage/EventSourcedBackend.ts'
import { statesInOrder } from '../../src/storage/strips.ts'
import type { View } from '../../src/storage/view.ts'
import { SimulatedDisk, type DiskFile, type DiskFiles } from './SimulatedDisk.ts'

const namespaces = ['notes', 'people'] as const
const idsOf = (ns: string): string[] => ['a', 'b', 'c', 'd'].map((id) => `${ns[0]}${id}`)

/**
 * A database with every kind of file, several of each: an entity, an edge and a segment of every age, an archived one, what a checkpoint and a horizon keep, and a log that
 * is not flushed. It was closed.
 */
export function smallDatabase(): Promise<DiskFiles> {
  return databaseWith(async (n, db) => {
    const notes = db.collection('notes')
    if (n === 0) await notes.link('na', 'by', ['people/pa', 'people/pc'], { n })
    if (n === 2) await notes.unlink('na', 'by', 'people/pa')
    if (n === 5) await notes.link('nc', 'by', 'people/pc')
    if (n === 1) await db.flush()
    if (n === 3) await db.compact()
    if (n === 3) await db.checkpoint()
    if (n === 4) await db.retain({ policy: { namespaces: { people: { mode: 'archive', maxEvents: 3 } } } })
  })
}

/** The same without edges, and with all of its history. */
export function wholeDatabase(): Promise<DiskFiles> {
  return databaseWith(async (n, db) => {
    if (n === 1 || n === 3 || n === 4) await db.flush()
    if (n === 3) await db.compact()
  })
}

async function databaseWith(beside: (n: number, db: ParqueDB) => Promise<void>): Promise<DiskFiles> {
  const disk = new SimulatedDisk()
  for (let session = 0; session < 3; session++) {
    const engine = open(disk, { readOnly: false })
    const db = new ParqueDB({ storage: engine })
    for (let round = 0; round < 2; round++) {
      const n = session * 2 + round
      for (const ns of namespaces) await engine.appendEvents(eventsOf(ns, n), { txId: `${ns}-${n}` })
      await beside(n, db)
    }
    await db.close()
  }
  return disk.files
}

function eventsOf(ns: string, n: number): EventInput[] {
  const [a, b, c, d] = idsOf(ns).map((id) => `${ns}:${id}`) as [string, string, string, string]
  const after = { n, text: `text ${n}`, tags: ['x', n], at: { deep: n / 3 } }
  switch (n) {
    case 0:
      return [a, b, c].map((target) => ({ op: 'CREATE', target, after, actor: 'ada' }))
    case 3:
      return [{ op: 'DELETE', target: b }, { op: 'UPDATE', target: a, after: { n, more: 'yes' } }]
    case 5:
      return [{ op: 'CREATE', target: d, after }, { op: 'UPDATE', target: c, after: { n } }]
    default:
      return [{ op: 'UPDATE', target: a, after: { n } }, { op: 'UPDATE', target: c, after: { text: `again ${n}` }, metadata: { n } }]
  }
}

export interface Damage {
  readonly path: string
  readonly what: string
  readonly bytes: Uint8Array
}

/** Every damage to every file: each byte flipped in one bit, each length, another file of its kind, zeroes, twice its content. */
export function* damages(files: DiskFiles, every = 1): Generator<Damage> {
  let nth = 0
  const wanted = (): boolean => nth++ % every === 0
  for (const [path, { bytes }] of files) {
    for (let at = 0; at < bytes.length; at++) {
      if (!wanted()) continue
      const flipped = bytes.slice()
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at * 5 + 3) % 8)
      yield { path, what: `byte ${at} flipped`, bytes: flipped }
    }
    for (let length = 0; length < bytes.length; length++) if (length === 0 || wanted()) yield { path, what: `cut to ${length} bytes`, bytes: bytes.slice(0, length) }
    for (const [other, file] of files) if (other !== path && kindOf(other) === kindOf(path)) yield { path, what: `swapped with ${other}`, bytes: file.bytes }
    if (bytes.length === 0) continue
    yield { path, what: 'zeroed', bytes: new Uint8Array(bytes.length) }
    yield { path, what: 'doubled', bytes: Uint8Array.of(...bytes, ...bytes) }
  }
}

export function kindOf(path: string): string {
  return path.split('/')[0] ?? ''
}

/** What reads gave: the value as JSON, or the error. */
type Answers = ReadonlyMap<string, string | Error>

export interface Tally {
  trials: number
  reads: number
  right: number
  refused: number
  /** Damages that no read met, as they change no answer, but verify did. */
  onlyVerified: number
  /** Files with damages that nothing noticed: those that are not in use any more, and blanks. */
  readonly unnoticed: Map<string, number>
  slowestMs: number
  readonly violations: string[]
}

export function emptyTally(): Tally {
  return { trials: 0, reads: 0, right: 0, refused: 0, onlyVerified: 0, unnoticed: new Map(), slowestMs: 0, violations: [] }
}

const patienceMs = 2000

/** Reads everything of the damaged database, as a reader, as verify does, and as the next writer. */
export async function tryDamage(files: DiskFiles, damage: Damage, to: { expected: Answers; tally: Tally; nowMs: () => number }): Promise<void> {
  const { tally, expected } = to
  const startMs = to.nowMs()
  const damaged = withDamage(files, damage)
  const where = `${damage.path}, ${damage.what}`
  tally.trials++
  const answers = [...(await readAll(damaged, { readOnly: true }))]
  // A writer reads what a reader reads; it is tried on the files that decide what it goes on from.
  if (!['events', 'entities', 'edges', 'archive'].includes(kindOf(damage.path))) answers.push(...(await readAll(damaged, { readOnly: false })))
  let isNoticed = false
  for (const [question, answer] of answers) {
    tally.reads++
    if (answer === expected.get(question)) {
      tally.right++
    } else if (typeof answer === 'string') {
      tally.violations.push(`${where}: ${question} gave ${answer.slice(0, 300)}`)
    } else {
      isNoticed = true
      tally.refused++
      const problem = problemOf(answer)
      if (problem !== undefined) tally.violations.push(`${where}: ${question}: ${problem}`)
    }
  }
  if (!isNoticed) {
    if (await verifyFinds(files, damage)) tally.onlyVerified++
    else tally.unnoticed.set(damage.path, (tally.unnoticed.get(damage.path) ?? 0) + 1)
  }
  const tookMs = to.nowMs() - startMs
  tally.slowestMs = Math.max(tally.slowestMs, tookMs)
  if (tookMs > patienceMs) tally.violations.push(`${where}: took ${tookMs} ms`)
}

/** Every state, present and past, every history and every scan, and the events as a whole. */
export async function readAll(files: DiskFiles, options: { readOnly: boolean }): Promise<Map<string, string | Error>> {
  const answers = new Map<string, string | Error>()
  const engine = open(new SimulatedDisk(files), options)
  const ask = async (question: string, read: () => Promise<unknown>): Promise<void> => {
    try {
      answers.set(question, JSON.stringify(await read()))
    } catch (error) {
      // What retention has put away is refused by the sound database, too.
      answers.set(question, isParqueDBError(error, 'HISTORY_UNAVAILABLE') ? error.message : error instanceof Error ? error : new Error(String(error)))
    }
  }
  try {
    for (const includeArchived of [false, true]) {
      const view = await engine.view({ includeArchived })
      await (includeArchived ? askArchive : askView)(view, ask)
      view.release()
    }
  } catch (error) {
    answers.set('opening', error as Error)
  } finally {
    await engine.close()
  }
  return answers
}

type Ask = (question: string, read: () => Promise<unknown>) => Promise<void>

/** What retention has put away. */
async function askArchive(view: View, ask: Ask): Promise<void> {
  await ask('all events, archived ones too', () => collect(view.events()))
  for (const ns of ['people', 'people:in']) for (const seq of [3, 12]) await ask(`scan ${ns} at ${seq}, from the archive`, () => collect(statesInOrder(view.scan(ns, { asOf: { seq } }))))
  for (const id of idsOf('people').slice(0, 2)) await ask(`history of people/${id}, from the archive`, () => collect(view.entityEvents({ ns: 'people', id })))
}

async function askView(view: View, ask: Ask): Promise<void> {
  await ask('the newest event', async () => view.seq)
  await ask('all events', () => collect(view.events()))
  for (const [ns, near] of [['notes:out', { ns: 'notes', id: 'na' }], ['people:in', { ns: 'people', id: 'pc' }]] as const) {
    await ask(`edges ${ns}`, () => collect(view.scanRanges(ns, [edgeRange(near, 'by')])))
    for (const seq of [8, 15, 20]) await ask(`edges ${ns} at ${seq}`, () => collect(view.scanRanges(ns, [edgeRange(near, 'by')], { asOf: { seq } })))
  }
  for (const ns of namespaces) {
    await ask(`scan ${ns}`, () => collect(statesInOrder(view.scan(ns))))
    for (const seq of [3, 9, 15, 20]) await ask(`scan ${ns} at ${seq}`, () => collect(statesInOrder(view.scan(ns, { asOf: { seq } }))))
    await ask(`many of ${ns}`, () => view.getMany([...idsOf(ns), 'nobody'].map((id) => ({ ns, id }))))
    for (const id of [...idsOf(ns), 'nobody']) {
      await ask(`${ns}/${id}`, async () => (await view.get({ ns, id })) ?? null)
      for (const seq of [1, 7, 14, 19, 23]) await ask(`${ns}/${id} at ${seq}`, async () => (await view.get({ ns, id }, { seq })) ?? null)
      await ask(`history of ${ns}/${id}`, () => collect(view.entityEvents({ ns, id })))
    }
  }
}

/** Whether verify finds the damage, or it keeps the database from being opened. */
export async function verifyFinds(files: DiskFiles, damage: Damage): Promise<boolean> {
  const engine = open(new SimulatedDisk(withDamage(files, damage)), { readOnly: true })
  try {
    const report = await engine.verify({ deep: true })
    return !report.ok
  } catch (error) {
    if (!isParqueDBError(error, 'CORRUPT_FILE') && !isParqueDBError(error, 'UNSUPPORTED_FORMAT')) throw error
    return true
  } finally {
    await engine.close()
  }
}

export function withDamage(files: DiskFiles, { path, bytes }: Damage): DiskFiles {
  const damaged = new Map(files)
  damaged.set(path, { ...(files.get(path) as DiskFile), bytes, syncedBytes: bytes.length })
  return damaged
}

function problemOf(error: Error): string | undefined {
  if (!isParqueDBError(error)) return `threw ${error.stack}`
  // A digit of FORMAT may have become that of a later format.
  if (error.code !== 'CORRUPT_FILE' && error.code !== 'UNSUPPORTED_FORMAT') return `refused with ${error.code}: ${error.message}`
  if (typeof error.details['path'] !== 'string' || typeof error.details['offset'] !== 'number') return `names no file or no offset: ${error.message}`
  return undefined
}

async function collect(rows: AsyncIterable<unknown> | Iterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const row of rows) all.push(row)
  return all.flat()
}

function open(disk: SimulatedDisk, { readOnly }: { readOnly: boolean }): EventSourcedBackend {
  return withEventSourcing(disk, { readOnly, graceMs: 0, compaction: { background: false }, clock: quickClock(), random: seededRandom(1) })
}

/** Time passes only by waiting for it. */
function quickClock(): Clock {
  let ms = 1_000_000
  return {
    nowMs: () => ++ms,
    sleep: async (waitMs) => {
      ms += waitMs
    },
    after: () => () => undefined,
  }
}
