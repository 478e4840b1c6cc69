import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { Server } from '../src/server/Server.ts'

/*
 * Holds every answer of a server to the OpenAPI document that it serves: the status is described, so is the content type, the body fits the schema, and lines are JSON with an end mark.
 * What does not is a 599, which no caller takes for an answer, and `problems` tells of it.
 */

interface Described {
  readonly method: string
  readonly path: RegExp
  readonly responses: { readonly [status: string]: { readonly content?: { readonly [type: string]: { readonly schema: object } } } }
}

export class CheckedServer {
  readonly problems: string[] = []
  /** Answers that were held to the document, by their operation. */
  readonly checked = new Map<string, number>()
  readonly #server: Server
  readonly #validators = new Map<object, ValidateFunction>()
  #operations: Promise<readonly Described[]> | undefined
  #ajv = new Ajv2020({ strict: false })

  constructor(server: Server) {
    this.#server = server
  }

  readonly fetch = async (request: Request): Promise<Response> => {
    const { method, url } = request
    const response = await this.#server.fetch(request)
    const { pathname } = new URL(url)
    const described = (await (this.#operations ??= this.#describe())).find((each) => each.method === method && each.path.test(pathname))
    if (described === undefined) return response
    const problem = await this.#problemOf(response, described)
    this.checked.set(`${method} ${described.path.source}`, (this.checked.get(`${method} ${described.path.source}`) ?? 0) + 1)
    if (problem === undefined) return response
    this.problems.push(`${method} ${pathname} ${response.status}: ${problem}`)
    return new Response(problem, { status: 599 })
  }

  close(): void {
    this.#server.close()
  }

  async #describe(): Promise<readonly Described[]> {
    const document = (await (await this.#server.fetch(new Request('http://server/openapi.json'))).json()) as { paths: Record<string, Record<string, Pick<Described, 'responses'>>>; components: object }
    this.#ajv.addSchema({ $id: 'openapi', components: document.components })
    return Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { responses }]) => ({ method: method.toUpperCase(), path: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`), responses })),
    )
  }

  async #problemOf(response: Response, { responses }: Described): Promise<string | undefined> {
    const { content = {} } = responses[response.status] ?? (response.status >= 400 ? responses['default'] : undefined) ?? { content: undefined }
    if (responses[response.status] === undefined && response.status < 400) return 'the status is not described'
    const type = (response.headers.get('content-type') ?? '').split(';')[0] ?? ''
    if (Object.keys(content).length === 0) return (await response.clone().text()) === '' ? undefined : 'it has a body, and none is described'
    const media = content[type]
    if (media === undefined) return `the content type '${type}' is not described`
    if (type === 'text/event-stream') return undefined
    const text = await response.clone().text()
    const isLines = type === 'application/x-ndjson'
    const validate = this.#validator(media.schema)
    if (!validate(isLines ? text : JSON.parse(text))) return `${text.slice(0, 200)} does not fit: ${this.#ajv.errorsText(validate.errors)}`
    const last = isLines ? text.trimEnd().split('\n').map((line) => JSON.parse(line) as object).at(-1) : undefined
    return last === undefined || '$end' in last || '$error' in last ? undefined : 'the last line is no end mark'
  }

  #validator(schema: object): ValidateFunction {
    const known = this.#validators.get(schema)
    if (known !== undefined) return known
    const made = this.#ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/components/', '"openapi#/components/')) as object)
    this.#validators.set(schema, made)
    return made
  }
}
