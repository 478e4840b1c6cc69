import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EntityState } from '../model/entity.ts'
import { mergeStates } from './strips.ts'

type Row = Pick<EntityState, 'id' | 'seq'>

async function* inBatches(rows: readonly Row[], size: number): AsyncGenerator<readonly EntityState[]> {
  for (let at = 0; at < rows.length; at += size) yield rows.slice(at, at + size) as EntityState[]
}

async function merged(sources: readonly (readonly Row[])[], batchRows = 3): Promise<Row[]> {
  const rows: Row[] = []
  for await (const batch of mergeStates(sources.map((source) => inBatches(source, batchRows)))) rows.push(...batch)
  return rows
}

describe('mergeStates', () => {
  test('gives every id once, in order, with its newest row', async () => {
    const rows = await merged([
      [{ id: 'a', seq: 1 }, { id: 'c', seq: 9 }],
      [{ id: 'a', seq: 5 }, { id: 'b', seq: 2 }, { id: 'c', seq: 3 }],
      [],
    ])
    expect(rows).toEqual([{ id: 'a', seq: 5 }, { id: 'b', seq: 2 }, { id: 'c', seq: 9 }])
  })

  test('orders ids by code point, as Parquet does, where UTF-16 orders otherwise', async () => {
    expect((await merged([[{ id: '\u{1f600}', seq: 1 }], [{ id: '\uffee', seq: 2 }]])).map(({ id }) => id)).toEqual(['\uffee', '\u{1f600}'])
  })

  test('equals sorting everything, whatever the sources and batches', async () => {
    const source = fc.uniqueArray(fc.record({ id: fc.string({ maxLength: 2 }), seq: fc.nat() }), { selector: (row) => row.id, maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(fc.array(source, { maxLength: 5 }), fc.integer({ min: 1, max: 7 }), async (unsorted, batchRows) => {
        const sources = unsorted.map((rows, index) => rows.map((row) => ({ ...row, seq: row.seq * 8 + index })).toSorted(byId))
        const newest = new Map<string, Row>()
        for (const row of sources.flat()) if ((newest.get(row.id)?.seq ?? -1) < row.seq) newest.set(row.id, row)
        expect(await merged(sources, batchRows)).toEqual([...newest.values()].toSorted(byId))
      }),
      { seed: 7, numRuns: 300 },
    )
  })

  test('closes every source when the consumer stops early', async () => {
    const closed: number[] = []
    async function* endless(index: number): AsyncGenerator<readonly EntityState[]> {
      try {
        for (let seq = 0; ; seq++) yield [{ id: `${String(seq).padStart(9, '0')}-${index}`, seq } as EntityState]
      } finally {
        closed.push(index)
      }
    }
    for await (const rows of mergeStates([endless(0), endless(1)])) if (rows.length > 0) break
    expect(closed.toSorted()).toEqual([0, 1])
  })
})

function byId(left: Row, right: Row): number {
  return Buffer.compare(Buffer.from(left.id), Buffer.from(right.id))
}
