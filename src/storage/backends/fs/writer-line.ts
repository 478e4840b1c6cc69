import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { ParqueDBError } from '../../../base/ParqueDBError.ts'
import { reservedNamePrefix } from '../../path-rules.ts'
import type { WriterLine, WriterLock } from '../../storage-backend.ts'
import { Gate } from '../Gate.ts'
import { errnoOf } from './storage-error.ts'

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
  const unless = (errno: string) => (error: unknown) => {
    if (errnoOf(error) !== errno) throw error
    return undefined
  }
  const found = await readFile(path).catch(unless('ENOENT'))
  if (found?.length === proofBytes) return found
  await writeFile(temporary, randomBytes(proofBytes), { mode: 0o600 })
  await link(temporary, path).catch(unless('EEXIST'))
  await rm(temporary)
  return readFile(path)
}

/** Greets a caller with who the holder is, and answers it once it has proven that it knows the key. */
export function answerCaller(socket: Socket, { holder, key, answer }: { holder: object; key: Uint8Array; answer: Promise<Answer> }): void {
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
export function lineOver(socket: Socket, { key, nonce, silenceMsMax = silenceMsDefault }: { key: Uint8Array; nonce: string; silenceMsMax?: number | undefined }): WriterLine {
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
