import fc from 'fast-check'
import { expect, test } from 'vitest'
import { comparePositions, effectiveSort, type Position } from './row-order.ts'
import { parseSort } from '../model/sort.ts'
import { TopRows } from './top-rows.ts'

const compare = comparePositions(parseSort({ n: -1 }))

test('the top rows are the first rows of the whole, sorted', () => {
  const positions = fc.array(fc.record({ n: fc.integer({ min: 0, max: 20 }), id: fc.string({ maxLength: 3 }) }), { maxLength: 200 })
  fc.assert(
    fc.property(positions, fc.integer({ min: 1, max: 50 }), (rows, rowsMax) => {
      const all: Position[] = rows.map(({ n, id }) => ({ values: [n], id }))
      const top = new TopRows(rowsMax, compare)
      for (const row of all) top.add(row)
      expect(top.sorted()).toEqual(all.toSorted(compare).slice(0, rowsMax))
    }),
  )
})

test.each([
  [{}, []],
  [{ $id: 1 }, []],
  [{ $id: -1 }, ['$id']],
  [{ a: 1, $id: 1 }, ['a']],
  [{ a: 1, $id: -1 }, ['a', '$id']],
  [{ a: 1, $id: 1, b: -1 }, ['a']],
] as const)('of the sort %j what decides is %j', (sort, wanted) => {
  expect(effectiveSort(parseSort(sort)).map(({ path }) => path.join('.'))).toEqual(wanted)
})
