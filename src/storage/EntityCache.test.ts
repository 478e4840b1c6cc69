import { describe, expect, test } from 'vitest'
import type { EntityState } from '../model/entity.ts'
import { EntityCache } from './EntityCache.ts'

const state = (id: string, seq: number): EntityState => ({ id, version: 1, seq, createdAt: 0, createdBy: undefined, updatedAt: 0, updatedBy: undefined, deletedAt: undefined, document: {} })

function cacheAt(limits: { maxCachedEntities: number; cacheTtlMs: number }): { cache: EntityCache; setNow(ms: number): void } {
  let nowMs = 0
  const clock = { nowMs: () => nowMs, sleep: () => Promise.resolve(), after: () => () => undefined }
  return { cache: new EntityCache({ ...limits, clock }), setNow: (ms) => (nowMs = ms) }
}

describe('EntityCache', () => {
  test('lets go of the least recently used', () => {
    const { cache } = cacheAt({ maxCachedEntities: 2, cacheTtlMs: Number.POSITIVE_INFINITY })
    cache.put({ ns: 'n', id: 'a' }, state('a', 1))
    cache.put({ ns: 'n', id: 'b' }, state('b', 2))
    cache.get({ ns: 'n', id: 'a' })
    cache.put({ ns: 'n', id: 'c' }, state('c', 3))
    expect(cache.get({ ns: 'n', id: 'b' })).toBeUndefined()
    expect(cache.get({ ns: 'n', id: 'a' })?.seq).toBe(1)
    expect(cache.stats()).toEqual({ entities: 2, hits: 2, misses: 1 })
  })

  test('a state is served for its time and no longer', () => {
    const { cache, setNow } = cacheAt({ maxCachedEntities: 2, cacheTtlMs: 100 })
    cache.put({ ns: 'n', id: 'a' }, state('a', 1))
    setNow(99)
    expect(cache.get({ ns: 'n', id: 'a' })?.seq).toBe(1)
    setNow(100)
    expect(cache.get({ ns: 'n', id: 'a' })).toBeUndefined()
  })

  test('an older state never replaces a newer one', () => {
    const { cache } = cacheAt({ maxCachedEntities: 2, cacheTtlMs: 100 })
    cache.put({ ns: 'n', id: 'a' }, state('a', 5))
    cache.put({ ns: 'n', id: 'a' }, state('a', 4))
    expect(cache.get({ ns: 'n', id: 'a' })?.seq).toBe(5)
  })

  test('with a limit of 0 nothing is kept', () => {
    const { cache } = cacheAt({ maxCachedEntities: 0, cacheTtlMs: 100 })
    cache.put({ ns: 'n', id: 'a' }, state('a', 1))
    expect(cache.stats().entities).toBe(0)
  })
})
