import { crc32 } from '../../base/crc32.ts'
import type { BucketObject } from '../../storage/backends/BucketBackend.ts'
import type { ParsedCondition } from '../../storage/request-rules.ts'

interface Content {
  readonly bytes: Uint8Array
  /** Of the content, as S3 and R2 make it. */
  readonly etag: string
}

/** What is in the bucket of a world, and which puts nobody knows the outcome of. */
export class BucketContent {
  readonly objects = new Map<string, Content>()
  readonly unknown = new Map<string, 'done' | 'not done'>()

  find(key: string): BucketObject | undefined {
    const content = this.objects.get(key)
    return content === undefined ? undefined : { key, sizeBytes: content.bytes.length, etag: content.etag }
  }

  /** The etag; undefined when the condition does not hold. */
  put(key: string, bytes: Uint8Array, condition: ParsedCondition): string | undefined {
    const found = this.objects.get(key)?.etag
    if (condition.kind === 'absent' && found !== undefined) return undefined
    if (condition.kind === 'match' && found !== condition.etag) return undefined
    const etag = `${bytes.length}-${crc32(bytes).toString(16)}`
    this.objects.set(key, { bytes, etag })
    return etag
  }
}
