import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { link, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ParqueDBError } from '../../../base/ParqueDBError.ts'
import { reservedNamePrefix } from '../../path-rules.ts'
import { writerLocked } from '../../request-rules.ts'
import type { WriterLine, WriterLock } from '../../storage-backend.ts'
import { Gate } from '../Gate.ts'
import { hasErrno, undefinedWhen } from './storage-error.ts'

/** A living holder answers within a millisecond; a stopped one never does. */
const answerTimeoutMs = 1_000
/** What a holder says is some 50 bytes. */
const answerCharsMax = 1_000
const askerCountMax = 256
/** A holder that died between our two looks frees the name: one more try is enough, more than a few means contention. */
const attemptCountMax = 5

/** Who holds the role, as it says itself. */
interface Holder {
  readonly pid?: number
  readonly since?: string
  /** Of one that takes calls: what the caller's proof is of. */
  readonly nonce?: string
}

export interface WriterSocketOptions {
  /** Real path of the database's folder. */
  readonly root: string
  /** Succeed without the socket when another process has it: the fence by epoch protects then. */
  readonly takeOver: boolean
  /** Let other processes of this user call. */
  readonly share?: boolean
  /** Where this platform has local sockets; given by tests. */
  readonly address?: SocketAddress
}

/** A name that the kernel frees with its process ('kernel'), or a file that must be removed after it ('file'). */
export interface SocketAddress {
  readonly kind: 'kernel' | 'file'
  readonly name: string
}

/**
 * Holds the writer role by listening on a local socket whose name follows from the folder: the system ends it with the
 * process, however that dies. Tells liveness only, and only on one machine (in one network namespace): what protects
 * the data is the fence by epoch. WRITER_LOCKED with the holder's pid when it is taken.
 */
export async function holdWriterSocket(options: WriterSocketOptions): Promise<WriterLock> {
  const address = options.address ?? socketAddress(options.root)
  for (let attempt = 1; attempt <= attemptCountMax; attempt++) {
    const lock = await listen(address.name, options.share === true ? await keyOf(options.root) : undefined)
    if (lock !== undefined) return lock
    if (options.takeOver) return { release: async () => undefined }
    const answer = await greet(address.name)
    answer?.socket.destroy()
    if (answer !== undefined) throw writerLocked({ root: options.root, ...answer.holder })
    // Two processes that find the same stale file may both come to listen: rare, and the fence by epoch decides then.
    if (address.kind === 'file') await unlink(address.name).catch(undefinedWhen('ENOENT'))
  }
  throw writerLocked({ root: options.root })
}

/** A line to the holder of the role; undefined when there is none. WRITER_LOCKED when it does not share, or does not answer. */
export async function callWriterSocket({ root, address = socketAddress(root), silenceMsMax }: { root: string; address?: SocketAddress; silenceMsMax?: number }): Promise<WriterLine | undefined> {
  const key = await keyOf(root)
  const answer = await greet(address.name)
  if (answer === undefined) return undefined
  const { nonce, ...holder } = answer.holder
  if (nonce !== undefined) return lineOver(answer.socket, { key, nonce, silenceMsMax })
  answer.socket.destroy()
  throw writerLocked({ root, ...holder })
}

export function socketAddress(root: string): SocketAddress {
  const name = `parquedb-${createHash('sha256').update(root).digest('hex').slice(0, 32)}`
  if (process.platform === 'linux') return { kind: 'kernel', name: `\0${name}` }
  if (process.platform === 'win32') return { kind: 'kernel', name: `\\\\.\\pipe\\${name}` }
  return { kind: 'file', name: join(tmpdir(), `${name}.sock`) }
}

/** undefined when the name is taken. */
function listen(name: string, key: Uint8Array | undefined): Promise<WriterLock | undefined> {
  const holder: Holder = { pid: process.pid, since: new Date(Date.now()).toISOString() }
  const askers = new Set<Socket>()
  let serve: NonNullable<WriterLock['serve']> = () => undefined
  const answer = new Promise<Parameters<typeof serve>[0]>((resolve) => (serve = resolve))
  const server = createServer((socket) => {
    askers.add(socket)
    socket.on('close', () => askers.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.unref()
    if (key === undefined) socket.end(`${JSON.stringify(holder)}\n`)
    else answerCaller(socket, { holder, key, answer })
  })
  server.maxConnections = askerCountMax
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      // Windows refuses a pipe of another user's process so.
      if (hasErrno(error, 'EADDRINUSE', ...(process.platform === 'win32' ? ['EACCES'] : []))) resolve(undefined)
      else reject(error)
    })
    // 'exclusive': in a cluster the primary process would listen for its workers, and outlive them.
    server.listen({ path: name, exclusive: true }, () => {
      server.unref()
      resolve({ serve, release })
    })
  })

  function release(): Promise<void> {
    // A stopped process that asked would never hang up, and the server ends with its last connection.
    for (const asker of askers) asker.destroy()
    return new Promise((resolve) => {
      // An error says that it was closed before: releasing twice is fine.
      server.close(() => resolve())
    })
  }
}

/** Who the socket's owner says it is, and the socket, paused; undefined when nobody listens any more. */
function greet(name: string): Promise<{ holder: Holder; socket: Socket } | undefined> {
  return new Promise((resolve) => {
    const socket = connect(name)
    let text = ''
    const done = (): void => {
      socket.off('data', hear).off('close', done).setTimeout(0).pause()
      resolve({ holder: parseHolder(text), socket })
    }
    const hear = (data: Buffer): void => {
      text += data.toString('latin1')
      if (text.endsWith('\n')) done()
      else if (text.length > answerCharsMax) socket.destroy()
    }
    socket.setTimeout(answerTimeoutMs, () => socket.destroy())
    socket.on('data', hear)
    socket.on('error', (error) => {
      if (hasErrno(error, 'ECONNREFUSED', 'ENOENT')) resolve(undefined)
      socket.destroy()
    })
    socket.on('close', done)
  })
}

/** Whatever else listens there may say anything. */
function parseHolder(text: string): Holder {
  const match = /^\{"pid":(\d{1,10}),"since":"([\dTZ:.-]{1,30})"(?:,"nonce":"([\da-f]{32})")?\}\n$/.exec(text)
  if (match === null) return {}
  return { pid: Number(match[1]), since: match[2] ?? '', ...(match[3] !== undefined && { nonce: match[3] }) }
}

const proofBytes = 32
/** A message: id u32 | length u32 | that many bytes, little endian. Id 0 is a sign of life. */
const headerBytes = 8
const messageBytesMax = 64 * 1024 * 1024
/** Requests of one caller that are answered at a time. */
const requestCountMax = 64
const signOfLifeMs = 5_000
/** A holder that says nothing for so long, while it owes an answer, has stopped. */
const silenceMsDefault = 30_000

type Answer = Parameters<NonNullable<WriterLock['serve']>>[0]

/** A folder's key, made by the first who asks. Only its user can read it: a local socket itself may be open to every user of the machine. */
export async function keyOf(root: string): Promise<Uint8Array> {
  const path = join(root, `${reservedNamePrefix}share`)
  const temporary = `${path}-${randomBytes(8).toString('hex')}`
  const found = await readFile(path).catch(undefinedWhen('ENOENT'))
  if (found?.length === proofBytes) return found
  await writeFile(temporary, randomBytes(proofBytes), { mode: 0o600 })
  await link(temporary, path).catch(undefinedWhen('EEXIST'))
  await rm(temporary)
  return readFile(path)
}

/** Greets a caller with who the holder is, and answers it once it has proven that it knows the key. */
function answerCaller(socket: Socket, { holder, key, answer }: { holder: object; key: Uint8Array; answer: Promise<Answer> }): void {
  const nonce = randomBytes(16).toString('hex')
  let owedCount = 0
  const respond = async (id: number, request: Uint8Array): Promise<void> => {
    if (++owedCount === requestCountMax) socket.pause()
    const alive = setInterval(() => send(socket, 0, new Uint8Array(0)), signOfLifeMs).unref()
    try {
      send(socket, id, await (await answer)(request))
    } catch {
      // The caller sees the line break, and asks the log what became of its request.
      socket.destroy()
    } finally {
      clearInterval(alive)
      if (owedCount-- === requestCountMax) socket.resume()
    }
  }
  const read = messageReader(socket, (id, request) => void respond(id, request))
  let early = Buffer.alloc(0)
  const check = (chunk: Buffer): void => {
    early = Buffer.concat([early, chunk])
    if (early.length < proofBytes) return
    if (!timingSafeEqual(early.subarray(0, proofBytes), prove(key, nonce))) return void socket.destroy()
    socket.off('data', check).on('data', read)
    read(early.subarray(proofBytes))
  }
  socket.on('data', check)
  socket.write(`${JSON.stringify({ ...holder, nonce })}\n`)
}

/** Goes on with a socket whose holder has greeted. While no answer is awaited it does not keep the process alive. */
function lineOver(socket: Socket, { key, nonce, silenceMsMax = silenceMsDefault }: { key: Uint8Array; nonce: string; silenceMsMax?: number | undefined }): WriterLine {
  const waiting = new Map<number, PromiseWithResolvers>()
  const gate = new Gate(requestCountMax)
  let lastId = 0
  const take = (id: number): PromiseWithResolvers | undefined => {
    const found = waiting.get(id)
    if (waiting.delete(id) && waiting.size === 0) socket.unref()
    return found
  }
  socket.on('close', () => {
    for (const id of waiting.keys()) take(id)?.reject(broken())
  })
  socket.setTimeout(silenceMsMax, () => waiting.size > 0 && socket.destroy())
  socket.on('data', messageReader(socket, (id, bytes) => take(id)?.resolve(bytes)))
  socket.unref().resume().write(prove(key, nonce))
  const ask = (request: Uint8Array): Promise<Uint8Array> =>
    new Promise((resolve, reject) => {
      if (socket.destroyed) return reject(broken())
      waiting.set(++lastId, { resolve, reject })
      socket.ref()
      send(socket, lastId, request)
    })
  return {
    async ask(request) {
      if (request.length <= messageBytesMax) return gate.run(() => ask(request))
      throw new ParqueDBError('LIMIT_EXCEEDED', `The write has ${request.length} bytes; the process that writes takes ${messageBytesMax} at once. Split it.`, { details: { found: request.length, max: messageBytesMax } })
    },
    close: () => void socket.destroy(),
  }
}

interface PromiseWithResolvers {
  readonly resolve: (answer: Uint8Array) => void
  readonly reject: (error: unknown) => void
}

function prove(key: Uint8Array, nonce: string): Buffer {
  return createHmac('sha256', key).update(nonce).digest()
}

function send(socket: Socket, id: number, bytes: Uint8Array): void {
  const header = Buffer.alloc(headerBytes)
  header.writeUInt32LE(id, 0)
  header.writeUInt32LE(bytes.length, 4)
  socket.write(Buffer.concat([header, bytes]))
}

/** Takes a stream in pieces and gives its messages; one past the limit ends the line. */
function messageReader(socket: Socket, onMessage: (id: number, bytes: Uint8Array) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = []
  let heldBytes = 0
  let wantedBytes = headerBytes
  return (chunk) => {
    chunks.push(chunk)
    heldBytes += chunk.length
    if (heldBytes < wantedBytes) return
    let rest = Buffer.concat(chunks)
    for (;;) {
      wantedBytes = headerBytes + (rest.length < headerBytes ? 0 : rest.readUInt32LE(4))
      if (wantedBytes > headerBytes + messageBytesMax) return void socket.destroy()
      if (rest.length < wantedBytes) break
      onMessage(rest.readUInt32LE(0), rest.subarray(headerBytes, wantedBytes))
      rest = rest.subarray(wantedBytes)
    }
    chunks = [rest]
    heldBytes = rest.length
  }
}

function broken(): ParqueDBError {
  return new ParqueDBError('STORAGE_UNAVAILABLE', 'The process that has the writer role went away, or stopped, before it answered.', { details: { outcome: 'unknown' } })
}
