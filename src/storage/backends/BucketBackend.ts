import { systemClock } from '../../base/clock.ts'
import { utf8Encode } from '../../base/bytes.ts'
import { messageOf, ParqueDBError } from '../../base/ParqueDBError.ts'
import { systemRandom } from '../../base/random.ts'
import { validatePath, validatePrefix } from '../path-rules.ts'
import { notFound, pageLimit, parseCondition, preconditionFailed, validateRange, type ParsedCondition } from '../request-rules.ts'
import { retried, type RetryParts } from '../retry.ts'
import type { ByteRange, ObjectInfo, PutCondition, StorageBackend } from '../storage-backend.ts'

/** What R2 and S3 take. */
const keyBytesMax = 1024

/**
 * One request to a bucket each, and no more. What fails is thrown: a ParqueDBError as it is, anything else as the cause of a
 * STORAGE_UNAVAILABLE. Its `details` may say `permanent: true` (asking again is of no use) and `outcome: 'none'` (a put that surely
 * was not done).
 */
export interface Bucket {
  /** undefined when there is no such object; empty when the range (never empty) begins at its end or behind it. */
  get(key: string, range?: ByteRange): Promise<Uint8Array | undefined>
  head(key: string): Promise<BucketObject | undefined>
  /** The etag; undefined when the condition does not hold. */
  put(key: string, bytes: Uint8Array, condition: ParsedCondition): Promise<string | undefined>
  delete(key: string): Promise<void>
  /** In the order of the keys' UTF-8 bytes. */
  list(request: { prefix: string; limit: number; cursor: string | undefined }): Promise<{ objects: readonly BucketObject[]; cursor: string | undefined }>
}

export interface BucketObject {
  readonly key: string
  readonly sizeBytes: number
  readonly etag: string
}

export interface BucketOptions extends Partial<RetryParts> {
  /** The folder in the bucket, such as 'databases/shop'. Default: the whole bucket. */
  readonly prefix?: string
}

/**
 * Objects in a bucket, below a prefix. Requests that may be repeated are, for some seconds. A put with a condition is repeated only when
 * it surely was not done; else its failure is STORAGE_UNAVAILABLE with `outcome: 'unknown'`, and reading back tells (`putOnce`).
 */
export abstract class BucketBackend implements StorageBackend {
  readonly kind: string
  readonly #bucket: Bucket
  readonly #prefix: string
  readonly #retry: RetryParts

  protected constructor(kind: string, bucket: Bucket, { prefix = '', clock = systemClock, random = systemRandom }: BucketOptions) {
    if (prefix !== '') validatePath(prefix)
    this.kind = kind
    this.#bucket = bucket
    this.#prefix = prefix === '' ? '' : `${prefix}/`
    this.#retry = { clock, random }
  }

  async read(path: string): Promise<Uint8Array> {
    const key = this.#keyOf(path)
    const bytes = await this.#ask({ operation: 'read', path }, () => this.#bucket.get(key))
    if (bytes === undefined) throw notFound(path)
    return bytes
  }

  async readRange(path: string, range: ByteRange): Promise<Uint8Array> {
    validateRange(path, range)
    const key = this.#keyOf(path)
    const isEmpty = range.start === range.end
    const bytes = await this.#ask({ operation: 'read', path }, async () => (isEmpty ? (await this.#bucket.head(key)) && new Uint8Array(0) : this.#bucket.get(key, range)))
    if (bytes === undefined) throw notFound(path)
    return bytes
  }

  async stat(path: string): Promise<ObjectInfo | undefined> {
    const key = this.#keyOf(path)
    const object = await this.#ask({ operation: 'look at', path }, () => this.#bucket.head(key))
    return object === undefined ? undefined : this.#infoOf(object)
  }

  async list(prefix: string, { cursor, limit }: { cursor?: string; limit?: number } = {}): Promise<{ objects: ObjectInfo[]; cursor?: string }> {
    validatePrefix(prefix)
    const request = { prefix: this.#prefix + prefix, limit: pageLimit(limit), cursor }
    const page = await this.#ask({ operation: 'list', path: prefix }, () => this.#bucket.list(request))
    return { objects: page.objects.map((object) => this.#infoOf(object)), ...(page.cursor === undefined ? {} : { cursor: page.cursor }) }
  }

  async put(path: string, bytes: Uint8Array, condition?: PutCondition): Promise<{ etag: string }> {
    const key = this.#keyOf(path)
    const parsed = parseCondition(path, condition)
    const kept = bytes.slice()
    const mayRepeat = parsed.kind === 'any' ? isPassing : (error: ParqueDBError): boolean => error.details['outcome'] === 'none'
    const etag = await this.#ask({ operation: 'write', path, outcome: 'unknown' }, () => this.#bucket.put(key, kept, parsed), mayRepeat)
    if (etag === undefined) throw preconditionFailed(path, parsed, (await this.stat(path))?.etag)
    return { etag }
  }

  async delete(path: string): Promise<void> {
    const key = this.#keyOf(path)
    await this.#ask({ operation: 'delete', path }, () => this.#bucket.delete(key))
  }

  #ask<T>(where: { operation: string; path: string; outcome?: 'unknown' }, request: () => Promise<T>, mayRepeat = isPassing): Promise<T> {
    const asked = (): Promise<T> => request().catch((error: unknown) => Promise.reject(unavailable(error, { ...where, store: this.kind })))
    return retried(this.#retry, asked, mayRepeat)
  }

  #keyOf(path: string): string {
    validatePath(path)
    const key = this.#prefix + path
    if (utf8Encode(key).length <= keyBytesMax) return key
    throw new ParqueDBError('INVALID_ARGUMENT', `The key ${key} is longer than the ${keyBytesMax} bytes of UTF-8 that a bucket takes. Use a shorter prefix.`, { details: { path, prefix: this.#prefix } })
  }

  #infoOf({ key, sizeBytes, etag }: BucketObject): ObjectInfo {
    return { path: key.slice(this.#prefix.length), sizeBytes, etag }
  }
}

function isPassing(error: ParqueDBError): boolean {
  return error.details['permanent'] !== true
}

function unavailable(error: unknown, where: { operation: string; path: string; store: string; outcome?: 'unknown' }): ParqueDBError {
  const details = error instanceof ParqueDBError ? { ...where, ...error.details } : where
  if (error instanceof ParqueDBError && error.code !== 'STORAGE_UNAVAILABLE') return error
  return new ParqueDBError('STORAGE_UNAVAILABLE', `Could not ${where.operation} ${where.path || 'the bucket'} in ${where.store}: ${messageOf(error)}`, { details, cause: error })
}
