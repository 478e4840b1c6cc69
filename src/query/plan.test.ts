import { describe, expect, test } from 'vitest'
import { parseFilter } from '../model/filter/parse-filter.ts'
import { planScan, qualifyIds } from './plan.ts'

const plan = (filter: object): unknown => planScan('posts', qualifyIds('posts', parseFilter(filter)))

describe('the plan of a query', () => {
  test.each([
    [{}, { kind: 'scan' }],
    [{ title: 'x' }, { kind: 'scan' }],
    [{ $id: 'b' }, { kind: 'ids', ids: ['b'] }],
    [{ $id: 'posts/b' }, { kind: 'ids', ids: ['b'] }],
    [{ $id: { $in: ['b', 'a', 'posts/b', 5] } }, { kind: 'ids', ids: ['a', 'b'] }],
    [{ $id: 5 }, { kind: 'ids', ids: [] }],
    [{ $id: null }, { kind: 'ids', ids: [] }],
    [{ $id: { $gt: 'a', $lt: 'c' } }, { kind: 'range', range: { afterId: 'a', beforeId: 'c' } }],
    [{ $id: { $gte: 'a', $lte: 'c' } }, { kind: 'range', range: { fromId: 'a', beforeId: 'c\u0000' } }],
    [{ $id: { $startsWith: 'ab' } }, { kind: 'range', range: { fromId: 'ab', beforeId: 'ac' } }],
    [{ $id: { $startsWith: 'a\uffff' } }, { kind: 'range', range: { fromId: 'a\uffff' } }],
    [{ $id: { $startsWith: 'a\u{1f680}' } }, { kind: 'range', range: { fromId: 'a\u{1f680}' } }],
    [{ $id: { $startsWith: '' } }, { kind: 'scan' }],
    [{ $id: { $ne: 'a' } }, { kind: 'scan' }],
    [{ $id: { $nin: ['a'] } }, { kind: 'scan' }],
    [{ $nor: [{ $id: 'a' }] }, { kind: 'scan' }],
    [{ $id: /^posts.a/ }, { kind: 'scan' }],
    [{ $id: { $in: ['a', /b/] } }, { kind: 'scan' }],
    [{ $or: [{ $id: 'b' }, { $id: { $in: ['a', 'b'] } }] }, { kind: 'ids', ids: ['a', 'b'] }],
    [{ $or: [{ $id: 'b' }, { title: 'x' }] }, { kind: 'scan' }],
    [{ $or: [{ $id: 'b' }, { $id: { $gt: 'x' } }] }, { kind: 'scan' }],
    [{ $and: [{ $id: { $in: ['a', 'b', 'c'] } }, { $id: { $gt: 'a' } }, { title: 'x' }] }, { kind: 'ids', ids: ['b', 'c'] }],
    [{ $and: [{ $id: { $in: ['a', 'b'] } }, { $id: { $in: ['b', 'c'] } }] }, { kind: 'ids', ids: ['b'] }],
    [{ $and: [{ $id: { $gte: 'a' } }, { $id: { $gte: 'b', $lt: 'z' } }, { $id: { $lt: 'y' } }] }, { kind: 'range', range: { fromId: 'b', beforeId: 'y' } }],
  ])('of %j is %j', (filter, wanted) => {
    expect(plan(filter)).toEqual(wanted)
  })

  test('of very many ids is a scan', () => {
    const ids = Array.from({ length: 10_001 }, (_, index) => `i${index}`)
    expect(plan({ $id: { $in: ids } })).toEqual({ kind: 'scan' })
  })
})
