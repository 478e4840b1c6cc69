import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { Query } from 'mingo'
import { update as mingoUpdate } from 'mingo/updater'
import { describe, expect, test } from 'vitest'
import { array, document, filterCase, inner, isKnownDifference, isOperators, record, scalar, valueAt, type Condition } from '../../test/filter-cases.ts'
import { isParqueDBError } from '../base/ParqueDBError.ts'
import { compileFilter } from './filter/compile-filter.ts'
import { parseFilter } from './filter/parse-filter.ts'
import { applyPatch, diffDocuments } from './patch.ts'
import { compareBySort, parseSort } from './sort.ts'
import { applyUpdate } from './update/apply-update.ts'
import { parseUpdate } from './update/parse-update.ts'
import { cloneDocument, equalValues, isObject } from './values.ts'
import type { Document, Value } from './values.ts'

// mingo is an independent implementation of MongoDB's language. Each `differs…` here and in test/filter-cases.ts is one row of docs/mongodb-differences.md
// (section 'Where the oracle is wrong'); everything else must agree. The seed makes every run the same; fast-check prints the path of a failure.
const seed = 20_261_122

const updateOperand: fc.Arbitrary<Value> = fc.oneof({ weight: 3, arbitrary: scalar }, array, inner)
const number = fc.constantFrom(-2, -1, 0, 1, 2.5, 3)
const whole = fc.constantFrom(-1, 0, 1, 2, 6)
const updatePath = fc.oneof({ weight: 3, arbitrary: fc.constantFrom('a', 'b', 'c', 'd') }, fc.constantFrom('a.a', 'b.b', 'a.0', 'b.1', 'a.0.b', 'd.e.f', 'c.$[].a', 'b.$[]'))

function of(operator: string, operand: fc.Arbitrary<unknown>): fc.Arbitrary<Record<string, unknown>> {
  return fc.tuple(updatePath, operand).map(([at, given]) => ({ [operator]: { [at]: given } }))
}

const each = fc.array(scalar, { maxLength: 3 })
const updateCase: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  of('$set', updateOperand),
  of('$unset', fc.constant('')),
  of('$inc', number),
  of('$mul', number),
  of('$min', scalar),
  of('$max', scalar),
  fc.tuple(fc.constantFrom('a', 'b', 'a.a', 'b.b'), fc.constantFrom('c', 'd', 'd.e')).map(([from, to]) => ({ $rename: { [from]: to } })),
  of('$push', updateOperand),
  of('$push', record({ $each: each, $position: fc.integer({ min: -2, max: 3 }) })),
  of('$push', record({ $each: each, $slice: fc.integer({ min: -3, max: 3 }) })),
  of('$push', record({ $each: each, $sort: fc.constantFrom(1, -1) })),
  of('$push', record({ $each: fc.array(inner, { maxLength: 2 }), $sort: fc.constantFrom({ a: 1 }, { b: -1 }) })),
  of('$pull', fc.oneof(scalar, record({ $gte: scalar }), record({ $in: each }), record({ a: scalar }))),
  of('$pullAll', each),
  of('$addToSet', fc.oneof(updateOperand, record({ $each: each }))),
  of('$pop', fc.constantFrom(1, -1)),
  of('$bit', fc.oneof(record({ and: whole }), record({ or: whole }), record({ xor: whole }))),
)

describe('updates agree with mingo', () => {
  test('on 30,000 generated documents and updates, and a patch carries each result', () => {
    let comparedCount = 0
    const property = fc.property(document, updateCase, (subject, update) => {
      const before = cloneDocument(subject)
      const ours = outcome(() => applyUpdate(subject, parseUpdate(update), { nowMs: 0, isInsert: false }))
      expect(equalValues(subject, before)).toBe(true)
      if (ours === undefined) return
      expect(equalValues(applyPatch(subject, diffDocuments(subject, ours)), ours)).toBe(true)
      if (differsInUpdate(subject, update)) return
      comparedCount += 1
      const theirs = cloneDocument(subject)
      mingoUpdate(theirs, structuredClone(update))
      expect(ours, JSON.stringify(theirs)).toSatisfy((result) => isDeepStrictEqual(result, theirs))
    })
    fc.assert(property, { seed, numRuns: 30_000 })
    expect(comparedCount).toBeGreaterThan(12_000)
  }, 60_000)
})

/** Undefined for an update that we refuse where mingo silently does nothing, as MongoDB does refuse it. */
function outcome(run: () => Document): Document | undefined {
  try {
    return run()
  } catch (error) {
    if (isParqueDBError(error, 'INVALID_UPDATE')) return undefined
    throw error
  }
}

/**
 * mingo: $push to an absent field forgets $slice and $sort; $min and $max take an array for one of its elements; $addToSet keeps duplicates in what it
 * adds to an absent field and removes them from what was there; an index past an array's end leaves holes where MongoDB puts nulls; arrays inside arrays
 * are opened; where objects are expected, a scalar element stands for each of its fields.
 */
function differsInUpdate(subject: Document, update: Record<string, unknown>): boolean {
  const [operator, fields] = Object.entries(update)[0] as [string, Record<string, unknown>]
  const [at, given] = Object.entries(fields)[0] as [string, Condition]
  const found = valueAt(subject, at)
  if (/\d/.test(at) && Array.isArray(found) && !(Number(/\d/.exec(at)?.[0]) < found.length)) return true
  if (operator !== '$addToSet' && Array.isArray(found) && found.some(Array.isArray)) return true
  switch (operator) {
    case '$push':
      return isOperators(given) && (found === undefined || at.includes('.') || differsInPushSort(found, given))
    case '$pull':
      return typeof given === 'object' && given !== null && !isOperators(given) && Array.isArray(found) && !found.every(isObject)
    case '$min':
    case '$max':
      return Array.isArray(found)
    case '$addToSet':
      return hasDuplicates(found) || (isOperators(given) && hasDuplicates(given['$each'] as Value[]))
  }
  return false
}

/** mingo orders objects by a text of theirs, arrays by an element, and an absent field before null; MongoDB orders by content, and absent as null. */
function differsInPushSort(found: Value, { $sort, $each }: Readonly<Record<string, unknown>>): boolean {
  if ($sort === undefined) return false
  const elements = [...(found as Value[]), ...($each as Value[])]
  if (typeof $sort === 'number') return elements.some((element) => isObject(element) || Array.isArray(element))
  const [field = ''] = Object.keys($sort as object)
  return !elements.every((element) => isObject(element) && element[field] !== undefined && !Array.isArray(element[field]))
}

/** Also in the arrays inside, as '$[]' and an index lead there. */
function hasDuplicates(found: Value | undefined): boolean {
  if (isObject(found)) return Object.values(found).some(hasDuplicates)
  return Array.isArray(found) && found.some((element, index) => hasDuplicates(element) || found.findIndex((other) => isDeepStrictEqual(element, other)) < index)
}

describe('filters agree with mingo', () => {
  test('on 40,000 generated documents and filters', () => {
    let comparedCount = 0
    const property = fc.property(document, filterCase, (subject, one) => {
      if (isKnownDifference(one, subject)) return
      comparedCount += 1
      expect(compileFilter(parseFilter(one.filter))(subject)).toBe(new Query(one.filter).test(subject))
    })
    fc.assert(property, { seed, numRuns: 40_000 })
    expect(comparedCount).toBeGreaterThan(25_000)
  }, 60_000)
})

// Arrays are left out: mingo does not know MongoDB's rule for them (src/model/sort.test.ts has it); so are objects, which it orders by a text of theirs.
const sortable = fc.record({ a: scalar, b: fc.oneof(scalar, fc.record({ a: scalar }, { requiredKeys: [], noNullPrototype: true })) }, { requiredKeys: [], noNullPrototype: true }) as fc.Arbitrary<Document>

describe('sorts agree with mingo', () => {
  test('on 5,000 generated lists of documents', () => {
    const sort = fc.constantFrom<Record<string, 1 | -1>>({ a: 1 }, { a: -1 }, { a: 1, 'b.a': -1 }, { 'b.a': 1, a: 1 })
    const property = fc.property(fc.array(sortable, { maxLength: 8 }), sort, (documents, by) => {
      const theirs = new Query({}).find<Document>(documents).sort(by).all()
      expect(documents.toSorted(compareBySort(parseSort(by)))).toEqual(theirs)
    })
    fc.assert(property, { seed, numRuns: 5000 })
  }, 60_000)
})
