import { toHex, utf8Decode, utf8Encode } from '../base/bytes.ts'
import { sha256 } from '../base/sha256.ts'
import { listObjects, type StorageBackend } from './storage-backend.ts'

/** A copy that was made of the database. */
export interface KnownCopy {
  /** The place, as whoever made it named it. */
  readonly place: string
  /** Its newest event. */
  readonly lastSeq: number
  /** Milliseconds. */
  readonly atMs: number
}

const prefix = 'copies/'

/** Notes in the database that a place has a copy of it: one object a place, with its newest copy. */
export async function noteCopy(backend: StorageBackend, copy: KnownCopy): Promise<void> {
  await backend.put(`${prefix}${toHex(sha256(utf8Encode(copy.place)))}.json`, utf8Encode(JSON.stringify(copy)))
}

/** The places whose copies are older than an event, as far as they were noted. */
export async function copiesBefore(backend: StorageBackend, seq: number): Promise<KnownCopy[]> {
  const copies: KnownCopy[] = []
  for await (const { path } of listObjects(backend, prefix)) copies.push(JSON.parse(utf8Decode(await backend.read(path))) as KnownCopy)
  return copies.filter(({ lastSeq }) => lastSeq < seq)
}
