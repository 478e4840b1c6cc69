import { describe, expect, test } from 'vitest'
import type { Document } from '../model/values.ts'
import { columnsOfShape } from './RunFileWriter.ts'
import { leavesOf, type FieldSpec } from './columns.ts'
import { ShapeBuilder } from './shape.ts'

function columnsOf(documents: readonly Document[], reserved: readonly string[] = []): FieldSpec[] {
  const shape = new ShapeBuilder()
  for (const document of documents) shape.add(document)
  return columnsOfShape(shape.build(), reserved)
}

/** `count` copies of one document. */
function times(count: number, document: Document): Document[] {
  return new Array<Document>(count).fill(document)
}

describe('a column', () => {
  test('has the type of its values', () => {
    const document = { s: 'x', i: 1, d: 1.5, z: -0, big: 1n, b: true, t: new Date(0), raw: new Uint8Array(1), l: [1, 2.5], e: [], o: { x: 1 } }
    expect(columnsOf([document])).toEqual([
      { kind: 'string', name: 's', nulls: 'absent' },
      { kind: 'int', name: 'i', nulls: 'absent' },
      { kind: 'double', name: 'd', nulls: 'absent' },
      { kind: 'double', name: 'z', nulls: 'absent' },
      { kind: 'bigint', name: 'big', nulls: 'absent' },
      { kind: 'boolean', name: 'b', nulls: 'absent' },
      { kind: 'date', name: 't', nulls: 'absent' },
      { kind: 'bytes', name: 'raw', nulls: 'absent' },
      { kind: 'list', name: 'l', nulls: 'absent', element: 'double' },
      { kind: 'list', name: 'e', nulls: 'absent', element: 'string' },
      { kind: 'group', name: 'o', nulls: 'absent', fields: [{ kind: 'int', name: 'x', nulls: 'absent' }] },
    ])
  })

  test('has the type that most values have', () => {
    expect(columnsOf([{ a: 'x' }, { a: 'y' }, { a: 1 }])).toEqual([{ kind: 'string', name: 'a', nulls: 'absent' }])
    expect(columnsOf([{ a: 1 }, { a: 'y' }, { a: 2.5 }])).toEqual([{ kind: 'double', name: 'a', nulls: 'absent' }])
  })

  test('takes its nulls for what is commoner: an absent field or a stored null', () => {
    expect(columnsOf([{ a: 1 }, { a: null }])).toEqual([{ kind: 'int', name: 'a', nulls: 'null' }])
    expect(columnsOf([{ a: 1 }, { a: null }, {}])).toEqual([{ kind: 'int', name: 'a', nulls: 'absent' }])
  })

  test('is not made for what is reserved, nameless, rare, always null or no list of one type', () => {
    expect(columnsOf([{ $id: 1, '$ID': 1, '': 1, a: null, b: [null], c: [[1]], d: [{ x: 1 }], e: {}, f: [1, 'x'] }], ['$id']).map(({ kind }) => kind)).toEqual(new Array(9).fill('rest'))
    expect(columnsOf([...times(2000, { a: 1 }), { rare: 1 }])).toEqual([
      { kind: 'int', name: 'a', nulls: 'absent' },
      { kind: 'rest', name: 'rare' },
    ])
  })

  test('is made for the commoner of two names that differ only in case', () => {
    expect(columnsOf([{ Name: 1, name: 2 }, { name: 3 }])).toEqual([
      { kind: 'rest', name: 'Name' },
      { kind: 'int', name: 'name', nulls: 'absent' },
    ])
  })

  test('is made for at most 200 fields, the commonest, and four groups deep', () => {
    const wide = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`f${index}`, index]))
    const columns = columnsOf([wide, wide, { last: 1 }, { last: 1 }, { last: 1 }])
    expect(leavesOf(columns).length).toBe(200)
    expect(columns.at(-1)).toEqual({ kind: 'int', name: 'last', nulls: 'absent' })
    const deep = { a: { b: { c: { d: { e: { f: 1 } }, x: 1 } } } }
    expect(leavesOf(columnsOf([deep])).map(({ path }) => path.join('.'))).toEqual(['a.b.c.x'])
  })
})

describe('a shape', () => {
  test('is bounded, whatever the documents', () => {
    const shape = new ShapeBuilder()
    for (let index = 0; index < 3000; index++) shape.add({ [`field${index}`]: { [`x${index}`]: 1 }, common: index })
    expect(JSON.stringify(shape.build()).length).toBeLessThan(100_000)
  })

  test('of parts merges to the shape of the whole, also through JSON', () => {
    const documents: Document[] = [{ a: 1, b: { c: ['x'] } }, { a: 'x' }, { b: { c: [], d: null } }, { a: 1.5, e: [1, null] }]
    const whole = new ShapeBuilder()
    const merged = new ShapeBuilder()
    for (const document of documents) {
      whole.add(document)
      const part = new ShapeBuilder()
      part.add(document)
      merged.merge(JSON.parse(JSON.stringify(part.build())) as ReturnType<ShapeBuilder['build']>)
    }
    expect(merged.build()).toEqual(whole.build())
    expect(whole.build().rows).toBe(4)
  })
})
