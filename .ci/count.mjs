// node .ci/count.mjs <vitest's JSON report> <vitest's exit code> <exit code of npm run check>
// Prints vitest's own counts as the closing line; fails when a check or a test failed, a file did not load, or nothing ran.
import { readFileSync } from 'node:fs'

const [reportPath, vitestCode, checkCode] = process.argv.slice(2)
const report = readReport()
const passed = report.numPassedTests
// A file that does not load has no tests of its own to count as failed.
const unloaded = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed')).length
const failedTests = Math.max(report.numFailedTests + unloaded, Number(vitestCode) === 0 ? 0 : 1)
const failed = failedTests + (Number(checkCode) === 0 ? 0 : 1)
if (Number(checkCode) !== 0) console.log('npm run check failed: see above')
const skipped = report.numPendingTests + report.numTodoTests
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1

function readReport() {
  try {
    return JSON.parse(readFileSync(reportPath, 'utf8'))
  } catch (error) {
    console.error(`ci: vitest left no report (${error.message})`)
    return { numPassedTests: 0, numFailedTests: 1, numPendingTests: 0, numTodoTests: 0, testResults: [] }
  }
}
