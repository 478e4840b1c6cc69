import type { ParqueDBEnv } from './bindings.ts'
import { edgeFiles } from './edge-files.ts'
import { EdgePartition, type EdgeOptions } from './EdgePartition.ts'

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
