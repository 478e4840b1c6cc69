// Lets processes fight for one folder and looks at what comes of it: see `npm run processes -- --help`.
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '100' }, seed: { type: 'string' }, library: { type: 'string' }, help: { type: 'boolean', default: false } },
})
if (values.help) {
  console.log(`npm run processes -- [--rounds 100] [--seed n]

Each round, four processes race to be the writer of one folder, a third of the time by force (takeOver). They write, are stopped
(SIGSTOP) for up to 300 ms wherever they are, mostly while they hold the role, and go on as zombies; in one round of three one is killed. What a writer
was fenced out of it sends again by the same txId. Two followers read all the while. Then: every acknowledged write is there, once; every
other one wholly or not at all; the log has no gap; the followers saw that history, in order, never going back, to its end; all verifies.
Then come as many rounds in which four processes share the folder (share: true): all write, through the one that has the role; one is stopped now and then,
one is killed, mostly the one with the role, and another comes in its place. Nobody else may notice. Folders are used for ten rounds.`)
  process.exit(0)
}

const library = values.library ?? fileURLToPath(new URL('./crash-library.mjs', import.meta.url))
const program = fileURLToPath(new URL('./processes-child.mjs', import.meta.url))
const { FsBackend, ParqueDB } = await import(pathToFileURL(library).href)
const rounds = Number(values.rounds)
const firstSeed = Number(values.seed ?? Date.now() % 1_000_000)
const roundsPerFolder = 10
const roundMs = 700
const stopMsMax = 300
const endMsMax = 90_000

const totals = { shared: 0, opened: 0, forced: 0, stopped: 0, killed: 0, fenced: 0, refused: 0, acknowledged: 0, repeated: 0, reads: 0, lost: 0, doubled: 0, halves: 0, backwards: 0, failed: 0 }
const problems = []
let folder
/** op to what is known of it: `{ events, isAcknowledged }`. */
let ops
let random
for (let round = 0; round < rounds; round++) {
  const seed = firstSeed + round
  random = randomOf(seed)
  if (round % roundsPerFolder === 0) await newFolder()
  await check(seed, await fight(seed, round % 3 === 2))
  await check(seed, await share(seed))
  if (process.stderr.isTTY) process.stderr.write(`\rround ${round + 1} of ${rounds}, ${totals.acknowledged} acknowledged, ${problems.length} problems `)
}
await rm(folder, { recursive: true, force: true })
if (process.stderr.isTTY) process.stderr.write('\n')
for (const problem of problems) console.error(problem)
console.log(
  `processes: ${rounds} rounds (seed ${firstSeed}) of 4 writers and 2 followers; the role was taken ${totals.opened} times, ${totals.forced} of them by force, and refused ${totals.refused} times; ` +
    `${totals.stopped} stops, ${totals.killed} kills, ${totals.fenced} writers fenced; ${totals.acknowledged} writes acknowledged, ${totals.repeated} of them sent twice, ${totals.shared} by processes that write through another; ` +
    `${totals.lost} lost, ${totals.doubled} doubled, ${totals.halves} half there; ${totals.reads} reads of followers, ${totals.backwards} went backwards or astray; ${totals.failed} failures`,
)
process.exit(problems.length === 0 && totals.acknowledged > 0 ? 0 : 1)

function randomOf(seed) {
  let state = Math.imul(seed, 2654435761) >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

async function newFolder() {
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  folder = await mkdtemp(join(tmpdir(), 'parquedb-processes-'))
  ops = new Map()
  const db = new ParqueDB({ storage: new FsBackend(folder) })
  await db.collection('counters').create({ $id: 'all', n: 0 })
  await db.close()
}

/** One round; gives what the followers saw. */
async function fight(seed, withKill) {
  const followers = [1, 2].map((index) => startFollower(seed, seed * 10 + index))
  const writers = [3, 4, 5, 6].map((index) => startWriter(seed, seed * 10 + index))
  const children = [...followers, ...writers]
  await Promise.race([...writers.map(({ opened }) => opened), ...children.map(({ ended }) => ended)])
  const untilMs = Date.now() + roundMs
  const victim = withKill ? writers[random(writers.length)] : undefined
  while (Date.now() < untilMs) {
    await sleep(10 + random(40))
    const holder = writers.find(({ isOpen }) => isOpen)
    const target = holder !== undefined && random(3) > 0 ? holder : writers[random(writers.length)]
    // Not awaited: several may stand still at once, and go on in any order.
    if (!target.isStopped) void stop(target, random(stopMsMax))
    if (target === victim && random(3) === 0) target.process.kill('SIGKILL')
  }
  for (const writer of writers) await end(seed, writer, writer === victim)
  for (const follower of followers) await end(seed, follower, false)
  return followers
}

/** One round in which processes share the folder; gives what the followers saw. */
async function share(seed) {
  const followers = [7, 8].map((index) => startFollower(seed, seed * 10 + index))
  const sharers = [1, 2, 3, 4].map((index) => startWriter(seed, 10_000_000 + seed * 10 + index, 'share'))
  await Promise.race([...sharers.map(({ opened }) => opened), ...sharers.map(({ ended }) => ended)])
  const untilMs = Date.now() + roundMs
  let victim
  while (Date.now() < untilMs) {
    await sleep(20 + random(60))
    const holder = sharers.find(({ place }) => place === 'writer')
    const target = sharers[random(sharers.length)]
    if (random(4) === 0 && target !== victim && !target.isStopped) void stop(target, random(stopMsMax))
    if (victim !== undefined || Date.now() < untilMs - roundMs / 2) continue
    victim = holder !== undefined && random(3) > 0 ? holder : target
    victim.process.kill('SIGKILL')
    sharers.push(startWriter(seed, 10_000_000 + seed * 10 + 5, 'share'))
  }
  for (const sharer of sharers) await end(seed, sharer, sharer === victim)
  for (const follower of followers) await end(seed, follower, false)
  return followers
}

async function stop(child, ms) {
  child.isStopped = true
  totals.stopped++
  child.process.kill('SIGSTOP')
  await sleep(ms)
  child.process.kill('SIGCONT')
  child.isStopped = false
}

async function end(seed, child, mayBeKilled) {
  child.process.stdin.end()
  const timer = setTimeout(() => child.process.kill('SIGKILL'), endMsMax)
  const { code, signal, errors } = await child.ended
  clearTimeout(timer)
  if (signal === 'SIGKILL' && mayBeKilled) totals.killed++
  else if (code !== 0) report('failed', `seed ${seed}: a ${child.role} ended with ${signal ?? code}: ${errors}`)
}

function startWriter(seed, childSeed, role = 'write') {
  const writer = startChild(role, childSeed, (said) => {
    if (said.kind === 'begin') {
      const before = ops.get(said.op)
      if (before === undefined) ops.set(said.op, { round: seed, events: said.events, isAcknowledged: false })
      else totals.repeated++
    }
    if (said.kind === 'acknowledged') {
      ops.get(said.op).isAcknowledged = true
      totals.acknowledged++
      if (writer.place === 'guest') totals.shared++
    }
    if (said.kind === 'place') writer.place = said.place
    if (said.kind === 'WRITER_FENCED') totals.fenced++
    if (said.kind === 'WRITER_LOCKED') totals.refused++
    if (said.kind === 'closing') writer.isOpen = false
    if (said.kind === 'open') {
      totals.opened++
      if (said.takeOver) totals.forced++
      writer.isOpen = true
      writer.open()
    }
  })
  writer.opened = new Promise((resolve) => (writer.open = resolve))
  return writer
}

function startFollower(seed, childSeed) {
  const seen = []
  const follower = startChild('follow', childSeed, (said) => {
    if (said.kind === 'broken') report('backwards', `seed ${seed}: a follower ${said.problem}`)
    if (said.kind !== 'saw') return
    totals.reads++
    follower.version = said.version
    seen.push(...said.ops)
  })
  return Object.assign(follower, { seen })
}

function startChild(role, childSeed, listen) {
  const child = spawn(process.execPath, [program, library, folder, String(childSeed), role], { stdio: ['pipe', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (bytes) => (errors += bytes))
  // A killed child takes no more input.
  child.stdin.on('error', () => undefined)
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => {
    const said = parse(line)
    if (said !== undefined) listen(said)
  })
  const ended = new Promise((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, errors }))
  })
  return { process: child, role, ended, isOpen: false, isStopped: false }
}

/** A line that a kill cut off is no statement. */
function parse(line) {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function report(what, problem) {
  totals[what]++
  problems.push(problem)
}

/** The folder opens without force, since everybody has ended, and holds what was acknowledged and what the followers saw. */
async function check(seed, followers) {
  const db = new ParqueDB({ storage: new FsBackend(folder) })
  try {
    const history = []
    for await (const event of db.events()) {
      history.push(event.metadata?.op ?? 'first')
      if (event.seq !== history.length) report('lost', `seed ${seed}: event ${history.length} is missing`)
    }
    const counts = new Map()
    for (const op of history) counts.set(op, (counts.get(op) ?? 0) + 1)
    for (const [op, known] of ops) judge(seed, { op, ...known, count: counts.get(op) ?? 0 })
    const counter = await db.collection('counters').get('all')
    if (counter.n !== [...ops.keys()].filter((op) => counts.has(op)).length) report('lost', `seed ${seed}: the counter is at ${counter.n}, and the history is another`)
    for (const { seen, version } of followers) {
      const wrong = history.findIndex((op, index) => op !== seen[index])
      if (wrong >= 0 || seen.length !== history.length || version !== counter.version) {
        report('backwards', `seed ${seed}: a follower saw ${seen.length} events and version ${version} of ${history.length} and ${counter.version}; the first difference is at seq ${wrong + 1}`)
      }
    }
    const verified = await db.verify({ deep: true })
    if (!verified.ok) report('failed', `seed ${seed}: ${JSON.stringify(verified.problems)}`)
  } catch (error) {
    report('failed', `seed ${seed}: ${error.stack}`)
  } finally {
    await db.close()
  }
}

function judge(seed, { op, events, isAcknowledged, count }) {
  if (isAcknowledged && count < events) report('lost', `seed ${seed}: ${op} was acknowledged, and ${count} of its ${events} events are there`)
  else if (count > events) report('doubled', `seed ${seed}: ${op} is there ${count} times, not ${events}`)
  else if (count !== 0 && count !== events) report('halves', `seed ${seed}: of ${op}, ${count} of ${events} events are there`)
}
