import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, expect, test } from 'vitest'

const script = resolve(import.meta.dirname, '../.ci/count.mjs')
const folder = mkdtempSync(join(tmpdir(), 'parquedb-ci-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const passed = { status: 'passed', assertionResults: [{ status: 'passed' }] }
const failed = { status: 'failed', assertionResults: [{ status: 'failed' }] }
const unloaded = { status: 'failed', assertionResults: [] }

test.each([
  { what: 'all passed', counts: [3, 0, 0], files: [passed], vitestCode: 0, line: '3 passed, 0 failed', code: 0 },
  { what: 'one was skipped', counts: [2, 0, 1], files: [passed], vitestCode: 0, line: '2 passed, 0 failed, 1 skipped', code: 0 },
  { what: 'one failed', counts: [2, 1, 0], files: [passed, failed], vitestCode: 1, line: '2 passed, 1 failed', code: 1 },
  { what: 'a file did not load', counts: [2, 0, 0], files: [passed, unloaded], vitestCode: 1, line: '2 passed, 1 failed', code: 1 },
  { what: 'the runner failed beside its tests', counts: [2, 0, 0], files: [passed], vitestCode: 1, line: '2 passed, 1 failed', code: 1 },
  { what: 'the checks failed', counts: [2, 0, 0], files: [passed], vitestCode: 0, checkCode: 2, line: '2 passed, 1 failed', code: 1 },
  { what: 'nothing ran', counts: [0, 0, 0], files: [], vitestCode: 0, line: '0 passed, 0 failed', code: 1 },
])('the closing line when $what', ({ counts, files, vitestCode, checkCode = 0, line, code }) => {
  const [numPassedTests, numFailedTests, numPendingTests] = counts
  const report = join(folder, 'report.json')
  writeFileSync(report, JSON.stringify({ numPassedTests, numFailedTests, numPendingTests, numTodoTests: 0, testResults: files }))
  expect(count(report, { vitestCode, checkCode })).toEqual({ lastLine: line, code })
})

test('the closing line when there is no report', () => {
  expect(count(join(folder, 'absent.json'), { vitestCode: 1, checkCode: 0 })).toEqual({ lastLine: '0 passed, 1 failed', code: 1 })
})

function count(report: string, codes: { vitestCode: number; checkCode: number }): { lastLine: string | undefined; code: number | null } {
  const { stdout, status } = spawnSync(process.execPath, [script, report, String(codes.vitestCode), String(codes.checkCode)], { encoding: 'utf8' })
  return { lastLine: stdout.trimEnd().split('\n').at(-1), code: status }
}
