import { describe, expect, test } from 'vitest'
import { explore } from './explore.ts'
import { folderModel } from './folder-model.ts'
import type { FolderLimits, FolderVariant } from './folder-model.ts'

const stateCountMax = 500_000
/** Some seconds, and more where the machine is shared. */
const timeout = 60_000
const twoWriters: FolderLimits = { commits: [2, 1], flushes: [1, 1], powerCuts: 1, stalled: 0 }
/** The least in which an epoch file is deleted and made again: by its own writer's flush, or by one who looked long ago. */
const flushAndStalled: FolderLimits = { commits: [2, 0], flushes: [1, 0], powerCuts: 0, stalled: 1 }
const twoStalled: FolderLimits = { commits: [1, 0], flushes: [], powerCuts: 0, stalled: 2 }

describe('the commit protocol of a folder', () => {
  test('loses, doubles and reorders nothing: two writers that commit and flush, a power cut, every order of their steps', { timeout }, () => {
    const found = explore(folderModel('good', twoWriters), stateCountMax)
    expect(found.violation).toBeUndefined()
    expect(found.stateCount).toBeGreaterThan(50_000)
  })
  test('holds when a takeover is itself taken over, at any step', { timeout }, () => {
    const found = explore(folderModel('good', { commits: [1, 0, 0], flushes: [], powerCuts: 0, stalled: 0 }), stateCountMax)
    expect(found.violation).toBeUndefined()
    expect(found.stateCount).toBeGreaterThan(80_000)
  })
  test('holds when a writer that was taken over twice goes on with its flush, which makes its deleted epoch file again', { timeout }, () => {
    const found = explore(folderModel('good', flushAndStalled), stateCountMax)
    expect(found.violation).toBeUndefined()
    expect(found.stateCount).toBeGreaterThan(45_000)
  })
  test('holds when a process that looked for the newest epoch long ago makes a deleted one again', { timeout }, () => {
    const found = explore(folderModel('good', twoStalled), stateCountMax)
    expect(found.violation).toBeUndefined()
    expect(found.stateCount).toBeGreaterThan(55_000)
  })
})

describe('the model catches', () => {
  const violationOf = (variant: FolderVariant, limits = twoWriters): { text: string; trace: readonly string[] } | undefined => explore(folderModel(variant, limits), stateCountMax).violation

  test('a commit that is acknowledged without a look at the epochs', () => {
    expect(violationOf('no-check')?.text).toBe('F1: the acknowledged event A2 is lost')
  })
  test('a look at the epochs before the write instead of after the sync', () => {
    expect(violationOf('check-before')?.text).toBe('F1: the acknowledged event A2 is lost')
  })
  test('one HEAD that everybody replaces: a stalled takeover puts an old one back', () => {
    const found = violationOf('single-head')
    expect(found?.text).toBe('F1: the acknowledged event B1 is lost')
    expect(found?.trace.filter((step) => /publishes|acknowledges/.test(step))).toEqual(['B: publishes its first head', 'A: publishes its first head', 'B: acknowledges'])
  })
  test('a flush that deletes the log before it checks the epochs', () => {
    expect(violationOf('delete-before-check')?.text).toBe('F1: the acknowledged event A2 is lost')
  })
  test('a takeover that publishes its head before its copy of the log is synced', () => {
    const found = violationOf('head-before-sync')
    expect(found?.text).toBe('F1: the acknowledged event A2 is lost')
    expect(found?.trace.at(-1)).toBe('the power is cut')
  })
  test('a takeover that builds on bytes of the old log which were never synced', () => {
    const found = violationOf('seal-in-place')
    expect(found?.text).toBe('F4: the history has a gap or two events with one seq')
    expect(found?.trace.at(-1)).toBe('the power is cut')
  })
  test('an old log that counts to its end, though its writer may still write', () => {
    expect(violationOf('no-seal')?.text).toBe('F4: the history has a gap or two events with one seq')
  })
  test('a check that looks at the next epoch only: it was deleted, and the writer takes itself for the newest', () => {
    expect(violationOf('next-only', flushAndStalled)?.text).toBe('F1: the acknowledged event A2 is lost')
  })
  test('a check that looks at its own epoch first: both are deleted between its looks', () => {
    const found = violationOf('own-first', flushAndStalled)
    expect(found?.text).toBe('F1: the acknowledged event A2 is lost')
    expect(found?.trace.filter((step) => step === 'A: sees its epoch' || step.includes('deletes epoch'))).toEqual(['A: sees its epoch', 'B: deletes epoch 1', 'B: deletes epoch 2'])
  })
  test('a check that takes any file for its own: a process that looked long ago made it again', { timeout }, () => {
    expect(violationOf('own-exists', twoStalled)?.text).toBe('F1: the acknowledged event A1 is lost')
  })
  test('a writer that trusts what it put without a listing: it made its deleted epoch file again by that', () => {
    const found = violationOf('no-listing', flushAndStalled)
    expect(found?.text).toBe('F1: the acknowledged event A2 is lost')
    expect(found?.trace).toContain('B: deletes epoch 1')
  })
  test('a sweep that deletes the newest of the older epochs first', () => {
    const found = violationOf('sweep-down', flushAndStalled)
    expect(found?.text).toBe('F1: the acknowledged event A2 is lost')
    expect(found?.trace).not.toContain('B: deletes epoch 1')
  })
})

test('an exploration that cannot be finished is an error, not a proof', () => {
  expect(() => explore(folderModel('good', twoWriters), 1000)).toThrow('more than 1000 states')
})
