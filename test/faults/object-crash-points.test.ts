import { expect, test } from 'vitest'
import { MemoryBackend, withEventSourcing, type StorageBackend } from 'parquedb/storage'
import { FaultyBackend, putOnly, type Fault } from 'parquedb/testing'

/** Of the operations every one of so many is tried. OBJECT_CRASH_STEP=1 tries all, which takes a minute. */
const step = Number(process.env['OBJECT_CRASH_STEP'] ?? 5)
const options = { flush: { eventsMax: 1000 }, compaction: { background: false }, graceMs: 0 }

/** Commits, flushes, merges and opens again, on until the store is dead; what was acknowledged. */
async function work(store: StorageBackend): Promise<string[]> {
  const acknowledged: string[] = []
  for (let round = 0; round < 3; round++) {
    const engine = withEventSourcing(store, options)
    for (const id of [`${round}a`, `${round}b`, `${round}c`]) {
      await engine.appendEvents([{ op: 'CREATE', target: `n:${id}`, after: { id } }], { txId: id }).then(
        () => acknowledged.push(id),
        () => undefined,
      )
      if (id.endsWith('b')) await engine.flush().catch(() => undefined)
    }
    if (round === 1) await engine.compact().catch(() => undefined)
    await engine.close().catch(() => undefined)
  }
  return acknowledged
}

async function contents(store: StorageBackend): Promise<string[]> {
  const engine = withEventSourcing(store, options)
  const found: string[] = []
  for await (const { seq, target } of engine.readEvents()) {
    found.push(target.slice(2))
    expect(seq).toBe(found.length)
  }
  expect((await engine.verify({ deep: true })).problems).toEqual([])
  await engine.close()
  return found
}

test.each(['crash', 'fail'] as const)('a store that only puts objects loses and doubles nothing at a %s before and after its operations', async (kind) => {
  const whole = new FaultyBackend(putOnly(new MemoryBackend()))
  expect(await work(whole)).toHaveLength(9)
  const operations = whole.count('any')
  expect(operations).toBeGreaterThan(150)
  for (let nth = 1; nth <= operations; nth += step) {
    for (const when of ['before', 'after'] as const) {
      const disk = new MemoryBackend()
      const fault: Fault = { on: 'any', nth, when, effect: { kind } }
      const acknowledged = await work(new FaultyBackend(putOnly(disk), [fault]))
      const found = await contents(putOnly(disk))
      expect(new Set(found).size, `${kind} ${when} operation ${nth}`).toBe(found.length)
      expect(found, `${kind} ${when} operation ${nth}`).toEqual(expect.arrayContaining(acknowledged))
    }
  }
})
