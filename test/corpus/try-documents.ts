import { MemoryBackend, ParqueDB } from 'parquedb'
import type { Collection } from 'parquedb'
import type { HostileDocument } from './documents.ts'
import { throughText } from './Tally.ts'
import type { Tally } from './Tally.ts'

interface Kept {
  readonly name: string
  readonly id: string
  readonly document: object
}

/**
 * Each document through create, replace, $set, text and, in a collection with all the others and in one of its own, through the files: flushed,
 * opened again, merged. What is refused leaves the database as it was.
 */
export async function tryDocuments(tally: Tally, documents: readonly HostileDocument[]): Promise<void> {
  const storage = new MemoryBackend()
  let db = new ParqueDB({ storage })
  const kept: Kept[] = []
  for (const [index, { name, document, refusal, ...rest }] of documents.entries()) {
    const id = `d${index}`
    const stored = 'stored' in rest ? rest.stored : document
    const before = (await db.stats()).lastSeq
    const expected = refusal === undefined ? { gives: stored } : { refusal }
    const outcome = await tally.judge(name, expected, async () => ownFields(await db.collection('all').create(withId(document, id))))
    if (refusal === undefined && outcome?.kind === 'gave') {
      await db.collection(`own${index}`).create({ ...(stored as object), $id: id })
      tally.same(`${name}, as text`, throughText(stored), stored)
      kept.push({ name, id, document: stored as object })
    } else {
      await expectRefusals(db, tally, { name, document, refusal })
      tally.same(`${name}: events after the refusal`, (await db.stats()).lastSeq, before)
    }
  }
  for (const stage of ['in the log', 'in files', 'merged']) {
    if (stage !== 'in the log') {
      await db.collection('all').update('d0', { $set: { [stage]: true } })
      await db.flush()
      if (stage === 'merged') await db.compact()
      await db.close()
      db = new ParqueDB({ storage })
      await db.collection('all').update('d0', { $unset: { [stage]: '' } })
    }
    await compare(db, kept, { tally, stage })
  }
  tally.same('verify', (await db.verify({ deep: true })).problems, [])
  await db.close()
}

/** With an id where it is an object; getters, hidden fields and its prototype stay what they are. */
function withId(document: unknown, $id: string): never {
  if (typeof document !== 'object' || document === null || Array.isArray(document) || document instanceof Date) return document as never
  const id = { value: $id, enumerable: true }
  return Object.create(Object.getPrototypeOf(document) as object | null, { ...Object.getOwnPropertyDescriptors(document), $id: id }) as never
}

async function expectRefusals(db: ParqueDB, tally: Tally, { name, document, refusal }: { name: string; document: unknown; refusal: unknown }): Promise<void> {
  const all = db.collection('all')
  const others: Readonly<Record<string, () => unknown>> = {
    create: () => all.create(document as never),
    createMany: () => all.createMany([document as never]),
    replace: () => all.replace('nobody', document as never, { upsert: true }),
    $set: () => all.update('d0', { $set: { v: (document as { v?: unknown } | undefined)?.v ?? (() => 1) } as never }),
  }
  for (const [way, work] of Object.entries(others)) {
    const code = await Promise.resolve()
      .then(work)
      .then(() => 'nothing')
      .catch((error: { code?: unknown }) => error.code)
    // A replacement may bring system fields along; they have to fit what is there.
    const isRefused = code === refusal || (way === '$set' && code === 'VALIDATION_FAILED') || (way === 'replace' && code === 'INVALID_ARGUMENT') || (way === 'replace' && code === 'VERSION_CONFLICT')
    if (!isRefused) tally.wrong.push(`${name}, by ${way}: ${String(code)}, not ${String(refusal)}`)
  }
}

async function compare(db: ParqueDB, kept: readonly Kept[], { tally, stage }: { tally: Tally; stage: string }): Promise<void> {
  const all = db.collection('all')
  const found = new Map<string, object>()
  for await (const entity of all.find({})) found.set(entity.$id, ownFields(entity))
  tally.same(`${stage}: the ids`, [...found.keys()].toSorted(), kept.map(({ id }) => `all/${id}`).toSorted())
  for (const { name, id, document } of kept) {
    tally.same(`${name}, ${stage}, found`, found.get(`all/${id}`), document)
    await compareOne(db.collection(`own${id.slice(1)}`), { id, document }, { tally, stage: `${name}, ${stage}` })
  }
}

async function compareOne(own: Collection, { id, document }: { id: string; document: object }, { tally, stage }: { tally: Tally; stage: string }): Promise<void> {
  tally.same(`${stage}, alone`, ownFields(await own.get(id)), document)
  for await (const { op, after } of own.history(id)) {
    if (op === 'CREATE') tally.same(`${stage}, in its history`, ownFields(after), document)
  }
}

function ownFields(entity: unknown): object {
  const { $id: _, version: __, createdAt: ___, createdBy: ____, updatedAt: _____, updatedBy: ______, ...own } = entity as Record<string, unknown>
  return own
}
