import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { applyPatch, diffDocuments, isEmptyPatch } from './patch.ts'
import type { Patch } from './patch.ts'
import { decodePatchPath, encodePatchPath, parseArrayIndex, parseFieldPath } from './path.ts'
import { cloneDocument, equalValues } from './values.ts'
import type { Document, Value } from './values.ts'

const scalar = fc.constantFrom<Value>(null, 0, -0, 1, 1n, 'x', true, Number.NaN, new Date(0), new Date(1), new Uint8Array([1]))
const name = fc.constantFrom('a', 'b', 'c', '1', '0', 'x.y', 'x\\', '', 'é')
const document = fc.letrec<{ document: Document; value: Value }>((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, scalar, fc.array(tie('value'), { maxLength: 4 }), tie('document')),
  document: fc.uniqueArray(fc.tuple(name, tie('value')), { maxLength: 5, selector: ([key]) => key }).map((entries) => Object.fromEntries(entries)),
})).document

test('for any two documents, the patch between them turns one into the other exactly, and neither is touched', () => {
  const property = fc.property(document, document, (before, after) => {
    const [beforeCopy, afterCopy] = [cloneDocument(before), cloneDocument(after)]
    const patch = diffDocuments(before, after)
    expect(equalValues(applyPatch(before, patch), after)).toBe(true)
    expect(equalValues(before, beforeCopy)).toBe(true)
    expect(equalValues(after, afterCopy)).toBe(true)
  })
  fc.assert(property, { seed: 11, numRuns: 10_000 })
})

test('for any document changed in one place, the same holds', () => {
  const property = fc.property(document, name, fc.oneof(scalar, document), (before, key, value) => {
    const after = { ...before, [key]: value }
    expect(equalValues(applyPatch(before, diffDocuments(before, after)), after)).toBe(true)
  })
  fc.assert(property, { seed: 12, numRuns: 3000 })
})

describe('diffDocuments', () => {
  test.each<[string, Document, Document, Patch]>([
    ['nothing', { a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }, {}],
    ['a field', { a: 1, b: 2 }, { a: 1, b: 3 }, { set: { b: 3 } }],
    ['a field inside', { a: { b: 1, c: 2 } }, { a: { b: 1, c: 3 } }, { set: { 'a.c': 3 } }],
    ['a field removed', { a: { b: 1, c: 2 }, d: 1 }, { a: { b: 1 } }, { unset: ['d', 'a.c'] }],
    ['a name with a dot', { 'a.b': { 'c\\': 1 } }, { 'a.b': { 'c\\': 2 } }, { set: { 'a\\.b.c\\\\': 2 } }],
    ['an element', { a: [1, 2, 3, 4] }, { a: [1, 5, 3, 4] }, { set: { 'a.1': 5 } }],
    ['a field of an element', { a: [{ b: 1 }, { b: 2 }] }, { a: [{ b: 1 }, { b: 3 }] }, { set: { 'a.1.b': 3 } }],
    ['an element appended', { a: [1, 2] }, { a: [1, 2, 3] }, { set: { 'a.2': 3 } }],
    ['a shorter array', { a: [1, 2] }, { a: [1] }, { set: { a: [1] } }],
    ['most of an array', { a: [1, 2, 3] }, { a: [4, 5, 3] }, { set: { a: [4, 5, 3] } }],
    ['another order inside', { a: { b: 1, c: 2 } }, { a: { c: 2, b: 1 } }, { set: { a: { c: 2, b: 1 } } }],
    ['another order on top', { b: 1, c: 2 }, { c: 2, b: 1 }, { unset: ['b', 'c'], set: { c: 2, b: 1 } }],
    ['a new field in front', { b: 1 }, { a: 0, b: 1 }, { unset: ['b'], set: { a: 0, b: 1 } }],
    ['1 to 1n', { a: 1 }, { a: 1n }, { set: { a: 1n } }],
    ['0 to -0', { a: 0 }, { a: -0 }, { set: { a: -0 } }],
  ])('%s', (_, before, after, patch) => {
    expect(diffDocuments(before, after)).toEqual(patch)
    expect(Object.keys(diffDocuments(before, after).set ?? {})).toEqual(Object.keys(patch.set ?? {}))
  })
})

describe('applyPatch', () => {
  test('shares what it does not reach, and never changes the input', () => {
    const document = { a: { b: 1 }, c: [{ d: 1 }] }
    const result = applyPatch(document, { set: { 'a.b': 2, 'a.e': 3 } })
    expect(result).toEqual({ a: { b: 2, e: 3 }, c: [{ d: 1 }] })
    expect(result['c']).toBe(document.c)
    expect(document).toEqual({ a: { b: 1 }, c: [{ d: 1 }] })
  })

  test('never changes what the patch holds', () => {
    const patch = { set: { a: { b: 1 }, 'a.c': 2 } }
    expect(applyPatch({}, patch)).toEqual({ a: { b: 1, c: 2 } })
    expect(patch.set.a).toEqual({ b: 1 })
  })

  test('makes missing containers, whole numbers being names in an object', () => {
    expect(applyPatch({}, { set: { 'a.0.b': 1 } })).toEqual({ a: { 0: { b: 1 } } })
  })

  test('overlooks an unset of what is not there, and leaves null for an element', () => {
    const document = { a: [1, 2], b: 1 }
    expect(applyPatch(document, { unset: ['x.y', 'b.c', 'a.9', 'a.x'] })).toBe(document)
    expect(applyPatch(document, { unset: ['a.0'] })).toEqual({ a: [null, 2], b: 1 })
  })

  test.each(['a.b', 'l.5', 'l.x', '__proto__.x', 'x\\y', 'z.'.repeat(100_000)])("refuses to set '%s'", (path) => {
    expect(() => applyPatch({ a: 1, l: [1] }, { set: { [path]: 1 } })).toThrow(expect.objectContaining({ code: 'VALIDATION_FAILED' }))
  })

  test('an empty patch is recognised', () => {
    expect([{}, { set: {} }, { unset: [] }, { set: { a: 1 } }, { unset: ['a'] }].map(isEmptyPatch)).toEqual([true, true, true, false, false])
  })
})

describe('paths', () => {
  test('a patch path keeps dots and backslashes of names apart', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: fc.constantFrom('a', '.', '\\', '0') }), { minLength: 1, maxLength: 4 }), (segments) => {
        expect(decodePatchPath(encodePatchPath(segments))).toEqual(segments)
      }),
      { seed: 1 },
    )
  })

  test('a field path is split at its dots', () => {
    expect(parseFieldPath('a.b.0')).toEqual(['a', 'b', '0'])
  })

  test.each(['', 'a.', '.a', 'a..b', 'a.__proto__', 'constructor.x', 'a.prototype', 'a.'.repeat(100) + 'a', 'a.\ud800'])("the field path '%s' is refused", (text) => {
    expect(() => parseFieldPath(text)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(() => parseFieldPath(text, 'INVALID_FILTER')).toThrow(expect.objectContaining({ code: 'INVALID_FILTER' }))
  })

  test('only plain whole numbers are indexes', () => {
    expect(['0', '12', '01', '-1', '1.5', '', 'a', '9999999999'].map(parseArrayIndex)).toEqual([0, 12, undefined, undefined, undefined, undefined, undefined, undefined])
  })
})
