import { fork, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { utf8Decode } from '../../../base/bytes.ts'
import { FsBackend } from '../FsBackend.ts'
import { listLogParts, LogPartReader } from '../../log-reader.ts'
import { holdWriterSocket, socketAddress } from './writer-socket.ts'

/** What a child process does: it waits for a message, works, and sends what it found. */
const childSource = `
import { FsBackend } from './src/storage/backends/FsBackend.ts'
import { holdWriterSocket } from './src/storage/backends/fs/writer-socket.ts'

const [, , job, root] = process.argv
const text = (value) => new TextEncoder().encode(String(value))
const codeOf = (error) => error.code ?? String(error)
const jobs = {
  async race(backend) {
    let wins = 0
    for (let index = 0; index < 100; index++) {
      wins += await backend.put('race/' + index, text(process.pid), { ifAbsent: true }).then(() => 1, (error) => {
        if (error.code !== 'PRECONDITION_FAILED') throw error
        return 0
      })
    }
    return { wins }
  },
  async lock(backend) {
    await backend.lockWriter()
    setInterval(() => undefined, 1000)
    return { locked: true }
  },
  async 'lock-and-end'(backend) {
    await backend.lockWriter()
    process.disconnect?.()
    return {}
  },
  async 'lock-file'() {
    await holdWriterSocket({ root, takeOver: false, address: { kind: 'file', name: root + '.sock' } })
    setInterval(() => undefined, 1000)
    return { locked: true }
  },
  async many(backend) {
    const paths = Array.from({ length: 2000 }, (_, index) => 'many/' + (index % 100))
    await Promise.all(paths.map((path) => backend.put(path, text('x'))))
    const found = await Promise.all(paths.map((path) => backend.readRange(path, { start: 0, end: 10 })))
    await Promise.all(paths.map((path) => backend.delete(path)))
    return { readBytes: found.reduce((sum, bytes) => sum + bytes.length, 0) }
  },
  async append(backend) {
    const log = await backend.openLog({ prefix: 'log', epoch: 1 })
    for (let seq = 1; ; seq++) {
      await log.append([{ epoch: 1, firstSeq: seq, count: 1, payload: text(seq) }])
      process.send({ appended: seq })
    }
  },
}
process.once('message', async () => {
  try {
    const found = await jobs[job](new FsBackend(root))
    if (process.connected) process.send(found)
    if (job === 'race' || job === 'many') process.disconnect()
  } catch (error) {
    process.send({ failed: codeOf(error), details: error.details, message: error.message })
    process.exit(1)
  }
})
process.send({ ready: true })
`

let bundleFolder = ''
let bundle = ''
beforeAll(async () => {
  bundleFolder = await mkdtemp(join(tmpdir(), 'parquedb-child-'))
  bundle = join(bundleFolder, 'child.mjs')
  const stdin = { contents: childSource, resolveDir: join(import.meta.dirname, '../../../..'), loader: 'ts' as const }
  await build({ stdin, bundle: true, platform: 'node', format: 'esm', outfile: bundle, logLevel: 'error' })
})
afterAll(() => rm(bundleFolder, { recursive: true }))

let folder = ''
let root = ''
let children: ChildProcess[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parquedb-'))
  root = join(folder, 'db')
  children = []
})
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  await rm(folder, { recursive: true })
})

type Message = Record<string, unknown>

/** A child that is ready to start its job. */
function startChild(job: string): Promise<ChildProcess> {
  return readyChild(fork(bundle, [job, root], { execArgv: [] }))
}

async function readyChild(child: ChildProcess): Promise<ChildProcess> {
  children.push(child)
  expect(await nextMessage(child)).toEqual({ ready: true })
  return child
}

/** A child that may have so many files open. */
function startLimitedChild(job: string, openFileCountMax: number): Promise<ChildProcess> {
  const command = `ulimit -n ${openFileCountMax} && exec "$0" "$@"`
  return readyChild(spawn('sh', ['-c', command, process.execPath, bundle, job, root], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }))
}

async function nextMessage(child: ChildProcess): Promise<Message> {
  const [message] = await once(child, 'message')
  return message as Message
}

/** Sends the child off and waits for what it says. */
function go(child: ChildProcess): Promise<Message> {
  const message = nextMessage(child)
  child.send('go')
  return message
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

test('of four processes that create the same objects exactly one wins each, and its bytes are there', async () => {
  const racers = await Promise.all(['race', 'race', 'race', 'race'].map((job) => startChild(job)))
  const results = await Promise.all(racers.map(go))
  const backend = new FsBackend(root)
  const winsByPid = new Map<number, number>()
  for (let index = 0; index < 100; index++) {
    const pid = Number(utf8Decode(await backend.read(`race/${index}`)))
    winsByPid.set(pid, (winsByPid.get(pid) ?? 0) + 1)
  }
  expect(results.map(({ wins }) => wins)).toEqual(racers.map(({ pid }) => winsByPid.get(pid ?? 0) ?? 0))
  expect((await backend.list('')).objects.length).toBe(100)
})

test.skipIf(process.platform === 'win32')('thousands of operations at once do not run out of open files', async () => {
  const child = await startLimitedChild('many', 128)
  expect(await go(child)).toEqual({ readBytes: 2000 })
})

describe('the writer role', () => {
  test('is refused to a second process, which learns the pid of the first and what to do', async () => {
    const holder = await startChild('lock')
    expect(await go(holder)).toEqual({ locked: true })
    const second = await startChild('lock')
    const refused = await go(second)
    expect(refused).toMatchObject({ failed: 'WRITER_LOCKED', details: { root, pid: holder.pid } })
    expect(refused['message']).toContain(`by process ${holder.pid}. Close it there first, or open it here with readOnly: true.`)
    await expect(new FsBackend(root).lockWriter()).rejects.toMatchObject({ code: 'WRITER_LOCKED', details: { pid: holder.pid } })
  })
  test('is free at once when the holder is killed', async () => {
    const holder = await startChild('lock')
    await go(holder)
    await expect(new FsBackend(root).lockWriter()).rejects.toMatchObject({ code: 'WRITER_LOCKED' })
    await kill(holder)
    await expect(new FsBackend(root).lockWriter()).resolves.toBeDefined()
  })
  test('stays with a holder that is stopped, though it cannot say its pid', async () => {
    const holder = await startChild('lock')
    await go(holder)
    holder.kill('SIGSTOP')
    const refusal = await new FsBackend(root).lockWriter().catch((error: unknown) => error)
    expect(refusal).toMatchObject({ code: 'WRITER_LOCKED', details: { root } })
    expect(refusal).not.toHaveProperty('details.pid')
    const taken = await new FsBackend(root, { takeOver: true }).lockWriter()
    await taken.release()
  })
  test('is given back though a process that asked for it has stopped and never hangs up', async () => {
    const holder = await new FsBackend(root).lockWriter()
    const asker = connect({ path: socketAddress(await realpath(root)).name, allowHalfOpen: true })
    await once(asker, 'connect')
    // The holder has met the asker once another one that came later has its answer.
    await expect(new FsBackend(root).lockWriter()).rejects.toMatchObject({ code: 'WRITER_LOCKED', details: { pid: process.pid } })
    await holder.release()
    asker.destroy()
  })
  test('does not keep a process alive that has nothing else to do', async () => {
    const holder = await startChild('lock-and-end')
    const exited = once(holder, 'exit')
    holder.send('go')
    expect(await exited).toEqual([0, null])
  })
  test('is one for all the ways to write the path of a folder', async () => {
    const holder = await startChild('lock')
    await go(holder)
    for (const same of [`${root}/`, `${root}/../db`, join(folder, '.', 'db')]) {
      await expect(new FsBackend(same).lockWriter()).rejects.toMatchObject({ code: 'WRITER_LOCKED' })
    }
    const other = await new FsBackend(`${root}2`).lockWriter()
    await other.release()
  })
})

describe.skipIf(process.platform === 'win32')('a socket file, where the kernel has no names of its own', () => {
  test('is held, and outlives its process only as a file that the next holder removes', async () => {
    const address = { kind: 'file' as const, name: `${root}.sock` }
    const holder = await startChild('lock-file')
    expect(await go(holder)).toEqual({ locked: true })
    const refusal = { code: 'WRITER_LOCKED', details: { pid: holder.pid } }
    await expect(holdWriterSocket({ root, takeOver: false, address })).rejects.toMatchObject(refusal)
    await kill(holder)
    const lock = await holdWriterSocket({ root, takeOver: false, address })
    await expect(holdWriterSocket({ root, takeOver: false, address })).rejects.toMatchObject({ code: 'WRITER_LOCKED', details: { pid: process.pid } })
    await lock.release()
    const again = await holdWriterSocket({ root, takeOver: false, address })
    await again.release()
  })
})

test('the socket is named by the folder alone, within the length that every system takes', () => {
  expect(socketAddress('/data/a')).toEqual(socketAddress('/data/a'))
  expect(socketAddress('/data/a')).not.toEqual(socketAddress('/data/b'))
  expect(socketAddress(`/data/${'x'.repeat(4000)}`).name.length).toBeLessThan(104)
})

test('every append that a killed process had acknowledged is read back, in order and without a gap', async () => {
  const writer = await startChild('append')
  let acknowledged = 0
  const enough = new Promise<void>((resolve) => {
    writer.on('message', (message: Message) => {
      acknowledged = Number(message['appended'])
      if (acknowledged >= 50) resolve()
    })
  })
  writer.send('go')
  await enough
  await kill(writer)
  const backend = new FsBackend(root)
  const parts = await listLogParts(backend, 'log')
  expect(parts.length).toBe(1)
  const reader = new LogPartReader(backend, { path: parts[0]?.path ?? '', isLast: true })
  let seq = 0
  for await (const { frame } of reader.frames()) {
    seq += 1
    expect(frame.firstSeq).toBe(seq)
    expect(utf8Decode(frame.payload)).toBe(String(seq))
  }
  expect(seq).toBeGreaterThanOrEqual(acknowledged)
})
