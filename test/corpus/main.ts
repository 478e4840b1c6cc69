import { doors } from './corpus.ts'
import { Tally } from './Tally.ts'

// The corpus as a program, in a process of its own, so that its memory can be told: see scripts/corpus.mjs.
const tally = new Tally()
const absent: string[] = []
for (const { name, run, shared } of doors) {
  if (shared === 'absent') absent.push(name)
  else await run(tally)
}
for (const wrong of tally.wrong) process.stderr.write(`${wrong}\n`)
for (const name of absent) process.stderr.write(`skipped: ${name}\n`)
const mebibytes = (bytes: number): number => Math.round(bytes / 1024 / 1024)
process.stdout.write(
  `corpus: ${tally.cases} cases at ${doors.length - absent.length} doors; ${tally.refused} refused with a documented code, ${tally.kept} kept exactly or read; ${tally.wrong.length} wrong; ` +
    `memory grew by ${mebibytes(tally.growthBytesMax)} MiB at most in one case (${tally.growthCase}), to ${mebibytes(process.resourceUsage().maxRSS * 1024)} MiB\n`,
)
process.exitCode = tally.wrong.length === 0 ? 0 : 1
