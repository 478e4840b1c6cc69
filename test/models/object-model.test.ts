import { describe, expect, test } from 'vitest'
import { explore } from './explore.ts'
import { objectModel, type ObjectLimits, type ObjectVariant } from './object-model.ts'

const stateCountMax = 500_000
/** Some seconds, and more where the machine is shared. */
const timeout = 120_000
const twoWriters: ObjectLimits = { commits: [2, 1], flushes: [1, 0], faults: 1 }

describe('the commit protocol of an object store', () => {
  test('loses, doubles and reorders nothing: two writers that commit and flush, any put lost, late, doubled or without a reply', { timeout }, () => {
    const found = explore(objectModel('good', twoWriters), stateCountMax)
    expect(found.violation).toBeUndefined()
    expect(found.stateCount).toBeGreaterThan(90_000)
  })
  test('holds when two puts go wrong', { timeout }, () => {
    const found = explore(objectModel('good', { commits: [1, 1], flushes: [], faults: 2 }), stateCountMax)
    expect(found.violation).toBeUndefined()
    expect(found.stateCount).toBeGreaterThan(40_000)
  })
  test('holds when a takeover is itself taken over, at any step', { timeout }, () => {
    const found = explore(objectModel('good', { commits: [1, 0, 0], flushes: [], faults: 0 }), stateCountMax)
    expect(found.violation).toBeUndefined()
    expect(found.stateCount).toBeGreaterThan(20_000)
  })
})

describe('the model catches', () => {
  const violationOf = (variant: ObjectVariant): { text: string; trace: readonly string[] } | undefined => explore(objectModel(variant, twoWriters), stateCountMax).violation

  test('a commit that is acknowledged without a look at the epochs', () => {
    expect(violationOf('no-check')?.text).toBe('O2: the acknowledged event A2 is lost')
  })
  test('a look at the epochs before the put instead of after it', () => {
    expect(violationOf('check-before')?.text).toBe('O2: the acknowledged event A2 is lost')
  })
  test('a put of unknown outcome that is said not to have been done', () => {
    expect(violationOf('unknown-is-refused')?.text).toBe('the event A2, which was refused, is in the history')
  })
  test('a put of unknown outcome that is said to have been done', () => {
    expect(violationOf('unknown-is-done')?.text).toBe('O2: the acknowledged event A2 is lost')
  })
  test('a head that is put whatever is there: an older one, which was under way, comes back', () => {
    const found = violationOf('blind-head')
    expect(found?.text).toBe('O2: the acknowledged event A2 is lost')
    expect(found?.trace).toContain('a late put of a head arrives')
  })
  test('a flush that deletes slots before its head is put', () => {
    expect(violationOf('delete-before-head')?.text).toBe('O2: the acknowledged event A2 is lost')
  })
  test('a flush that deletes slots before it checks the epochs', () => {
    expect(violationOf('delete-before-check')?.text).toBe('O2: the acknowledged event A2 is lost')
  })
  test('a takeover that puts its head before its copy of the slots', () => {
    expect(violationOf('head-before-copy')?.text).toBe('O2: the acknowledged event A2 is lost')
  })
  test('an epoch that is put whatever is there', () => {
    expect(violationOf('shared-epoch')?.text).toBe('O2: the acknowledged event A2 is lost')
  })
  test('a reader that reads slots below what is in files', () => {
    expect(violationOf('late-slots')?.text).toBe('O6: the slots have a gap, or two events have one seq')
  })
  test('a check that looks at the next epoch only', () => {
    expect(violationOf('next-only')?.text).toBe('O2: the acknowledged event A2 is lost')
  })
})
