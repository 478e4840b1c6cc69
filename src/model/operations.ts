import type { Database, DatabaseCollection } from './database.ts'

export type Verb = 'read' | 'write' | 'admin'

/** How one method of a database goes over HTTP. The server's routes, what they ask of a caller, the OpenAPI document and the client's methods are made from these. */
export interface Operation {
  /** A method and a path, in which `:name` is an argument; of several ways in, the client takes the last. */
  readonly routes: readonly string[]
  /** What the caller must be allowed to do in the namespace: also 'read' where the answer shows what it did not bring itself. */
  readonly verbs: readonly Verb[]
  /** 'all': the answer may hold entities of any namespace, so the verbs are asked for the whole database. */
  readonly reach?: 'all'
  /** The method's parameters in order. */
  readonly args: readonly string[]
  /** The parameter that is the whole body. Without one the body is an object of arguments by name, and a GET has them in its query. */
  readonly body?: string
  /** Names that the method's last parameter, its options, may have; undefined where it takes none. */
  readonly options?: string
  /**
   * The answer: 'entity', 'found' (an entity, or 404 for undefined), 'page' (a page as JSON, all of it as NDJSON), 'events' (NDJSON), 'live' (server-sent events), 'nothing', 'object', or
   * the name under which an object carries the value.
   */
  readonly gives: string
}

const stamp = 'actor metadata reason correlationId causationId'
const write = `txId ${stamp}`
const versioned = `${write} expectedVersion`
const read = 'asOf includeDeleted includeArchived'
const get = `${read} populate`
const findOne = `${get} sort skip project`
const relatedOptions = 'direction filter sort limit cursor populate asOf includeArchived'
const entity = '/collections/:ns/entities/:id'

/** A question: arguments in the query of a GET, or, where they are long or many, in the body of a POST. */
const asked = (name: string): readonly string[] => [`GET /collections/:ns/${name}`, `POST /collections/:ns/${name}`]

export const collectionOperations = {
  create: { routes: ['POST /collections/:ns/entities'], verbs: ['write'], args: ['document'], body: 'document', options: write, gives: 'entity' },
  createMany: { routes: ['POST /collections/:ns/create-many'], verbs: ['write'], args: ['documents'], options: `${write} batchSize onConflict returnIds`, gives: 'object' },
  get: { routes: [`GET ${entity}`], verbs: ['read'], args: ['id'], options: get, gives: 'found' },
  getMany: { routes: asked('get-many'), verbs: ['read'], args: ['ids'], options: get, gives: 'items' },
  find: { routes: ['GET /collections/:ns/entities', 'POST /collections/:ns/query'], verbs: ['read'], args: ['filter'], options: `${findOne} limit cursor`, gives: 'page' },
  findOne: { routes: asked('find-one'), verbs: ['read'], args: ['filter'], options: findOne, gives: 'found' },
  count: { routes: asked('count'), verbs: ['read'], args: ['filter'], options: read, gives: 'count' },
  exists: { routes: asked('exists'), verbs: ['read'], args: ['idOrFilter'], options: read, gives: 'exists' },
  distinct: { routes: asked('distinct'), verbs: ['read'], args: ['path', 'filter'], options: read, gives: 'values' },
  explain: { routes: asked('explain'), verbs: ['read'], args: ['filter'], options: `${read} sort skip project limit cursor`, gives: 'object' },
  aggregate: { routes: asked('aggregate'), verbs: ['read'], args: ['pipeline'], options: 'asOf includeArchived', gives: 'page' },
  update: { routes: [`PATCH ${entity}`], verbs: ['read', 'write'], args: ['id', 'update'], body: 'update', options: `${versioned} arrayFilters`, gives: 'entity' },
  updateMany: { routes: ['POST /collections/:ns/update-many'], verbs: ['read', 'write'], args: ['filter', 'update'], options: `${stamp} arrayFilters`, gives: 'object' },
  replace: { routes: [`PUT ${entity}`], verbs: ['read', 'write'], args: ['id', 'document'], body: 'document', options: `${versioned} upsert`, gives: 'entity' },
  upsert: { routes: [`POST ${entity}/upsert`], verbs: ['read', 'write'], args: ['id', 'update'], body: 'update', options: `${versioned} arrayFilters`, gives: 'entity' },
  findOneAndUpdate: { routes: ['POST /collections/:ns/find-one-and-update'], verbs: ['read', 'write'], args: ['filter', 'update'], options: `${stamp} sort project returnDocument arrayFilters`, gives: 'found' },
  delete: { routes: [`DELETE ${entity}`], verbs: ['write'], args: ['id'], options: versioned, gives: 'deleted' },
  deleteMany: { routes: ['POST /collections/:ns/delete-many'], verbs: ['read', 'write'], args: ['filter'], options: stamp, gives: 'object' },
  restore: { routes: [`POST ${entity}/restore`], verbs: ['read', 'write'], args: ['id'], options: `${versioned} includeArchived`, gives: 'entity' },
  link: { routes: [`POST ${entity}/link`], verbs: ['write'], args: ['id', 'relationship', 'targets', 'data'], options: versioned, gives: 'object' },
  unlink: { routes: [`POST ${entity}/unlink`], verbs: ['write'], args: ['id', 'relationship', 'targets'], options: versioned, gives: 'object' },
  linkMany: { routes: ['POST /collections/:ns/link-many'], verbs: ['write'], args: ['edges'], options: `${write} batchSize`, gives: 'object' },
  related: { routes: [`GET ${entity}/related/:relationship`, `POST ${entity}/related/:relationship`], verbs: ['read'], reach: 'all', args: ['id', 'relationship'], options: relatedOptions, gives: 'page' },
  countRelated: { routes: [`GET ${entity}/count-related/:relationship`], verbs: ['read'], reach: 'all', args: ['id', 'relationship'], options: relatedOptions, gives: 'count' },
  history: { routes: [`GET ${entity}/history`], verbs: ['read'], args: ['id'], options: 'from to actor op limit cursor reverse includeArchived', gives: 'page' },
  at: { routes: [`GET ${entity}/at`], verbs: ['read'], args: ['id', 'point'], options: 'includeArchived', gives: 'found' },
  diff: { routes: [`GET ${entity}/diff`], verbs: ['read'], args: ['id', 'from', 'to'], options: 'includeArchived', gives: 'differences' },
  revert: { routes: [`POST ${entity}/revert`], verbs: ['read', 'write'], args: ['id'], options: `${versioned} asOf version includeArchived`, gives: 'entity' },
} as const satisfies Record<Exclude<keyof DatabaseCollection, 'name'>, Operation>

export const databaseOperations = {
  collections: { routes: ['GET /collections'], verbs: ['read'], args: [], options: '', gives: 'items' },
  traverse: { routes: ['POST /traverse'], verbs: ['read'], reach: 'all', args: ['start', 'steps'], options: 'depth limit filter visited asOf includeArchived', gives: 'page' },
  shortestPath: { routes: ['POST /shortest-path'], verbs: ['read'], reach: 'all', args: ['fromId', 'toId'], options: 'relationship direction depth asOf includeArchived', gives: 'entities' },
  events: { routes: ['GET /events'], verbs: ['read'], args: [], options: 'ns fromSeq toSeq from to op actor correlationId causationId includeArchived', gives: 'events' },
  importEvents: { routes: ['POST /events'], verbs: ['admin'], args: ['events'], gives: 'object' },
  subscribe: { routes: ['GET /subscribe'], verbs: ['read'], args: [], options: 'ns fromSeq ops', gives: 'live' },
  transaction: { routes: ['POST /transactions'], verbs: [], args: ['operations'], options: 'txId actor dryRun at', gives: 'object' },
  stats: { routes: ['GET /stats'], verbs: ['admin'], args: [], gives: 'object' },
  flush: { routes: ['POST /flush'], verbs: ['admin'], args: [], gives: 'nothing' },
  compact: { routes: ['POST /compact'], verbs: ['admin'], args: [], options: '', gives: 'nothing' },
  retain: { routes: ['POST /retain'], verbs: ['admin'], args: [], options: 'policy dryRun', gives: 'object' },
  erase: { routes: ['POST /erase'], verbs: ['admin'], args: ['target'], options: 'reason actor', gives: 'object' },
  checkpoint: { routes: ['POST /checkpoint'], verbs: ['admin'], args: [], gives: 'value' },
  verify: { routes: ['POST /verify'], verbs: ['admin'], args: [], options: 'deep', gives: 'object' },
} as const satisfies Record<Exclude<keyof Database, 'as' | 'collection' | 'close' | 'tenant' | symbol>, Operation>
