import { crc32 } from '../base/crc32.ts'
import { compareBytes, utf8Decode, utf8Encode } from '../base/bytes.ts'
import { isParqueDBError, ParqueDBError, translated } from '../base/ParqueDBError.ts'
import { formatWritten, isReadable } from './format.ts'
import type { Manifest, ManifestAddress } from './manifest.ts'
import { listObjects, type ObjectInfo, type StorageBackend } from './storage-backend.ts'

/**
 * The one mutable object of a partition, kept as one file per epoch: `epoch/<e>` is created, as a mark without a head, by
 * the writer that takes epoch e (exclusive creation is the fence), and from then on only that writer replaces it. The head
 * is in the newest epoch file that has one. See docs/adr/0002-head-per-epoch.md.
 */
export interface Head {
  readonly epoch: number
  /** undefined until the first flush: the manifest is empty. */
  readonly manifest: ManifestAddress | undefined
  readonly manifestId: number
  readonly flushedSeq: number
  /** Parts of this epoch's log that begin below this seq are no longer needed. */
  readonly logStart: number
  /** The log of this epoch was durable up to here when the head was put: one that ends earlier has lost something, whatever its end looks like. */
  readonly durableSeq: number
  /** As in FORMAT. Absent in heads of earlier versions. */
  readonly format?: typeof formatWritten
  /** Its writer has ended, and the log of its epoch with `durableSeq`: whoever needs nothing after `flushedSeq` need not look at the log. */
  readonly isClosed?: boolean
  /** Where the log is elsewhere than the files: the head that stands with the files, as this log's writers last put it. See FilesHead. */
  readonly atFiles?: FilesMark | undefined
  /** The manifest that is about to be published there: written before, so that nobody publishes who cannot write here any more. */
  readonly intent?: string | undefined
  /** Id of the event at flushedSeq: tells whether the head with the files and a log are of one history. */
  readonly lastEventId?: string | undefined
}

export interface FilesMark {
  /** Of the one epoch file there. */
  readonly epoch: number
  /** undefined as long as nothing was published. */
  readonly etag: string | undefined
}

export interface HeadReading {
  readonly head: Head | undefined
  /** Newest epoch that exists, with content or not; 0 when there is none. */
  readonly newestEpoch: number
  /** Changes whenever the head or the set of epochs does. */
  readonly etag: string
}

export const epochFolder = 'epoch/'
/** Old epoch files that stay, so that a directory read that races takeovers still meets one that is newer than a stalled writer's. */
const keptEpochs = 16
const readAttempts = 10
/** Some 300 bytes are what one has. */
const headBytesMax = 64 * 1024
/** What stands in an epoch file until its head does. Not nothing: a head that damage has emptied must not pass for one that never was. */
export const takenMark = utf8Encode('taken\n')

/** The newest head. A reader that loses a race with a takeover reads again. */
export async function readHead(backend: StorageBackend): Promise<HeadReading> {
  for (let attempt = 1; ; attempt++) {
    const epochs = await listEpochs(backend)
    const newest = epochs.at(-1)?.epoch ?? 0
    try {
      const found = await newestWritten(backend, epochs)
      return { head: found && parseHead(found.bytes, found.entry.epoch), newestEpoch: newest, etag: etagOf(epochs) }
    } catch (error) {
      if (!isParqueDBError(error, 'NOT_FOUND') || attempt === readAttempts) throw error
    }
  }
}

/** The newest head that can be read, whatever became of newer ones; those are told to `onDamage`. For salvage: it may be an old one. */
export async function newestSoundHead(backend: StorageBackend, onDamage: (error: ParqueDBError) => void): Promise<Head | undefined> {
  for (const entry of (await listEpochs(backend)).toReversed()) {
    try {
      const found = await newestWritten(backend, [entry])
      if (found !== undefined) return parseHead(found.bytes, entry.epoch)
    } catch (error) {
      if (!isParqueDBError(error, 'CORRUPT_FILE')) throw error
      onDamage(error)
    }
  }
  return undefined
}

/** What `readHead` would give as etag, without reading the head. */
export async function headEtag(backend: StorageBackend): Promise<string> {
  return etagOf(await listEpochs(backend))
}

/**
 * Takes the epoch after the newest; whoever held an older one is fenced from now on. Marks are all alike, so one whose creation has an
 * unknown outcome is nobody's, and the next epoch is taken. `etag`: of the mark. With `above`, the epoch is greater than that one: the
 * one after the newest is taken first all the same, for it is what the former writer looks for.
 */
export async function takeEpoch(backend: StorageBackend, above = 0): Promise<{ epoch: number; etag: string }> {
  for (let attempt = 1; ; attempt++) {
    const epoch = (await newestEpoch(backend)) + 1
    try {
      const { etag } = await backend.put(epochPath(epoch), takenMark, { ifAbsent: true })
      return epoch > above ? { epoch, etag } : { epoch: above + 1, ...(await backend.put(epochPath(above + 1), takenMark, { ifAbsent: true })) }
    } catch (error) {
      if (attempt === readAttempts || !isParqueDBError(error) || (error.code !== 'PRECONDITION_FAILED' && error.details['outcome'] !== 'unknown')) throw error
    }
  }
}

/** The head of a writer whose log has what comes after the manifest. */
export function headOf({ id: manifestId, flushedSeq }: Manifest, own: Omit<Head, 'manifestId' | 'flushedSeq' | 'logStart' | 'format'>): Head {
  return { ...own, format: formatWritten, manifestId, flushedSeq, logStart: flushedSeq + 1 }
}

/**
 * Replaces the content of the writer's own epoch file, which has the etag `ifMatch`, so that no older put of a head that is still under
 * way comes after it. It counts as published once `EpochFence.check` passes afterwards.
 */
export function publishHead(backend: StorageBackend, head: Head, ifMatch: string): Promise<{ etag: string }> {
  return backend.put(epochPath(head.epoch), encodeHead(head), { ifMatch })
}

export function encodeHead(head: Head): Uint8Array {
  const json = JSON.stringify(head)
  return utf8Encode(`${crc32(utf8Encode(json)).toString(16).padStart(8, '0')} ${json}\n`)
}

/** The newest epoch that exists, with content or not; 0 when there is none. */
export async function newestEpoch(backend: StorageBackend): Promise<number> {
  return (await listEpochs(backend)).at(-1)?.epoch ?? 0
}

/** Deletes epoch files that no reader and no stalled writer needs any more: one after the other, the oldest first, on which the fence relies. */
export async function deleteOldEpochs(backend: StorageBackend, epoch: number): Promise<void> {
  for (const entry of await listEpochs(backend)) if (entry.epoch <= epoch - keptEpochs) await backend.delete(entry.path)
}

/** Takes heads of older epochs away, whose manifests may have keys of what was erased; that the epochs were taken stays. A newer head is there, so nobody reads them. */
export async function wipeOldHeads(backend: StorageBackend, before: { epoch: number; manifestId: number }): Promise<void> {
  for (const entry of await listEpochs(backend)) {
    if (entry.epoch >= before.epoch || entry.sizeBytes === takenMark.length) continue
    const manifestId = /"manifestId":(\d+)/.exec(utf8Decode(await backend.read(entry.path)))?.[1]
    if (manifestId === undefined || Number(manifestId) < before.manifestId) await backend.put(entry.path, takenMark)
  }
}

interface EpochEntry extends ObjectInfo {
  readonly epoch: number
}

async function listEpochs(backend: StorageBackend): Promise<EpochEntry[]> {
  const entries: EpochEntry[] = []
  for await (const info of listObjects(backend, epochFolder)) {
    const name = info.path.slice(epochFolder.length)
    if (/^\d{20}$/.test(name)) entries.push({ ...info, epoch: Number(name) })
  }
  return entries
}

/** The newest epoch file that is more than a mark, and what is in it. */
async function newestWritten(backend: StorageBackend, epochs: readonly EpochEntry[]): Promise<{ entry: EpochEntry; bytes: Uint8Array } | undefined> {
  for (const entry of epochs.toReversed()) {
    if (entry.sizeBytes > headBytesMax) throw damagedHead(entry.path, `has ${entry.sizeBytes} bytes, more than a head may have`)
    const bytes = await backend.read(entry.path)
    if (compareBytes(bytes, takenMark) !== 0) return { entry, bytes }
  }
  return undefined
}

/** Of the set of epochs, and of the content of the newest one that is surely a head. */
function etagOf(epochs: readonly EpochEntry[]): string {
  const written = epochs.findLast((entry) => entry.sizeBytes !== takenMark.length)
  const newest = epochs.at(-1)?.epoch ?? 0
  return written === undefined ? `${newest}` : `${newest}:${written.etag}`
}

export function epochPath(epoch: number): string {
  return `${epochFolder}${String(epoch).padStart(20, '0')}`
}

/** The head in the file of an epoch; CORRUPT_FILE. */
export function parseHead(bytes: Uint8Array, epoch: number): Head {
  const damaged = (what: string, cause?: unknown): ParqueDBError => damagedHead(epochPath(epoch), what, cause)
  const text = translated(() => utf8Decode(bytes), (cause) => damaged('is not text', cause))
  const [, checksum = '', json] = /^([0-9a-f]{8}) (\{.*\})\n$/.exec(text) ?? []
  if (json === undefined || Number.parseInt(checksum, 16) !== crc32(utf8Encode(json))) throw damaged('does not have the checksum that it names')
  const head = JSON.parse(json) as Head
  if (head.epoch !== epoch) throw damaged(`says that it is of epoch ${head.epoch}`)
  if (head.format !== undefined && !isReadable(head.format)) throw damaged('names no format')
  return head
}

function damagedHead(path: string, what: string, cause?: unknown): ParqueDBError {
  return new ParqueDBError('CORRUPT_FILE', `The head ${path} ${what}. Restore the file from a backup, or salvage what is sound with \`parquedb recover\`.`, { details: { path, offset: 0 }, cause })
}
