// Kills a writing process again and again and looks at what it leaves: see `npm run crash -- --help`.
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '200' }, seed: { type: 'string' }, library: { type: 'string' }, help: { type: 'boolean', default: false } },
})
if (values.help) {
  console.log(`npm run crash -- [--rounds 200] [--seed n]

Each round, a child process opens a database in a folder and writes (single creates, batches, updates, deletes, transactions,
flushes, merges), says what was acknowledged, and is killed with SIGKILL at a random moment. Then the folder is opened again:
every acknowledged write must be there, once; every other one wholly or not at all; and everything must verify.
Folders are used for ten rounds, so that a round starts from what several kills have left.`)
  process.exit(0)
}

const library = values.library ?? fileURLToPath(new URL('./crash-library.mjs', import.meta.url))
const writer = fileURLToPath(new URL('./crash-writer.mjs', import.meta.url))
const { FsBackend, ParqueDB } = await import(pathToFileURL(library).href)
const rounds = Number(values.rounds)
const firstSeed = Number(values.seed ?? Date.now() % 1_000_000)
const roundsPerFolder = 10
const killAfterMsMax = 500

const totals = { killed: 0, inFlush: 0, inCompaction: 0, acknowledged: 0, unacknowledged: 0, lost: 0, doubled: 0, halves: 0, unopened: 0, damaged: 0 }
const problems = []
let folder
let begun
for (let round = 0; round < rounds; round++) {
  const seed = firstSeed + round
  if (round % roundsPerFolder === 0) {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
    folder = await mkdtemp(join(tmpdir(), 'parquedb-crash-'))
    begun = new Map()
  }
  await writeUntilKilled(seed)
  await check(seed)
  if (process.stderr.isTTY) process.stderr.write(`\rround ${round + 1} of ${rounds}, ${totals.acknowledged} acknowledged, ${problems.length} problems `)
}
await rm(folder, { recursive: true, force: true })
if (process.stderr.isTTY) process.stderr.write('\n')
for (const problem of problems) console.error(problem)
const failed = totals.lost + totals.doubled + totals.halves + totals.unopened + totals.damaged
console.log(
  `crash: ${rounds} rounds (seed ${firstSeed}), ${totals.killed} processes killed, ${totals.inFlush} of them while flushing and ${totals.inCompaction} while compacting; ` +
    `${totals.acknowledged} writes acknowledged, ${totals.lost} lost, ${totals.doubled} doubled, ${totals.halves} half there, ${totals.unopened} folders that did not open, ${totals.damaged} that did not verify; ` +
    `${totals.unacknowledged} were under way`,
)
process.exit(failed === 0 && totals.acknowledged > 0 ? 0 : 1)

async function writeUntilKilled(seed) {
  const child = spawn(process.execPath, [writer, library, folder, String(seed)], { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })))
  let errors = ''
  child.stderr.on('data', (bytes) => (errors += bytes))
  let doing = 'rest'
  const lines = createInterface({ input: child.stdout })
  const read = new Promise((resolve) => lines.once('close', resolve))
  lines.on('line', (line) => {
    const said = parse(line)
    if (said === undefined) return
    // The moment is a function of the seed, as far as a moment can be.
    if (said.kind === 'open') setTimeout(() => child.kill('SIGKILL'), (seed * 7919) % killAfterMsMax)
    if (said.kind === 'begin') begun.set(said.op, { events: said.events, told: undefined })
    if (said.kind === 'acknowledged' || said.kind === 'refused') begun.get(said.op).told = said.kind
    if (said.kind === 'flush' || said.kind === 'compact' || said.kind === 'rest') doing = said.kind
  })
  const { code, signal } = await exited
  await read
  if (signal !== 'SIGKILL') {
    report('unopened', `seed ${seed}: the writer ended by itself with code ${code}: ${errors}`)
    return
  }
  totals.killed++
  if (doing === 'flush') totals.inFlush++
  if (doing === 'compact') totals.inCompaction++
}

function report(what, problem) {
  totals[what]++
  problems.push(problem)
}

/** A line that the kill cut off is no statement. */
function parse(line) {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

async function check(seed) {
  const db = new ParqueDB({ storage: new FsBackend(folder) })
  try {
    const found = new Map()
    let seq = 0
    for await (const event of db.events()) {
      if (event.seq !== ++seq) report('lost', `seed ${seed}: event ${seq} is missing`)
      const op = event.metadata?.op
      found.set(op, (found.get(op) ?? 0) + 1)
    }
    for (const [op, { events, told }] of begun) judge(seed, { op, events, told, count: found.get(op) ?? 0 })
    const verified = await db.verify({ deep: true })
    if (!verified.ok) report('damaged', `seed ${seed}: ${JSON.stringify(verified.problems)}`)
  } catch (error) {
    report('unopened', `seed ${seed}: the folder does not open: ${error.stack}`)
  } finally {
    await db.close().catch(() => undefined)
  }
}

function judge(seed, { op, events, told, count }) {
  if (told === 'acknowledged' && count < events) report('lost', `seed ${seed}: ${op} was acknowledged, and ${count} of its ${events} events are there`)
  else if (count > events || (told === 'refused' && count > 0)) report('doubled', `seed ${seed}: ${op} is there ${count} times, not ${told === 'refused' ? 0 : events}`)
  else if (count !== 0 && count !== events) report('halves', `seed ${seed}: of ${op}, ${count} of ${events} events are there`)
  // Counted once, in the round that wrote it.
  if (!op.startsWith(`${seed}-`)) return
  if (told === 'acknowledged') totals.acknowledged++
  if (told === undefined) totals.unacknowledged++
}
