import { toHex, utf8Encode } from '../base/bytes.ts'
import { crc32 } from '../base/crc32.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { sha256 } from '../base/sha256.ts'
import { escapeFolder, folderCharsMax } from './DataFiles.ts'

/** Shards of one namespace: a find asks all of them at once. */
export const shardsMax = 16

/** Which of a namespace's shards has an entity: the CRC-32 of the id's UTF-8 bytes, modulo their count. It decides where what is stored is looked for, so it stays. */
export function shardOf(id: string, count: number): number {
  return crc32(utf8Encode(id)) % count
}

/** The partition of a namespace as one path component, 'posts'; of a shard, which of how many: 'posts+0of4'. No namespace's own name has a '+'. */
export function partitionName(ns: string, shard?: { readonly index: number; readonly count: number }): string {
  // A name that was cut is told from others that begin alike.
  const name = encodeURIComponent(ns).length < folderCharsMax / 3 ? escapeFolder(ns) : `${escapeFolder(ns)}-${toHex(sha256(utf8Encode(ns))).slice(0, 16)}`
  return shard === undefined ? name : `${name}+${shard.index}of${shard.count}`
}

/** The partitions of a namespace: its shards in order, or the one that it has without. */
export function partitionsOf(ns: string, shards = 1): string[] {
  return shards === 1 ? [partitionName(ns)] : Array.from({ length: shards }, (_, index) => partitionName(ns, { index, count: shards }))
}

/** What one partition cannot tell or do. */
export function acrossPartitions(what: string, then: string): ParqueDBError {
  return new ParqueDBError('CROSS_PARTITION', `${what}: each partition has a log and an order of its own. ${then}`)
}
