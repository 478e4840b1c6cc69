import { assert } from '../base/assert.ts'
import type { Operation } from '../model/operations.ts'
import type { Route } from './read-arguments.ts'

type Schema = { readonly [keyword: string]: unknown }

const text = { type: 'string' }
const flag = { type: 'boolean' }
const count = { type: 'integer', minimum: 0 }
const object = { type: 'object' }
const list = { type: 'array' }
const point = { type: ['string', 'integer', 'object'], description: 'A seq, an ISO 8601 time, or {"version": n} or {"asOf": …} where a version may be given.' }

/** What each argument may be, by its name; it means the same in every operation. */
const argumentSchemas: { readonly [name: string]: Schema } = {
  ns: text, id: text, relationship: { type: ['string', 'array'] }, start: {}, steps: {}, fromId: text, toId: text, depth: count, visited: { enum: ['once', 'path'] }, targets: {}, data: object, events: { ...list, items: object }, edges: { ...list, items: { ...object, required: ['from', 'predicate', 'to'] } }, populate: {}, direction: { enum: ['out', 'in', 'both'] }, path: text, cursor: text, actor: text, reason: text, correlationId: text, causationId: text, target: { type: ['string', 'array'] }, txId: { ...text, maxLength: 256 }, idOrFilter: { type: ['string', 'object'] }, ids: { ...list, items: text },
  document: object, documents: { ...list, items: object }, update: object, filter: object, pipeline: { ...list, items: object }, metadata: object, arrayFilters: { ...list, items: object },
  asOf: point, from: point, to: point, point, version: count, expectedVersion: { type: ['integer', 'string'], description: 'A version, or "absent".' },
  includeDeleted: flag, includeArchived: flag, policy: object, upsert: flag, returnIds: flag, reverse: flag, dryRun: flag, deep: flag,
  skip: count, limit: count, batchSize: count, fromSeq: count, toSeq: count, at: count, sort: { type: ['object', 'array'] }, project: { type: ['object', 'array'] }, op: { type: ['string', 'array'] }, ops: { type: ['string', 'array'] },
  returnDocument: { enum: ['before', 'after'] }, onConflict: { enum: ['error', 'skip', 'replace'] }, operations: { ...list, items: { ...object, required: ['operation', 'ns'] } },
}

const entity = { ...object, description: 'The fields of the database, then the document’s own; Extended JSON.', properties: { $id: text, version: { type: 'integer', minimum: 1 } } }
const problem = { ...object, required: ['type', 'title', 'status', 'detail'], properties: { type: text, title: text, status: { type: 'integer' }, detail: text, code: text, details: object } }
const page = { ...object, required: ['items'], properties: { items: list, cursor: text } }

/** What an answer carries under its name. */
const valueSchemas: { readonly [name: string]: Schema } = { count, value: {}, exists: flag, deleted: flag, values: list, items: list, differences: list }

/** The OpenAPI 3.1 document of the routes. */
export function openApiDocument(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: describeRoute(route) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'ParqueDB', version: '1', description: 'Values are MongoDB’s relaxed Extended JSON; in a query, what is not JSON is text. See docs/guides/http.md.' },
    security: [{ bearer: [] }],
    paths,
    components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } }, schemas: { Entity: entity, Page: page, Problem: problem } },
  }
}

function describeRoute({ name, operation, method, path }: Route): object {
  const inPath = [...path.matchAll(/:(\w+)/g)].map((match) => match[1] ?? '')
  const others = [...operation.args, ...(operation.options ?? '').split(' ')].filter((arg) => arg !== '' && arg !== operation.body && !inPath.includes(arg))
  const hasBody = method !== 'GET' && method !== 'DELETE'
  const inQuery = hasBody && operation.body === undefined ? [] : others
  const bodySchema = operation.body === undefined ? { ...object, properties: Object.fromEntries(others.map((arg) => [arg, schemaOf(arg)])) } : schemaOf(operation.body)
  return {
    operationId: method === 'GET' || operation.routes.length === 1 ? name : `${name}ByPost`,
    description: operation.verbs.length === 0 ? 'Takes the scopes of its operations.' : `Takes the scope ${operation.verbs.join(' and ')}${operation.reach === 'all' ? ', of all collections' : ''}.`,
    parameters: [
      ...inPath.map((arg) => ({ name: arg, in: 'path', required: true, schema: schemaOf(arg) })),
      ...inQuery.map((arg) => ({ name: arg, in: 'query', ...inAddress(schemaOf(arg)) })),
      ...(operation.options?.includes('expectedVersion') === true ? [{ name: 'If-Match', in: 'header', schema: text, description: 'The expected version, as an ETag has it.' }] : []),
      ...(operation.options?.includes('txId') === true ? [{ name: 'Idempotency-Key', in: 'header', schema: text, description: 'The txId.' }] : []),
    ],
    ...(hasBody && { requestBody: { required: operation.body !== undefined, content: { 'application/json': { schema: bodySchema } } } }),
    responses: { ...answerOf(name, operation), default: { description: 'Why not.', content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } } },
  }
}

function schemaOf(arg: string): Schema {
  const schema = argumentSchemas[arg]
  assert(schema !== undefined, `'${arg}' has a schema`)
  return schema
}

/** Objects and lists are JSON in the address, too. */
function inAddress(schema: Schema): object {
  return /object|array/.test(String(schema['type'])) ? { content: { 'application/json': { schema } } } : { schema }
}

function answerOf(name: string, { gives }: Operation): object {
  if (gives === 'nothing') return { 204: { description: 'Done.' } }
  if (gives === 'live') return { 200: { description: 'Events as they come.', content: { 'text/event-stream': { schema: text } } } }
  const lines = { 'application/x-ndjson': { schema: text } }
  if (gives === 'events') return { 200: { description: 'One event a line, then {"$end":true}.', content: lines } }
  const schema = ['entity', 'found', 'page'].includes(gives) ? { $ref: `#/components/schemas/${gives === 'page' ? 'Page' : 'Entity'}` } : gives === 'object' ? object : { ...object, required: [gives], properties: { [gives]: valueSchemas[gives] } }
  return { [name === 'create' ? 201 : 200]: { description: 'The answer.', content: { 'application/json': { schema }, ...(gives === 'page' && lines) } } }
}
