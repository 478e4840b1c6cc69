import { abortError, checkAborted } from '../base/abort.ts'
import type { Clock } from '../base/clock.ts'
import { isParqueDBError, limitExceeded, ParqueDBError, translated, type ErrorDetails } from '../base/ParqueDBError.ts'
import type { Random } from '../base/random.ts'
import { fromExtendedJson, type Json } from '../model/ejson.ts'
import type { Operation } from '../model/operations.ts'
import type { Arguments } from './encode-arguments.ts'

export interface ParqueDBClientOptions {
  /** Where the server answers, with its base path: 'https://db.example.com/api'. */
  readonly url: string
  /** The bearer token, or what gives one for each request. */
  readonly token?: string | (() => string | Promise<string>)
  /** Default: the platform's. */
  readonly fetch?: typeof fetch
  /** How often a request that may be repeated is tried again when the server is not to be reached or has no time. Default 5. */
  readonly retries?: number
  /** How long a server may be silent, in milliseconds; longer than its heartbeat. Default 30,000. */
  readonly timeoutMs?: number
  readonly clock?: Clock
  readonly random?: Random
}

/** With its defaults; the URL without a slash at its end. */
export type TransportOptions = Required<Omit<ParqueDBClientOptions, 'token'>> & { readonly token: ParqueDBClientOptions['token'] | undefined }

/** Upper bounds of the wait before each retry, in milliseconds: 100, 200, 400, … up to this. */
const backoffMsMax = 5000
/** Longer addresses are refused on the way. Characters. */
const addressLengthMax = 8000

/** Requests and answers, with their retries, their timeouts and the session's token. */
export class Transport {
  readonly #options: TransportOptions
  #sessionToken: string | undefined
  #ready: Promise<unknown> = Promise.resolve()

  constructor(options: TransportOptions) {
    this.#options = options
  }

  /** What is sent from now on is sent after this, whatever becomes of it. */
  after(work: Promise<unknown>): void {
    this.#ready = Promise.allSettled([this.#ready, work])
  }

  /** The whole answer; undefined where it is empty. */
  async json(operation: Operation, { texts, signal }: Arguments): Promise<Json | undefined> {
    await this.#ready
    const isRepeatable = texts.has('txId') || !operation.verbs.includes('write')
    return this.retrying(async () => {
      let text = ''
      for await (const part of this.#read(operation, texts, { signal, accept: 'application/json' })) text += part
      return text === '' ? undefined : parse(text)
    }, { signal, retries: isRepeatable ? this.#options.retries : 0 })
  }

  /** The lines of an answer, as many at once as have come. Only what has shown nothing yet is tried again. */
  async *lines(operation: Operation, { texts, signal }: Arguments): AsyncGenerator<Json[]> {
    await this.#ready
    const begin = async () => {
      const parts = this.#read(operation, texts, { signal, accept: 'application/x-ndjson' })
      return { parts, first: await parts.next() }
    }
    const { parts, first } = await this.retrying(begin, { signal, retries: this.#options.retries })
    let rest = first.done === true ? '' : first.value
    try {
      for (;;) {
        const end = rest.lastIndexOf('\n')
        const lines = end < 0 ? [] : rest.slice(0, end).split('\n').map(parse)
        rest = rest.slice(end + 1)
        const last = lines.at(-1)
        const mark = isMark(last) ? last : undefined
        yield mark === undefined ? lines : lines.slice(0, -1)
        if (mark?.$error !== undefined) throw errorOf(mark.$error as Json)
        if (mark !== undefined) return
        const { done, value } = await parts.next()
        if (done === true) throw unavailable('The answer ended before it was whole.')
        rest += value
      }
    } finally {
      await parts.return(undefined)
    }
  }

  /** Server-sent events as they come, once; 'alive' where the server only says that it lives. */
  async *events(operation: Operation, { texts, signal }: Arguments): AsyncGenerator<{ event: string; id: number; data: Json }> {
    let rest = ''
    for await (const part of this.#read(operation, texts, { signal, accept: 'text/event-stream' })) {
      const blocks = (rest + part).split('\n\n')
      rest = blocks.pop() ?? ''
      for (const block of blocks) {
        const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]
        const data = field('data')
        yield data === undefined ? { event: 'alive', id: Number.NaN, data: null } : { event: field('event') ?? 'message', id: Number(field('id')), data: parse(data) }
      }
    }
    throw unavailable('The server ended the subscription.')
  }

  /** Does it again, after a growing and random time, while what fails may pass. */
  async retrying<Result>(work: () => Promise<Result>, { signal, retries, mayPass = isPassing }: { signal: AbortSignal | undefined; retries: number; mayPass?: typeof isPassing }): Promise<Result> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        if (attempt >= retries || !mayPass(error)) throw error
        await this.pause(attempt, signal, error.details.retryAfterMs)
      }
    }
  }

  async pause(attempt: number, signal: AbortSignal | undefined, leastMs: unknown = 0): Promise<void> {
    const [byte = 0] = this.#options.random.bytes(1)
    const ms = Math.ceil((Math.min(100 * 2 ** attempt, backoffMsMax) * (byte + 1)) / 256)
    await this.#options.clock.sleep(Math.max(ms, Number(leastMs)), signal).catch(() => checkAborted(signal))
  }

  /** The body of an answer in parts. Fails where nothing comes for `timeoutMs`; a consumer may take its time. */
  async *#read(operation: Operation, texts: ReadonlyMap<string, string>, { signal, accept }: { signal: AbortSignal | undefined; accept: string }): AsyncGenerator<string> {
    const { clock, timeoutMs, token, fetch } = this.#options
    const controller = new AbortController()
    const stop = (): void => controller.abort()
    let disarm = clock.after(timeoutMs, stop)
    signal?.addEventListener('abort', stop)
    try {
      checkAborted(signal)
      const { address, ...request } = this.#request(operation, texts)
      const headers: Record<string, string> = { accept, 'content-type': 'application/json' }
      const bearer = typeof token === 'function' ? await token() : token
      if (bearer !== undefined) headers.authorization = `Bearer ${bearer}`
      if (this.#sessionToken !== undefined) headers['parquedb-token'] = this.#sessionToken
      const response = await fetch(address, { ...request, headers, signal: controller.signal })
      this.#sessionToken = response.headers.get('parquedb-token') ?? this.#sessionToken
      if (!response.ok) throw await failureOf(response)
      const reader = response.body?.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader()
      for (;;) {
        const { done, value } = (await reader?.read()) ?? { done: true as const, value: undefined }
        disarm()
        if (done) return
        yield value
        disarm = clock.after(timeoutMs, stop)
      }
    } catch (error) {
      if (signal?.aborted === true) throw abortError(signal)
      if (isParqueDBError(error)) throw error
      throw unavailable(controller.signal.aborted ? `The server sent nothing for ${timeoutMs} ms.` : 'The server cannot be reached, or broke off.', { cause: error, details: { outcome: 'unknown' } })
    } finally {
      disarm()
      signal?.removeEventListener('abort', stop)
      controller.abort()
    }
  }

  #request({ routes, body }: Operation, texts: ReadonlyMap<string, string>): { address: string; method: string; body?: string } {
    const rest = new Map(texts)
    const [method = '', path = ''] = routes.at(-1)?.split(' ') ?? []
    const filled = path.replaceAll(/:(\w+)/g, (_, name: string) => {
      const text = String(JSON.parse(rest.get(name) ?? '""'))
      rest.delete(name)
      // Addresses are made without them, also where they are percent-encoded.
      if (/^\.{0,2}$/.test(text)) throw new ParqueDBError('INVALID_ARGUMENT', `The argument '${name}' cannot be ${JSON.stringify(text)}.`, { details: { option: name } })
      return encodeURIComponent(text)
    })
    const own = body === undefined ? undefined : rest.get(body)
    if (body !== undefined) rest.delete(body)
    const hasObject = method !== 'GET' && method !== 'DELETE' && body === undefined
    const query = hasObject || rest.size === 0 ? '' : `?${new URLSearchParams([...rest])}`
    const address = `${this.#options.url}${filled}${query}`
    if (address.length > addressLengthMax) throw limitExceeded({ addressLengthMax }, `The options of this call are too long to be sent: ${address.length} characters.`)
    return { address, method, ...(hasObject ? { body: objectOf(rest) } : own !== undefined && { body: own }) }
  }
}

/** The JSON of an object whose fields are JSON already. */
export function objectOf(texts: Iterable<readonly [string, string]>): string {
  return `{${[...texts].map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`
}

/** The error that a problem tells of. */
export function errorOf(problem: Json): ParqueDBError {
  const { code, detail, details } = problem as { code?: string; detail?: string; details?: object }
  if (code === undefined) return unavailable(detail ?? 'The server failed.')
  return ParqueDBError.fromJSON({ code, message: detail, details } as Parameters<typeof ParqueDBError.fromJSON>[0])
}

/** Whether the same may go well a little later. */
export function isPassing(error: unknown): error is ParqueDBError {
  return isParqueDBError(error) && ['STORAGE_UNAVAILABLE', 'WRITER_LOCKED', 'WRITER_FENCED', 'CLOSED'].includes(error.code)
}

async function failureOf(response: Response): Promise<ParqueDBError> {
  const text = await response.text()
  const isProblem = (response.headers.get('content-type') ?? '').startsWith('application/problem+json')
  const error = isProblem ? errorOf(parse(text)) : unavailable(`The server answered ${response.status} ${response.statusText}, which is none of ParqueDB's answers.`)
  const retryAfterMs = Number(response.headers.get('retry-after') ?? Number.NaN) * 1000
  return Number.isNaN(retryAfterMs) ? error : new ParqueDBError(error.code, error.message, { details: { ...error.details, retryAfterMs } })
}

function parse(text: string): Json {
  return translated(() => fromExtendedJson(JSON.parse(text), { keepOperators: true }) as Json, (cause) => unavailable('The server answered something that is not JSON.', { cause }))
}

function isMark(line: Json | undefined): line is { [mark: string]: Json } {
  return typeof line === 'object' && line !== null && ('$end' in line || '$error' in line)
}

function unavailable(message: string, facts?: { cause: unknown; details?: ErrorDetails }): ParqueDBError {
  return new ParqueDBError('STORAGE_UNAVAILABLE', message, facts)
}
