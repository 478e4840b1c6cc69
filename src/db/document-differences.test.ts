import { expect, test } from 'vitest'
import type { Document } from '../model/values.ts'
import type { Difference } from '../model/database-options.ts'
import { documentDifferences } from './history.ts'

test.each<[string, Document, Document, Difference[]]>([
  ['equal documents', { a: 1, b: [1, { c: 2 }] }, { a: 1, b: [1, { c: 2 }] }, []],
  ['a changed field', { a: 1 }, { a: 2 }, [{ path: 'a', before: 1, after: 2 }]],
  ['a new and a missing field', { a: 1 }, { b: null }, [{ path: 'a', before: 1 }, { path: 'b', after: null }]],
  ['a field deep inside', { a: { b: { c: 1, d: 1 } } }, { a: { b: { c: 2, d: 1 } } }, [{ path: 'a.b.c', before: 1, after: 2 }]],
  ['an element', { a: [1, { b: 2 }] }, { a: [1, { b: 3 }] }, [{ path: 'a.1.b', before: 2, after: 3 }]],
  ['an array of another length', { a: [1, 2] }, { a: [1] }, [{ path: 'a', before: [1, 2], after: [1] }]],
  ['another type', { a: 1 }, { a: 1n }, [{ path: 'a', before: 1, after: 1n }]],
  ['the sign of zero', { a: 0 }, { a: -0 }, [{ path: 'a', before: 0, after: -0 }]],
  ['the order of fields', { o: { a: 1, b: 2 } }, { o: { b: 2, a: 1 } }, [{ path: 'o', before: { a: 1, b: 2 }, after: { b: 2, a: 1 } }]],
  ['a name with a dot', { 'a.b\\': 1 }, { 'a.b\\': 2 }, [{ path: 'a\\.b\\\\', before: 1, after: 2 }]],
  ['a name that every object inherits', {}, { toString: 1 }, [{ path: 'toString', after: 1 }]],
])('%s', (_name, before, after, differences) => {
  expect(documentDifferences(before, after)).toEqual(differences)
})
