import { systemClock } from '../base/clock.ts'
import { toHex } from '../base/bytes.ts'
import { systemRandom } from '../base/random.ts'
import type { Tail } from '../storage/EventSourcedBackend.ts'
import { epochPath, parseHead, readHead, type Head } from '../storage/head.ts'
import { openManifest } from '../storage/manifest.ts'
import { undefinedWhenAbsent } from '../storage/request-rules.ts'
import { Scratch, scratchPrefix } from '../storage/Scratch.ts'
import { Partition } from '../storage/Partition.ts'
import type { View } from '../storage/view.ts'
import type { ParqueDBEnv } from './bindings.ts'
import { edgeFiles, type EdgeFiles } from './edge-files.ts'
import { valueOf, type PartitionRpc } from './partition-rpc.ts'

/** How new a view has to be. 'eventual': the files as of a moment ago; { seq }: that event at least; 'strong': all that was acknowledged before it was asked for. */
export type Freshness = 'eventual' | 'strong' | { readonly seq: number }

export interface EdgeOptions {
  /** The folder of all partitions in the bucket; the same as the Durable Object's. Default 'parquedb'. */
  readonly prefix?: string
  /** How old a head may be that eventual reads go by. Default 1,000. */
  readonly headTtlMs?: number
  /** Sparse indexes kept in memory for each partition. Default 8 MiB. */
  readonly indexBytesMax?: number
  /** Columns of row groups kept in memory for each partition. Default 8 MiB. */
  readonly maxCachedColumnBytes?: number
  /** Entity states kept from files for each partition. Default 500. */
  readonly maxCachedEntities?: number
}

export interface EdgeParts extends Required<Omit<EdgeOptions, 'prefix'>> {
  readonly files: EdgeFiles
  readonly rpc: () => PartitionRpc
}

/**
 * A partition as an isolate knows it: the newest manifest that it has seen, and over it the events that were asked of the object that writes. It only moves forward, so
 * no reader of the isolate goes back in time.
 */
export class EdgePartition {
  readonly #parts: EdgeParts
  readonly partition: Partition
  /** Of the one epoch file that stands with the files. */
  #epoch = 1
  #headReadAtMs = Number.NEGATIVE_INFINITY

  constructor(parts: EdgeParts) {
    this.#parts = parts
    this.partition = new Partition(parts.files, { ...parts, cacheTtlMs: Number.POSITIVE_INFINITY, clock: systemClock })
    // No writer sweeps these: what an isolate that ends leaves behind is for a lifecycle rule of the bucket.
    this.partition.scratch = () => new Scratch(parts.files, `${scratchPrefix}edge-${toHex(systemRandom.bytes(8))}`)
  }

  get rpc(): PartitionRpc {
    return this.#parts.rpc()
  }

  get files(): EdgeFiles {
    return this.#parts.files
  }

  async view(freshness: Freshness, options?: { includeArchived?: boolean }): Promise<View> {
    if (freshness === 'strong') await this.catchUp()
    else if (freshness !== 'eventual' && freshness.seq > this.partition.overlay.lastSeq) await this.catchUp()
    else await this.#refreshHead()
    return this.partition.view(options)
  }

  /** Everything that is durable when this is called. Not shared by calls that meet: one request must not wait for what another has asked. */
  async catchUp(): Promise<void> {
    for (let wantedSeq = this.partition.overlay.lastSeq; ; ) {
      const { value: tail } = await valueOf(this.rpc.tail(this.partition.overlay.lastSeq))
      await this.take(tail)
      wantedSeq = Math.max(wantedSeq, tail.lastSeq)
      if (this.partition.overlay.lastSeq >= wantedSeq) break
    }
    // The object's head is at least as new as the one in the bucket was.
    this.#headReadAtMs = systemClock.nowMs()
  }

  /** What the object gave. */
  async take(tail: Tail): Promise<void> {
    await this.#install(tail)
    for (const event of tail.events) if (event.seq === this.partition.overlay.lastSeq + 1) this.partition.apply(event, { bytes: 0 })
  }

  async #refreshHead(): Promise<void> {
    const nowMs = systemClock.nowMs()
    if (nowMs - this.#headReadAtMs < this.#parts.headTtlMs) return
    const head = await this.#headInBucket()
    if (head !== undefined) await this.#install(head)
    this.#headReadAtMs = Math.max(this.#headReadAtMs, nowMs)
  }

  /** One request, unless the files were begun by a writer elsewhere: then its epochs count, and are listed once. */
  async #headInBucket(): Promise<Head | undefined> {
    const { files } = this.#parts
    const bytes = await files.read(epochPath(this.#epoch)).catch(undefinedWhenAbsent)
    if (bytes !== undefined) return parseHead(bytes, this.#epoch)
    const { head } = await readHead(files)
    if (head !== undefined) this.#epoch = head.epoch
    return head
  }

  async #install(head: Pick<Head, 'manifest' | 'manifestId'>): Promise<void> {
    if (head.manifest === undefined || head.manifestId <= this.partition.manifest.id) return
    const manifest = await openManifest(this.#parts.files, head.manifest)
    // Another request may have got further meanwhile.
    if (manifest.id > this.partition.manifest.id) this.partition.install(manifest)
  }
}

/** Partitions whose manifests and indexes an isolate keeps. */
const partitionsMax = 32

/** The partitions that an isolate knows, least recently used out first. One for a Worker: it outlives requests. */
export class EdgePartitions {
  readonly #partitions = new Map<string, EdgePartition>()

  get(env: ParqueDBEnv, name: string, options: EdgeOptions): EdgePartition {
    const { prefix = 'parquedb', headTtlMs = 1000, indexBytesMax = 8 * 1024 * 1024, maxCachedColumnBytes = 8 * 1024 * 1024, maxCachedEntities = 500 } = options
    const folder = `${prefix}/${name}`
    const known = this.#partitions.get(folder) ?? new EdgePartition({ files: edgeFiles(env.BUCKET, folder), rpc: () => env.PARQUEDB.getByName(name), headTtlMs, indexBytesMax, maxCachedColumnBytes, maxCachedEntities })
    this.#partitions.delete(folder)
    this.#partitions.set(folder, known)
    const [oldest] = this.#partitions.keys()
    if (this.#partitions.size > partitionsMax && oldest !== undefined) this.#partitions.delete(oldest)
    return known
  }
}
