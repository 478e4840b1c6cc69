import { describe, expect, test } from 'vitest'
import { explore } from './explore.ts'
import { folderModel } from './folder-model.ts'
import type { FolderVariant } from './folder-model.ts'

const stateCountMax = 500_000

describe('the commit protocol of a folder', () => {
  test('loses, doubles and reorders nothing: two writers that commit and flush, a power cut, every order of their steps', () => {
    const found = explore(folderModel('good', { commits: [2, 1], flushes: 1 }), stateCountMax)
    expect(found.violation).toBeUndefined()
    expect(found.stateCount).toBeGreaterThan(20_000)
  })
  test('holds when a takeover is itself taken over, at any step', () => {
    const found = explore(folderModel('good', { commits: [1, 0, 0], flushes: 0 }), stateCountMax)
    expect(found.violation).toBeUndefined()
    expect(found.stateCount).toBeGreaterThan(60_000)
  })
})

describe('the model catches', () => {
  const violationOf = (variant: FolderVariant): { text: string; trace: readonly string[] } | undefined =>
    explore(folderModel(variant, { commits: [2, 1], flushes: 1 }), stateCountMax).violation

  test('a commit that is acknowledged without a look at the epochs', () => {
    expect(violationOf('no-check')?.text).toBe('F1: the acknowledged event A2 is lost')
  })
  test('a look at the epochs before the write instead of after the sync', () => {
    expect(violationOf('check-before')?.text).toBe('F1: the acknowledged event A2 is lost')
  })
  test('one HEAD that everybody replaces: a stalled takeover puts an old one back', () => {
    const found = violationOf('single-head')
    expect(found?.text).toBe('F1: the acknowledged event B1 is lost')
    expect(found?.trace.slice(-6)).toEqual(['B: publishes its first head', 'A: publishes its first head', 'B: is the writer', 'B: writes a commit', 'B: syncs', 'B: acknowledges'])
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
})

test('an exploration that cannot be finished is an error, not a proof', () => {
  expect(() => explore(folderModel('good', { commits: [2, 1], flushes: 1 }), 1000)).toThrow('more than 1000 states')
})
