import { createHash } from 'node:crypto'
import { unlink } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writerLocked } from '../../request-rules.ts'
import type { WriterLine, WriterLock } from '../../storage-backend.ts'
import { errnoOf } from './storage-error.ts'
import { answerCaller, keyOf, lineOver } from './writer-line.ts'

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
    if (address.kind === 'file') await removeStale(address.name)
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
      const isTaken = errnoOf(error) === 'EADDRINUSE' || (process.platform === 'win32' && errnoOf(error) === 'EACCES')
      if (isTaken) resolve(undefined)
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
      const errno = errnoOf(error)
      if (errno === 'ECONNREFUSED' || errno === 'ENOENT') resolve(undefined)
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

/** Two processes that find the same stale file may both come to listen: rare, and the fence by epoch decides then. */
async function removeStale(name: string): Promise<void> {
  try {
    await unlink(name)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}
