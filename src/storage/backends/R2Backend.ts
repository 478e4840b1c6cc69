import { BucketBackend, type Bucket, type BucketObject, type BucketOptions } from './BucketBackend.ts'
import type { StorageBackend } from '../storage-backend.ts'

/** What is used of the binding of an R2 bucket; `env.BUCKET` of a Worker is one. */
export interface R2BucketBinding {
  head(key: string): Promise<R2ObjectFacts | null>
  get(key: string, options?: { range: { offset: number; length: number } }): Promise<{ arrayBuffer(): Promise<ArrayBuffer> } | null>
  put(key: string, value: Uint8Array, options?: { onlyIf: Headers | { etagMatches: string } }): Promise<R2ObjectFacts | null>
  delete(key: string): Promise<void>
  list(options: { prefix: string; limit: number; cursor?: string }): Promise<{ objects: readonly R2ObjectFacts[]; truncated: boolean; cursor?: string }>
}

export interface R2ObjectFacts {
  readonly key: string
  readonly size: number
  readonly etag: string
}

/** Objects in a bucket of Cloudflare R2, through the binding of a Worker. */
export class R2Backend extends BucketBackend implements StorageBackend {
  constructor(bucket: R2BucketBinding, options: BucketOptions = {}) {
    super('r2', throughBinding(bucket), options)
  }
}

function throughBinding(bucket: R2BucketBinding): Bucket {
  return {
    get: async (key, range) => {
      try {
        const object = await bucket.get(key, ...(range === undefined ? [] : [{ range: { offset: range.start, length: range.end - range.start } }]))
        return object === null ? undefined : new Uint8Array(await object.arrayBuffer())
      } catch (error) {
        // R2 refuses a range that begins at the end or behind it; the code of that is in the message only, so the size decides.
        const object = range === undefined ? undefined : await bucket.head(key)
        if (object === null || object === undefined || range === undefined || object.size > range.start) throw error
        return new Uint8Array(0)
      }
    },
    head: async (key) => {
      const object = await bucket.head(key)
      return object === null ? undefined : factsOf(object)
    },
    put: async (key, bytes, condition) => {
      if (condition.kind === 'any') return (await bucket.put(key, bytes))?.etag
      // As a header: runtimes differ in how they read '*' in the object form.
      return (await bucket.put(key, bytes, { onlyIf: condition.kind === 'absent' ? new Headers({ 'if-none-match': '*' }) : { etagMatches: condition.etag } }))?.etag
    },
    delete: (key) => bucket.delete(key),
    list: async ({ prefix, limit, cursor }) => {
      const page = await bucket.list({ prefix, limit, ...(cursor === undefined ? {} : { cursor }) })
      return { objects: page.objects.map(factsOf), cursor: page.truncated ? page.cursor : undefined }
    },
  }
}

function factsOf({ key, size, etag }: R2ObjectFacts): BucketObject {
  return { key, sizeBytes: size, etag }
}
