import { assert } from '../base/assert.ts'
import { utf8Encode } from '../base/bytes.ts'
import { crc32 } from '../base/crc32.ts'

/** A log part's name says whose it is (the epoch) and the seq of the first event in it. */
export interface LogPartName {
  readonly epoch: number
  readonly firstSeq: number
}

/** `<prefix>/<epoch, 20 digits>-<firstSeq, 20 digits>.log`: the order of names is the order of events. */
export function logPartPath(prefix: string, { epoch, firstSeq }: LogPartName): string {
  return `${prefix}/${epoch.toString().padStart(20, '0')}-${firstSeq.toString().padStart(20, '0')}.log`
}

/** undefined for a path that does not name a log part. */
export function parseLogPartPath(path: string): LogPartName | undefined {
  const match = /(?:^|\/)(\d{20})-(\d{20})\.log$/.exec(path)
  const epoch = Number(match?.[1])
  const firstSeq = Number(match?.[2])
  return Number.isSafeInteger(epoch) && Number.isSafeInteger(firstSeq) ? { epoch, firstSeq } : undefined
}

/** The chain of a part's first frame: the crc32 of its file name, without folders. */
export function firstChain(path: string): number {
  assert(parseLogPartPath(path) !== undefined, 'only a log part has a chain')
  return crc32(utf8Encode(path.slice(path.lastIndexOf('/') + 1)))
}
