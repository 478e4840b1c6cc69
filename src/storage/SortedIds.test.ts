import { describe, expect, test } from 'vitest'
import { compareStrings } from '../base/bytes.ts'
import { seededRandom } from '../base/random.ts'
import { SortedIds } from './SortedIds.ts'

function idsOf(count: number, seed: number): string[] {
  const bytes = seededRandom(seed).bytes(count * 4)
  return Array.from({ length: count }, (_, index) => `${[...bytes.subarray(index * 4, index * 4 + 4)].join('-')} ${index % 7 === 0 ? '\u{1f600}' : '\uffee'}${index}`)
}

describe('SortedIds', () => {
  test.each([
    { name: 'in any order', ids: idsOf(5000, 1) },
    { name: 'ascending', ids: Array.from({ length: 5000 }, (_, index) => `d${String(index).padStart(6, '0')}`) },
    { name: 'descending', ids: Array.from({ length: 5000 }, (_, index) => `d${String(5000 - index).padStart(6, '0')}`) },
  ])('gives ids that came $name in the order of their UTF-8', ({ ids }) => {
    const sorted = new SortedIds()
    for (const id of ids) sorted.add(id)
    expect(sorted.all()).toEqual(ids.toSorted(compareStrings))
  })

  test('what was handed out stays as it is while more come, few or many at a time', () => {
    const ids = idsOf(3000, 2)
    const sorted = new SortedIds()
    let given: readonly string[] = []
    let count = 0
    for (const step of [1, 1, 31, 33, 900, 1, 2000, 33]) {
      const before = ids.slice(0, count).toSorted(compareStrings)
      for (const id of ids.slice(count, count + step)) sorted.add(id)
      count += step
      expect(given).toEqual(before)
      given = sorted.all()
    }
    expect(given).toEqual(ids.toSorted(compareStrings))
  })
})
