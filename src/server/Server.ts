import { utf8Encode } from '../base/bytes.ts'
import { systemClock, type Clock } from '../base/clock.ts'
import { isParqueDBError, ParqueDBError, type ErrorCode } from '../base/ParqueDBError.ts'
import { systemRandom, type Random } from '../base/random.ts'
import type { Database } from '../model/database.ts'
import { collectionOperations, databaseOperations } from '../model/operations.ts'
import { makeAuthenticate, type AuthOptions, type Authenticate } from './authenticate.ts'
import { openApiDocument } from './open-api.ts'
import { perform } from './perform.ts'
import { problemResponse } from './problem.ts'
import { pathArguments, readArguments, type Route } from './read-arguments.ts'
import { respond } from './respond.ts'
import { checkScopes } from './scopes.ts'
import { Signer } from './Signer.ts'

/** A database that may tell how new a later read must be to see what it has shown or written: a text that is given back with the next request. */
export type SessionDatabase = Database & { sessionToken?(): string | undefined }

/** What is refused because of its size or its time. */
export interface ServerLimits {
  /** Default 24 MiB: the largest document, as Extended JSON. */
  readonly bodyBytesMax: number
  /** Of the address and of all headers together. Default 16,384. */
  readonly headCharactersMax: number
  /** Items of one page. Default 1,000; a stream has no such limit. */
  readonly pageItemsMax: number
  /** What a request may take, until a stream begins. Default 30,000. */
  readonly timeMsMax: number
  /** How long a stream waits for its reader. Default 60,000. */
  readonly idleMsMax: number
  /** Requests at once, streams among them. Default 1,000. */
  readonly requestsMax: number
}

export interface ServerOptions {
  /** Nobody may do anything that this does not allow. */
  readonly auth: AuthOptions
  /** At least 32 bytes that sign cursors and tokens; the same in every process that serves the database. Default: a new one, so that cursors end with the process. */
  readonly secret?: string | Uint8Array
  /** Origins of pages that may call, exactly as browsers send them. Default: none. */
  readonly corsOrigins?: readonly string[]
  readonly limits?: Partial<ServerLimits>
  /** What stands before every path, as '/api'. */
  readonly basePath?: string
  /** How often a subscription that is silent says that it lives. Default 10,000. */
  readonly heartbeatMs?: number
  /** Told of every failure that is not the caller's. */
  readonly onError?: (error: unknown) => void
  readonly clock?: Clock
  readonly random?: Random
}

/** Also for streams, and what is cached is never another's. */
const securityHeaders = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000',
  'x-content-type-options': 'nosniff',
}
const defaultLimits: ServerLimits = { bodyBytesMax: 24 * 1024 * 1024, headCharactersMax: 16_384, pageItemsMax: 1000, timeMsMax: 30_000, idleMsMax: 60_000, requestsMax: 1000 }
const heartbeatMsDefault = 10_000
const secretBytesMin = 32

/** A database over HTTP. `fetch` answers a Request with a Response, in every runtime that has these; docs/guides/http.md shows the routes. */
export class Server {
  /** Every way in but the OpenAPI document's. */
  readonly routes: readonly Route[]
  readonly #source: (token: string | undefined) => SessionDatabase
  readonly #authenticate: Authenticate
  readonly #options: ServerOptions
  readonly #limits: ServerLimits
  readonly #clock: Clock
  readonly #signer: Signer
  readonly #running = new Set<AbortController>()

  /** Use createServer(). */
  constructor(database: Database | ((token: string | undefined) => SessionDatabase), options: ServerOptions) {
    const { basePath = '', secret, clock = systemClock, random = systemRandom } = options
    this.#source = typeof database === 'function' ? database : () => database
    this.#clock = clock
    this.#authenticate = makeAuthenticate(options.auth, clock)
    this.#options = options
    this.#limits = { ...defaultLimits, ...options.limits }
    this.#signer = new Signer(secretBytes(secret, random))
    this.routes = routesOf(basePath)
  }

  readonly fetch = async (request: Request): Promise<Response> => {
    const { corsOrigins = [] } = this.#options
    const cross = corsOrigins.length === 0 ? {} : crossOriginHeaders(request, corsOrigins)
    const answer = request.method === 'OPTIONS' && corsOrigins.length > 0 ? new Response(null, { status: 204 }) : await this.#guarded(() => this.#routed(request))
    if (request.method === 'HEAD') await answer.body?.cancel()
    const response = request.method === 'HEAD' ? new Response(null, answer) : answer
    for (const [name, value] of Object.entries({ ...securityHeaders, ...cross })) if (!response.headers.has(name)) response.headers.set(name, value)
    return response
  }

  /** Ends the streams, and what still runs; the database stays open. */
  close(): void {
    for (const controller of this.#running) controller.abort(new ParqueDBError('CLOSED', 'The server is closing.'))
  }

  async #routed(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    const method = request.method === 'HEAD' ? 'GET' : request.method
    const route = this.routes.find((each) => each.method === method && each.pattern.test(pathname))
    if (route !== undefined) return this.#answer(request, route)
    await this.#authenticate(request)
    const isOpenApi = pathname === `${this.#options.basePath ?? ''}/openapi.json`
    if (isOpenApi && method === 'GET') return Response.json(openApiDocument(this.routes))
    const allow = isOpenApi ? 'GET' : this.routes.flatMap((each) => (each.pattern.test(pathname) ? each.method : [])).join(', ')
    if (allow === '') throw new ParqueDBError('NOT_FOUND', 'There is nothing at this address.')
    throw new ParqueDBError('INVALID_ARGUMENT', `This address takes ${allow}, not ${request.method}.`, { details: { allow } })
  }

  async #guarded(work: () => Promise<Response>): Promise<Response> {
    try {
      return await work()
    } catch (thrown) {
      // Why it was cancelled says more than that it was.
      const error = isParqueDBError(thrown, 'ABORTED') && isParqueDBError(thrown.cause) ? thrown.cause : thrown
      const response = problemResponse(error)
      if (response.status >= 500) this.#options.onError?.(error)
      return response
    }
  }

  async #answer(request: Request, route: Route): Promise<Response> {
    const { timeMsMax, bodyBytesMax, requestsMax, headCharactersMax, idleMsMax, pageItemsMax } = this.#limits
    if (this.#running.size >= requestsMax) throw exceeded('STORAGE_UNAVAILABLE', 'requestsMax', requestsMax)
    const controller = new AbortController()
    const { signal } = controller
    const onEnd = (): void => void this.#running.delete(controller)
    const stopTimer = this.#clock.after(timeMsMax, () => controller.abort(exceeded('ABORTED', 'timeMsMax', timeMsMax)))
    request.signal.addEventListener('abort', () => controller.abort(request.signal.reason), { once: true })
    this.#running.add(controller)
    let goesOn = false
    try {
      const headCharacters = [...request.headers].reduce((sum, [name, value]) => sum + name.length + value.length, request.url.length)
      if (headCharacters > headCharactersMax) throw exceeded('LIMIT_EXCEEDED', 'headCharactersMax', headCharactersMax)
      const principal = await this.#authenticate(request)
      const url = new URL(request.url)
      checkScopes(principal, route.operation, new Map(pathArguments(url, route)).get('ns') ?? url.searchParams.get('ns') ?? undefined)
      const args = await readArguments(request, route, { bodyBytesMax, signal })
      const scope = { purpose: 'token', tenant: principal.tenant }
      const given = request.headers.get('parquedb-token')
      const database = this.#source(given === null ? undefined : await this.#signer.verify(given, scope))
      const call = { route, request, args, database, principal, signer: this.#signer, signal, pageItemsMax }
      const { response, isStream } = await respond(call, await perform(call), { clock: this.#clock, heartbeatMs: this.#options.heartbeatMs ?? heartbeatMsDefault, idleMsMax, controller, onEnd, onError: this.#options.onError })
      const token = database.sessionToken?.()
      if (token !== undefined) response.headers.set('parquedb-token', await this.#signer.sign(token, scope))
      goesOn = isStream
      return response
    } finally {
      stopTimer()
      if (!goesOn) onEnd()
    }
  }
}

/** A server of the database, or of the one that is made for a request's session token. INVALID_ARGUMENT without an `auth`, or for one that cannot be. */
export function createServer(database: Database | ((token: string | undefined) => SessionDatabase), options: ServerOptions): Server {
  return new Server(database, options)
}

function routesOf(basePath: string): Route[] {
  const ways = Object.entries({ ...collectionOperations, ...databaseOperations }).flatMap(([name, operation]) => operation.routes.map((text) => ({ name, operation, words: text.split(' ') })))
  const patternOf = (path: string): RegExp => new RegExp(`^${path.replaceAll(/[^\w/:]/g, String.raw`\$&`).replaceAll(/:\w+/g, '[^/]+')}/?$`)
  return ways.map(({ name, operation, words: [method = '', path = ''] }) => ({ name, operation, method, path: basePath + path, pattern: patternOf(basePath + path) }))
}

/** What a browser wants to know before a page of another origin may ask, or see an answer. */
function crossOriginHeaders({ method, headers }: Request, corsOrigins: readonly string[]): { [name: string]: string } {
  const origin = headers.get('origin') ?? ''
  return {
    vary: 'Origin, Access-Control-Request-Headers',
    'access-control-expose-headers': 'ETag, Location, Parquedb-Token, Retry-After',
    ...(corsOrigins.includes(origin) && { 'access-control-allow-origin': origin }),
    ...(method === 'OPTIONS' && { 'access-control-max-age': '600', 'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE', 'access-control-allow-headers': headers.get('access-control-request-headers') ?? '' }),
  }
}

function secretBytes(secret: string | Uint8Array | undefined, random: Random): Uint8Array {
  const bytes = typeof secret === 'string' ? utf8Encode(secret) : (secret ?? random.bytes(secretBytesMin))
  if (bytes.length >= secretBytesMin) return bytes
  throw new ParqueDBError('INVALID_ARGUMENT', `The secret must have at least ${secretBytesMin} bytes.`, { details: { option: 'secret' } })
}

function exceeded(code: ErrorCode, limit: keyof ServerLimits, most: number): ParqueDBError {
  return new ParqueDBError(code, `The request was refused or ended: ${limit} is ${most}.`, { details: { limit, most } })
}
