import { createHash, createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { bucket, credentials, region } from './credentials.ts'

/*
 * A small S3 that is stricter than the real ones: every request must be signed (AWS Signature V4, payload included, checked by Node's own
 * cryptography), conditions hold, listings come in pages. What a test plans goes wrong.
 */


/** What happens to one request: an answer instead of doing it; done, and the connection broken; not done, and broken; no answer at all. */
export type Mishap = { readonly kind: 'answer'; readonly status: number; readonly code: string } | { readonly kind: 'lost reply' | 'broken' | 'silent' }

interface Stored {
  readonly bytes: Buffer
  readonly etag: string
}

export class S3Server {
  readonly region = region
  readonly #objects = new Map<string, Stored>()
  readonly #server: Server
  #mishaps: { readonly method: string; readonly key: string; readonly mishap: Mishap }[] = []
  requests: string[] = []

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** The next request of the method whose key contains `key` meets it. */
  plan(method: string, key: string, ...mishaps: Mishap[]): void {
    for (const mishap of mishaps) this.#mishaps.push({ method, key, mishap })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const url = new URL(request.url ?? '/', 'http://host')
    const [, name = '', ...rest] = url.pathname.split('/')
    const key = rest.map(decodeURIComponent).join('/')
    const { method = '' } = request
    this.requests.push(`${method} ${key}`)
    const mishap = this.#mishap(method, key)
    if (mishap?.kind === 'silent') return
    if (mishap?.kind === 'broken') return void request.socket.destroy()
    const problem = signatureProblem(request, body)
    const send = (status: number, headers: Record<string, string | number> = {}, content: Buffer | string = ''): void => {
      if (mishap?.kind === 'lost reply') return void request.socket.destroy()
      response.writeHead(status, { 'content-length': Buffer.byteLength(content), ...headers })
      response.end(method === 'HEAD' ? undefined : content)
    }
    const refuse = (status: number, code: string): void => send(status, { 'content-type': 'application/xml' }, `<?xml version="1.0"?><Error><Code>${code}</Code><Message>It is ${code}</Message></Error>`)
    if (mishap?.kind === 'answer') return refuse(mishap.status, mishap.code)
    if (problem !== undefined) return refuse(403, problem)
    if (name !== bucket) return refuse(404, 'NoSuchBucket')
    if (key === '') return this.#list(url.searchParams, send)
    const found = this.#objects.get(key)
    switch (method) {
      case 'PUT': {
        const wanted = request.headers['if-match']
        if (request.headers['if-none-match'] === '*' && found !== undefined) return refuse(412, 'PreconditionFailed')
        if (wanted !== undefined && found === undefined) return refuse(404, 'NoSuchKey')
        if (wanted !== undefined && wanted !== found?.etag) return refuse(412, 'PreconditionFailed')
        const etag = `"${createHash('md5').update(body).digest('hex')}"`
        this.#objects.set(key, { bytes: body, etag })
        return send(200, { etag })
      }
      case 'DELETE':
        this.#objects.delete(key)
        return send(204)
      default: {
        if (found === undefined) return refuse(404, 'NoSuchKey')
        const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')
        if (range === null) return send(200, { etag: found.etag, 'content-length': found.bytes.length }, found.bytes)
        const [start, end] = [Number(range[1]), Math.min(Number(range[2]) + 1, found.bytes.length)]
        if (start >= found.bytes.length) return refuse(416, 'InvalidRange')
        return send(206, { etag: found.etag, 'content-range': `bytes ${start}-${end - 1}/${found.bytes.length}` }, found.bytes.subarray(start, end))
      }
    }
  }

  #list(query: URLSearchParams, send: (status: number, headers: Record<string, string>, content: string) => void): void {
    const limit = Math.min(Number(query.get('max-keys')), 1000)
    const [prefix, after] = [Buffer.from(query.get('prefix') ?? ''), Buffer.from(query.get('start-after') ?? '')]
    const keys = [...this.#objects.keys()]
      .map((key) => Buffer.from(key))
      .filter((key) => key.subarray(0, prefix.length).equals(prefix) && key.compare(after) > 0)
      .toSorted((left, right) => left.compare(right))
      .map(String)
    const items = keys.slice(0, limit).map((key) => {
      const { bytes, etag } = this.#objects.get(key) as Stored
      return `<Contents><Key>${encodeURIComponent(key).replaceAll('%20', '+')}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>${etag.replaceAll('"', '&quot;')}</ETag><Size>${bytes.length}</Size></Contents>`
    })
    send(200, { 'content-type': 'application/xml' }, `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>${keys.length > limit}</IsTruncated>${items.join('')}</ListBucketResult>`)
  }

  #mishap(method: string, key: string): Mishap | undefined {
    const index = this.#mishaps.findIndex((planned) => planned.method === method && key.includes(planned.key))
    return index === -1 ? undefined : this.#mishaps.splice(index, 1)[0]?.mishap
  }
}

/** The code of the refusal, when the signature is not the one that the request must have. */
function signatureProblem(request: IncomingMessage, body: Buffer): string | undefined {
  const { headers, method = '' } = request
  const match = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(headers.authorization ?? '')
  if (match === null) return 'AuthorizationHeaderMalformed'
  const [, keyId = '', day = '', signedRegion = '', signedHeaders = '', signature = ''] = match
  if (keyId !== credentials.accessKeyId || headers['x-amz-security-token'] !== credentials.sessionToken) return 'InvalidAccessKeyId'
  if (signedRegion !== region) return 'AuthorizationHeaderMalformed'
  const hash = createHash('sha256').update(body).digest('hex')
  if (headers['x-amz-content-sha256'] !== hash) return 'XAmzContentSHA256Mismatch'
  for (const needed of ['host', 'x-amz-date', 'x-amz-content-sha256', 'x-amz-security-token']) if (!signedHeaders.split(';').includes(needed)) return 'SignatureDoesNotMatch'
  const [path = '', query = ''] = (request.url ?? '').split('?')
  const canonicalPath = path.split('/').map((part) => strictlyEncoded(decodeURIComponent(part))).join('/') // prettier-ignore
  const canonicalQuery = [...new URLSearchParams(query)].map(([name, value]) => `${strictlyEncoded(name)}=${strictlyEncoded(value)}`).toSorted().join('&') // prettier-ignore
  const canonicalHeaders = signedHeaders.split(';').map((name) => `${name}:${String(headers[name]).trim()}\n`).join('') // prettier-ignore
  const canonical = [method, canonicalPath, canonicalQuery, canonicalHeaders, signedHeaders, hash].join('\n')
  const date = String(headers['x-amz-date'])
  const toSign = ['AWS4-HMAC-SHA256', date, `${day}/${region}/s3/aws4_request`, createHash('sha256').update(canonical).digest('hex')].join('\n')
  const key = ['s3', 'aws4_request'].reduce((secret, part) => hmac(secret, part), hmac(hmac(Buffer.from(`AWS4${credentials.secretAccessKey}`), day), region))
  return hmac(key, toSign).toString('hex') === signature ? undefined : 'SignatureDoesNotMatch'
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function strictlyEncoded(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}
