import { crc32 } from '../../base/crc32.ts'
import type { BucketObject } from '../../storage/backends/BucketBackend.ts'
import type { ParsedCondition } from '../../storage/request-rules.ts'

/** What is in the bucket of a world, and which puts nobody knows the outcome of. */
export class BucketContent {
  readonly objects = new Map<string, Uint8Array>()
  readonly unknown = new Map<string, 'done' | 'not done'>()

  find(key: string): BucketObject | undefined {
    const bytes = this.objects.get(key)
    return bytes === undefined ? undefined : { key, sizeBytes: bytes.length, etag: etagOf(bytes) }
  }

  /** The etag; undefined when the condition does not hold. */
  put(key: string, bytes: Uint8Array, condition: ParsedCondition): string | undefined {
    const found = this.find(key)?.etag
    if (condition.kind === 'absent' && found !== undefined) return undefined
    if (condition.kind === 'match' && found !== condition.etag) return undefined
    this.objects.set(key, bytes)
    return etagOf(bytes)
  }
}

/** Of the content, as S3 and R2 make it. */
function etagOf(bytes: Uint8Array): string {
  return `${bytes.length}-${crc32(bytes).toString(16)}`
}
