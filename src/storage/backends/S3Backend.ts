import { AwsV4Signer } from 'aws4fetch'
import { systemClock, type Clock } from '../../base/clock.ts'
import { toHex } from '../../base/bytes.ts'
import { ParqueDBError } from '../../base/ParqueDBError.ts'
import { BucketBackend, type Bucket, type BucketObject, type BucketOptions } from './BucketBackend.ts'
import type { ParsedCondition } from '../request-rules.ts'
import type { StorageBackend } from '../storage-backend.ts'

/** One attempt, from its first byte to its last: a file of 32 MB at a megabyte a second. */
const attemptMsMax = 30_000
/** Of an error's body, what is read. */
const errorCharsMax = 4096

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export interface S3Options extends BucketOptions {
  /** Such as 'https://s3.eu-central-1.amazonaws.com', 'https://<account>.r2.cloudflarestorage.com' or 'http://localhost:9000'. Default: that of AWS for the region. */
  readonly endpoint?: string | undefined
  readonly bucket: string
  /** Default 'auto', which R2 takes and MinIO ignores; AWS needs the bucket's own. */
  readonly region?: string | undefined
  /** A function is asked before each request: for credentials that expire. */
  readonly credentials: S3Credentials | (() => Promise<S3Credentials>)
  /** Default: the platform's. */
  readonly fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined
}

/**
 * Objects in a bucket of S3, or of what speaks its language and heeds conditions on puts: AWS, R2, MinIO. Signed by AWS Signature V4, bytes
 * included. An attempt ends after 30 seconds.
 */
export class S3Backend extends BucketBackend implements StorageBackend {
  /** INVALID_ARGUMENT for a bucket, prefix or endpoint that is none. */
  constructor(options: S3Options) {
    super('s3', bucketOf(options), options)
  }
}

interface Asked {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE'
  readonly key?: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Statuses that are answers, beside 200 to 299. */
  readonly answers: readonly number[]
}

function bucketOf(options: S3Options): Bucket {
  const ask = asking(options)
  return {
    get: async (key, range) => {
      const { status, bytes } = await ask({ method: 'GET', key, headers: range === undefined ? {} : { range: `bytes=${range.start}-${range.end - 1}` }, answers: [404, 416] })
      if (status === 404) return undefined
      // 416: the range begins at the end or behind it.
      if (status === 416) return new Uint8Array(0)
      // Some stores give the whole object where a range was asked for.
      return status === 206 || range === undefined ? bytes : bytes.subarray(range.start, range.end)
    },
    head: async (key) => {
      const { status, headers } = await ask({ method: 'HEAD', key, answers: [404] })
      return status === 404 ? undefined : { key, sizeBytes: Number(headers.get('content-length')), etag: plainEtag(headers.get('etag')) }
    },
    put: async (key, body, condition) => {
      // 404: nothing is there to be matched.
      const { status, headers } = await ask({ method: 'PUT', key, headers: conditionHeaders(condition), body, answers: condition.kind === 'any' ? [] : condition.kind === 'absent' ? [412] : [404, 412] })
      return status === 404 || status === 412 ? undefined : plainEtag(headers.get('etag'))
    },
    delete: async (key) => void (await ask({ method: 'DELETE', key, answers: [404] })),
    list: async ({ prefix, limit, cursor }) => {
      const query = { 'list-type': '2', 'encoding-type': 'url', 'max-keys': String(limit), prefix, ...(cursor === undefined ? {} : { 'start-after': cursor }) }
      const { bytes } = await ask({ method: 'GET', query, answers: [] })
      return parseListing(new TextDecoder().decode(bytes))
    },
  }
}

/** Sends one signed request, and refuses what is no answer. */
function asking({ endpoint, bucket, region = 'auto', credentials, fetch: send = (url, init) => fetch(url, init), clock = systemClock }: S3Options): (asked: Asked) => Promise<{ status: number; headers: Headers; bytes: Uint8Array }> {
  const base = `${parseEndpoint(endpoint ?? `https://s3.${region}.amazonaws.com`)}/${parseBucket(bucket)}`
  const signingKeys = new Map<string, ArrayBuffer>()
  return async ({ method, key, query = {}, headers = {}, body = new Uint8Array(0), answers }) => {
    const url = `${base}${key === undefined ? '' : `/${key.split('/').map(percentEncoded).join('/')}`}?${Object.entries(query).map(([name, value]) => `${name}=${percentEncoded(value)}`).join('&')}`.replace(/\?$/, '') // prettier-ignore
    const signed = await new AwsV4Signer({
      ...(typeof credentials === 'function' ? await credentials() : credentials),
      method,
      url,
      service: 's3',
      region,
      cache: signingKeys,
      datetime: new Date(clock.nowMs()).toISOString().replaceAll(/[:-]|\.\d{3}/g, ''),
      headers: { ...headers, 'x-amz-content-sha256': toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', body as Uint8Array<ArrayBuffer>))) },
    }).sign()
    return answered(clock, answers, (signal) => send(signed.url.toString(), { method, headers: signed.headers, signal, redirect: 'manual', ...(method === 'PUT' ? { body: body as Uint8Array<ArrayBuffer> } : {}) }))
  }
}

async function answered(clock: Clock, answers: readonly number[], send: (signal: AbortSignal) => Promise<Response>): Promise<{ status: number; headers: Headers; bytes: Uint8Array }> {
  const abort = new AbortController()
  const cancel = clock.after(attemptMsMax, () => abort.abort(new Error(`no answer within ${attemptMsMax} ms`)))
  try {
    const response = await send(abort.signal)
    const bytes = new Uint8Array(await response.arrayBuffer())
    const { status, ok, headers } = response
    const isAnswer = ok || answers.includes(status)
    const text = isAnswer && status !== 404 ? '' : new TextDecoder().decode(bytes.subarray(0, errorCharsMax))
    if (isAnswer && !text.includes('<Code>NoSuchBucket<')) return { status, headers, bytes }
    throw refusal(status, text)
  } finally {
    cancel()
  }
}

/** `outcome: 'none'`: the store says that it did nothing. Of 5xx nobody knows. */
function refusal(status: number, text: string): ParqueDBError {
  const code = tag(text, 'Code') ?? ''
  const isPassing = status >= 500 || [408, 409, 429].includes(status) || code === 'RequestTimeout'
  const permanent = !isPassing || status === 501
  const advice = status === 403 || status === 401 ? ' Check the credentials, their rights and this clock.' : status >= 300 && status < 400 ? ' Check the region and the endpoint.' : ''
  return new ParqueDBError('STORAGE_UNAVAILABLE', `the store answered ${status} ${code}${code === '' ? '' : `: ${tag(text, 'Message') ?? ''}`}.${advice}`, { details: { status, s3Code: code, ...(permanent ? { permanent } : {}), ...(permanent || status === 409 || status === 429 ? { outcome: 'none' } : {}) } })
}

function conditionHeaders(condition: ParsedCondition): Readonly<Record<string, string>> {
  switch (condition.kind) {
    case 'any':
      return {}
    case 'absent':
      return { 'if-none-match': '*' }
    case 'match':
      return { 'if-match': `"${condition.etag}"` }
  }
}

/** The listing goes on after its last key: no token is kept, and none expires. */
function parseListing(xml: string): { objects: BucketObject[]; cursor: string | undefined } {
  if (!xml.includes('<ListBucketResult')) throw new ParqueDBError('STORAGE_UNAVAILABLE', 'what came is no listing of a bucket. Check the endpoint.', { details: { permanent: true } })
  const objects = [...xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, item = '']): BucketObject => ({
    key: decodeURIComponent((tag(item, 'Key') ?? '').replaceAll('+', ' ')),
    sizeBytes: Number(tag(item, 'Size')),
    etag: plainEtag(tag(item, 'ETag')?.replaceAll(/&quot;|&#34;/g, '"')),
  }))
  return { objects, cursor: tag(xml, 'IsTruncated') === 'true' ? objects.at(-1)?.key : undefined }
}

function tag(xml: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]
}

function plainEtag(etag: string | null | undefined): string {
  return (etag ?? '').replace(/^W\//, '').replaceAll('"', '')
}

function percentEncoded(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}

function parseEndpoint(endpoint: string): string {
  if (/^https?:\/\/[^?#@]+$/.test(endpoint) && URL.canParse(endpoint)) return new URL(endpoint).href.replace(/\/+$/, '')
  throw new ParqueDBError('INVALID_ARGUMENT', `'${endpoint}' is no endpoint of an object store: it must be a URL such as https://s3.eu-central-1.amazonaws.com.`, { details: { endpoint } })
}

function parseBucket(bucket: string): string {
  if (/^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/i.test(bucket)) return bucket
  throw new ParqueDBError('INVALID_ARGUMENT', `'${bucket}' is no name of a bucket: it has 3 to 63 letters, digits, '.', '-' or '_'.`, { details: { bucket } })
}
