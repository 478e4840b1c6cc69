import { concatBytes, utf8Decode } from '../base/bytes.ts'
import { abortError } from '../base/abort.ts'
import { isParqueDBError, limitExceeded, ParqueDBError, translated } from '../base/ParqueDBError.ts'
import { fromExtendedJson } from '../model/ejson.ts'
import type { Operation } from '../model/operations.ts'
import { isPlainObject } from '../model/parse-document.ts'
import { parseJson } from '../model/parse-json.ts'

/** One way in: an operation at a path whose segments that begin with ':' are arguments. */
export interface Route {
  readonly name: string
  readonly operation: Operation
  readonly method: string
  readonly path: string
  /** Of addresses that are the path with something for each argument. */
  readonly pattern: RegExp
}

/**
 * The arguments of a call by name: from the path, the query, the headers of optimistic concurrency and idempotency, and the body. Each comes from one place.
 * Nothing is checked but the form: the database refuses what it does not know.
 */
export async function readArguments(request: Request, route: Route, read: { bodyBytesMax: number; signal: AbortSignal }): Promise<Map<string, unknown>> {
  const url = new URL(request.url)
  const given = new Map<string, unknown>()
  const add = (name: string, value: unknown): void => {
    if (given.has(name)) throw invalid(name, `'${name}' is given twice; give it once`)
    given.set(name, value)
  }
  for (const [name, text] of pathArguments(url, route)) add(name, text)
  for (const [name, text] of url.searchParams) add(name, decode(name, parseParameter(name, text)))
  for (const [name, value] of headerArguments(request.headers)) add(name, value)
  // Who puts where nothing is, creates.
  if (request.method === 'PUT' && given.get('expectedVersion') === 'absent' && !given.has('upsert')) given.set('upsert', true)
  if (request.method === 'GET' || request.method === 'HEAD') return given
  const bytes = await readBody(request, read)
  if (bytes.length === 0) return given
  const { body } = route.operation
  const json = parseBody(request, bytes)
  if (body !== undefined) add(body, decode(body, json))
  else if (isPlainObject(json)) for (const [name, value] of Object.entries(json)) add(name, decode(name, value))
  else throw invalid('body', 'the body must be an object of arguments by name')
  return given
}

/** The path's own text, decoded once. */
export function pathArguments(url: URL, { path }: Route): [string, string][] {
  const segments = url.pathname.split('/')
  return path.split('/').flatMap((name, index): [string, string][] => {
    if (!name.startsWith(':')) return []
    const option = name.slice(1)
    const refused = (cause: unknown): ParqueDBError => new ParqueDBError('INVALID_ARGUMENT', `The path's '${option}' is not percent-encoded UTF-8.`, { cause, details: { option } })
    return [[option, translated(() => decodeURIComponent(segments[index] ?? ''), refused)]]
  })
}

/** Extended JSON where it is JSON, as 10, true, "text" and {"a": 1} are; any other text stands for itself. */
function parseParameter(name: string, text: string): unknown {
  try {
    return parseLossless(name, text)
  } catch (cause) {
    if (isParqueDBError(cause)) throw cause
    if (!/^\s*[[{"]/.test(text)) return text
    throw new ParqueDBError('INVALID_ARGUMENT', `'${name}' in the query is not JSON: ${(cause as Error).message}`, { cause, details: { option: name } })
  }
}

function headerArguments(headers: Headers): [string, unknown][] {
  const found: [string, unknown][] = []
  const ifMatch = headers.get('if-match')
  const version = ifMatch === null ? undefined : /^"(\d{1,15})"$/.exec(ifMatch)?.[1]
  if (ifMatch !== null && version === undefined) throw invalid('expectedVersion', 'the header If-Match must be an ETag as an entity has it, its version in quotes')
  if (version !== undefined) found.push(['expectedVersion', Number(version)])
  if (headers.get('if-none-match') === '*') found.push(['expectedVersion', 'absent'])
  const key = headers.get('idempotency-key')
  if (key !== null) found.push(['txId', key])
  return found
}

function parseBody(request: Request, bytes: Uint8Array): unknown {
  if (!/^application\/json\s*(;\s*charset=utf-8\s*)?$/i.test(request.headers.get('content-type') ?? '')) throw invalid('body', 'the body must be JSON, with the header Content-Type: application/json')
  return translated(() => parseLossless('body', utf8Decode(bytes)), (cause) => {
    if (isParqueDBError(cause)) return cause
    return new ParqueDBError('INVALID_ARGUMENT', `The body is not JSON in UTF-8: ${(cause as Error).message}`, { cause, details: { option: 'body' } })
  })
}

/** A SyntaxError for what is not JSON, and INVALID_ARGUMENT for what JSON.parse would give in another form. */
function parseLossless(name: string, text: string): unknown {
  const result = parseJson(text, { depthMax: 256 })
  if (result.kind === 'loss') throw invalid(name, `in '${name}' ${result.problem.reason}`)
  // What is too deep or reaches for the prototype is refused where it is known what it is.
  return result.kind === 'value' ? result.value : JSON.parse(text)
}

/** `Date`, `bigint` and bytes out of their wrappers; names with '$' stay, as operators have them. */
function decode(name: string, json: unknown): unknown {
  return translated(() => fromExtendedJson(json, { path: name, keepOperators: true }), (error) => {
    if (name !== 'filter' || !isParqueDBError(error, 'VALIDATION_FAILED')) return error
    return new ParqueDBError('INVALID_FILTER', error.message, { details: error.details, cause: error })
  })
}

/** Reads no further than the limit, whatever the header says of the length. */
async function readBody(request: Request, { bodyBytesMax, signal }: { bodyBytesMax: number; signal: AbortSignal }): Promise<Uint8Array> {
  const tooLong = limitExceeded({ bodyBytesMax }, `The body is longer than ${bodyBytesMax} bytes.`)
  if (Number(request.headers.get('content-length') ?? 0) > bodyBytesMax) throw tooLong
  if (request.body === null) return new Uint8Array(0)
  const reader = request.body.getReader()
  const stop = (): void => void reader.cancel(signal.reason).catch(() => undefined)
  signal.addEventListener('abort', stop)
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (signal.aborted) throw abortError(signal)
      if (done) break
      length += value.length
      if (length > bodyBytesMax) throw tooLong
      chunks.push(value)
    }
  } finally {
    signal.removeEventListener('abort', stop)
  }
  return chunks.length === 1 ? (chunks[0] ?? new Uint8Array(0)) : concatBytes(chunks)
}

function invalid(option: string, problem: string): ParqueDBError {
  return new ParqueDBError('INVALID_ARGUMENT', `The request cannot be read: ${problem}.`, { details: { option } })
}
