import { once } from 'node:events'
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { utf8Decode, utf8Encode } from '../../../base/bytes.ts'
import { callWriterSocket, holdWriterSocket, keyOf, socketAddress } from './writer-socket.ts'

let root = ''
let ends: (() => unknown)[] = []
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'parquedb-line-'))
  ends = []
})
afterEach(async () => {
  for (const end of ends) await end()
  await rm(root, { recursive: true })
})

const unknown = { code: 'STORAGE_UNAVAILABLE', details: { outcome: 'unknown' } }

async function hold(answer?: (request: Uint8Array) => Promise<Uint8Array>) {
  const lock = await holdWriterSocket({ root, takeOver: false, share: true })
  ends.push(() => lock.release())
  if (answer !== undefined) lock.serve?.(answer)
  return lock
}

async function call(options: { silenceMsMax?: number } = {}) {
  const line = await callWriterSocket({ root, ...options })
  if (line === undefined) throw new Error('nobody holds the role')
  ends.push(() => line.close())
  return line
}

const echo = async (request: Uint8Array): Promise<Uint8Array> => utf8Encode(`${utf8Decode(request)}!`)

test('nobody to call where nobody holds the role', async () => {
  expect(await callWriterSocket({ root })).toBeUndefined()
})

test('each request gets its own answer, also those that came before anybody answered, and more at once than are let through', async () => {
  const lock = await hold()
  const line = await call()
  const early = line.ask(utf8Encode('early'))
  lock.serve?.(async (request) => (request.length === 0 ? request : echo(request)))
  expect(utf8Decode(await early)).toBe('early!')
  expect((await line.ask(new Uint8Array(0))).length).toBe(0)
  const answers = await Promise.all(Array.from({ length: 300 }, (_, index) => line.ask(utf8Encode(`${index}`))))
  expect(answers.map(utf8Decode)).toEqual(Array.from({ length: 300 }, (_, index) => `${index}!`))
})

test('no more than 64 requests of a caller are answered at a time', async () => {
  let running = 0
  let most = 0
  await hold(async (request) => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setTimeout(resolve, 2))
    running -= 1
    return request
  })
  const line = await call()
  await Promise.all(Array.from({ length: 500 }, () => line.ask(utf8Encode('x'))))
  expect(most).toBe(64)
})

test('requests of megabytes arrive whole, and those past 64 MiB are refused before they are sent', async () => {
  await hold(async (request) => utf8Encode(`${request.length} ${request[0]} ${request.at(-1)}`))
  const line = await call()
  expect(utf8Decode(await line.ask(new Uint8Array(20_000_000).fill(7)))).toBe('20000000 7 7')
  await expect(line.ask(new Uint8Array(64 * 1024 * 1024 + 1))).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED', details: { max: 67_108_864 } })
})

test('an answer that fails breaks the line, and what was asked over it has an unknown outcome', async () => {
  await hold(async (request) => {
    if (utf8Decode(request) === 'bad') throw new Error('over')
    return new Promise(() => undefined)
  })
  const line = await call()
  const waiting = line.ask(utf8Encode('slow'))
  const failing = line.ask(utf8Encode('bad'))
  await expect(waiting).rejects.toMatchObject(unknown)
  await expect(failing).rejects.toMatchObject(unknown)
  await expect(line.ask(utf8Encode('late'))).rejects.toMatchObject(unknown)
})

test('releasing the role breaks the lines, and a line that is closed asks nothing more', async () => {
  const lock = await hold(() => new Promise(() => undefined))
  const line = await call()
  const waiting = line.ask(utf8Encode('x'))
  await lock.release()
  await expect(waiting).rejects.toMatchObject(unknown)
  await hold(echo)
  const second = await call()
  second.close()
  await expect(second.ask(utf8Encode('x'))).rejects.toMatchObject(unknown)
})

test('a holder that says nothing while it owes an answer is taken for stopped', async () => {
  await hold(() => new Promise(() => undefined))
  const line = await call({ silenceMsMax: 50 })
  await expect(line.ask(utf8Encode('x'))).rejects.toMatchObject(unknown)
})

test('a holder that does not share is WRITER_LOCKED to callers, as is one that says anything else', async () => {
  const lock = await holdWriterSocket({ root, takeOver: false })
  await expect(callWriterSocket({ root })).rejects.toMatchObject({ code: 'WRITER_LOCKED', details: { pid: process.pid } })
  await lock.release()
  const stranger = createServer((socket) => socket.end('{"pid":1}\nhello')).listen(socketAddress(root).name)
  await once(stranger, 'listening')
  ends.push(() => new Promise((resolve) => stranger.close(resolve)))
  await expect(callWriterSocket({ root })).rejects.toMatchObject({ code: 'WRITER_LOCKED' })
})

test('who does not know the key is answered nothing, nor is a message that announces gigabytes', async () => {
  let asked = 0
  await hold(async (request) => {
    asked += 1
    return request
  })
  const message = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0])
  const stranger = connect(socketAddress(root).name)
  await once(stranger, 'data')
  stranger.write(Buffer.concat([Buffer.alloc(32), message]))
  await once(stranger, 'close')
  expect(asked).toBe(0)
  const key = await keyOf(root)
  await writeFile(join(root, '.parquedb-share'), Buffer.alloc(32))
  const liar = await call()
  await expect(liar.ask(utf8Encode('x'))).rejects.toMatchObject(unknown)
  await writeFile(join(root, '.parquedb-share'), key)
  const { createHmac } = await import('node:crypto')
  const greedy = connect(socketAddress(root).name)
  const [hello] = await once(greedy, 'data')
  const { nonce } = JSON.parse(String(hello)) as { nonce: string }
  greedy.write(Buffer.concat([createHmac('sha256', key).update(nonce).digest(), Buffer.from([1, 0, 0, 0, 255, 255, 255, 255])]))
  await once(greedy, 'close')
  expect(asked).toBe(0)
})

test('the key is made once, whoever asks first, and only its user may read it', async () => {
  const keys = await Promise.all(Array.from({ length: 5 }, () => keyOf(root)))
  expect(new Set(keys.map((key) => Buffer.from(key).toString('hex'))).size).toBe(1)
  expect(await readFile(join(root, '.parquedb-share'))).toEqual(keys[0])
  expect(await readdir(root)).toEqual(['.parquedb-share'])
  if (process.platform !== 'win32') expect((await stat(join(root, '.parquedb-share'))).mode & 0o777).toBe(0o600)
})
