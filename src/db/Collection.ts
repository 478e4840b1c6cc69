import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { DatabaseCollection } from '../model/database.ts'
import type {
  AggregateOptions, ArchiveOptions, AsOfInput, CreateManyOptions, CreateManyResult, DeleteManyResult, Difference, FindOneAndUpdateOptions, FindOneOptions, FindOptions, GetOptions, HistoryEntry,
  HistoryOptions, HistoryPoint, IdempotentOptions, NewDocument, ReadOptions, Replacement, ReplaceOptions, RestoreOptions, RevertOptions, UpdateManyOptions, UpdateManyResult,
  UpdateOptions, VersionedOptions, WriteOptions,
} from '../model/database-options.ts'
import type { EdgeInput, LinkArguments, LinkManyOptions, LinkManyResult, LinkResult, Related, RelatedOptions } from '../model/graph-options.ts'
import { notFound, type Command } from '../model/decide.ts'
import { copyEntity, type Entity } from '../model/entity-document.ts'
import { isLive, parseEntityId, type EntityKey, type EntityState } from '../model/entity.ts'
import type { Filter, Projection, Update } from '../model/filter-types.ts'
import { parsePathOfField } from '../model/path.ts'
import type { ResultCursor } from '../model/ResultCursor.ts'
import type { Document, Value } from '../model/values.ts'
import { parseAsOf, resolveAsOf } from '../query/as-of.ts'
import { checkFlag, checkOptions } from '../model/check-options.ts'
import { distinctValues } from '../query/distinct.ts'
import { explainQuery, type Explanation } from '../query/run-query.ts'
import { parseQuery } from '../query/parse-query.ts'
import { parsePopulate, type PopulateNode } from '../query/populate.ts'
import { planPipeline } from '../query/pipeline/run-pipeline.ts'
import { parsePipeline } from '../query/pipeline/stages.ts'
import { pointReads } from '../query/select-rows.ts'
import { withView } from '../storage/view.ts'
import { createMany } from './create-many.ts'
import { deleteEntities, hasDeletePolicies } from './delete-entities.ts'
import { documentDifferences, entityHistory, parsePoint, restoreEntity, revertEntity, statesAtPoints } from './history.ts'
import { findOneAndUpdate, linksOf, updateCommand, writeMany } from './update-many.ts'
import { aggregateEntities, alongWith, countEntities, findEntities, findFirst } from './find.ts'
import { idempotentOptionNames, parseNewDocument, parseReplacement, parseWrite, versionedOptionNames, writeOptionNames } from './parse-input.ts'
import { linkMany, writeEdges } from './link.ts'
import { countRelatedEntities, relatedEntities } from './graph.ts'
import type { Session } from './session.ts'
import { writeEntity } from './write-entity.ts'

const readOptionNames = ['asOf', 'includeDeleted', 'includeArchived', 'signal'] as const
const getOptionNames = [...readOptionNames, 'populate'] as const
const findOneOptionNames = [...getOptionNames, 'sort', 'skip', 'project'] as const
const findOptionNames = [...findOneOptionNames, 'limit', 'cursor'] as const
const updateOptionNames = [...versionedOptionNames, 'arrayFilters'] as const

/** The documents of one namespace of a database in this process. DatabaseCollection tells what each method promises. */
export class Collection<T extends object = Document> implements DatabaseCollection<T> {
  readonly name: string
  readonly #session: Session

  /** Use `db.collection(name)`. */
  constructor(session: Session, name: string) {
    this.#session = session
    this.name = name
  }

  async create(document: NewDocument<T>, options?: IdempotentOptions): Promise<Entity<T>> {
    const write = parseWrite(this.#session, checkOptions('create', options, idempotentOptionNames))
    const { key, document: own, links } = parseNewDocument(this.#session, this.name, document)
    return this.#entity(key, (await writeEntity(this.#session, { key, command: { kind: 'create', document: own }, links }, write)).after)
  }

  async createMany(documents: Iterable<NewDocument<T>> | AsyncIterable<NewDocument<T>>, options?: CreateManyOptions): Promise<CreateManyResult> {
    return createMany(this.#session, { ns: this.name, documents }, options)
  }

  async get(id: string, options?: GetOptions): Promise<Entity<T> | undefined> {
    const checked = checkOptions('get', options, getOptionNames)
    const state = checked.populate === undefined ? this.#inMemory(id, checked) : 'in files'
    if (state === 'in files') return (await this.#getMany([id], checked))[0]
    return isLive(state) ? copyEntity<T>(this.name, state) : undefined
  }

  async getMany(ids: readonly string[], options?: GetOptions): Promise<(Entity<T> | undefined)[]> {
    if (!Array.isArray(ids)) throw new ParqueDBError('INVALID_ARGUMENT', 'getMany takes an array of ids.')
    return this.#getMany(ids, checkOptions('getMany', options, getOptionNames))
  }

  find(filter: Filter<T> | undefined, options: FindOptions<T> & { project: Projection<T> }): ResultCursor<Partial<Entity<T>>>
  find(filter?: Filter<T>, options?: FindOptions<T>): ResultCursor<Entity<T>>
  find(filter?: Filter<T>, options?: FindOptions<T>): ResultCursor<Entity<T>> {
    const { populate, ...query } = checkOptions('find', options, findOptionNames)
    return findEntities(this.#session, parseQuery(this.name, { ...query, filter }), this.#populate(populate))
  }

  async findOne(filter: Filter<T> | undefined, options: FindOneOptions<T> & { project: Projection<T> }): Promise<Partial<Entity<T>> | undefined>
  async findOne(filter?: Filter<T>, options?: FindOneOptions<T>): Promise<Entity<T> | undefined>
  async findOne(filter?: Filter<T>, options?: FindOneOptions<T>): Promise<Entity<T> | undefined> {
    const { populate, ...query } = checkOptions('findOne', options, findOneOptionNames)
    return findFirst(this.#session, parseQuery(this.name, { ...query, filter }), this.#populate(populate))
  }

  async count(filter?: Filter<T>, options?: ReadOptions): Promise<number> {
    return countEntities(this.#session, parseQuery(this.name, { ...checkOptions('count', options, readOptionNames), filter }))
  }

  async exists(idOrFilter: string | Filter<T>, options?: ReadOptions): Promise<boolean> {
    const checked = checkOptions('exists', options, readOptionNames)
    if (typeof idOrFilter === 'string') return (await this.#getMany([idOrFilter], checked))[0] !== undefined
    return (await findFirst(this.#session, parseQuery(this.name, { ...checked, filter: required(idOrFilter, 'exists'), project: ['$id'] }))) !== undefined
  }

  async distinct(path: (keyof T & string) | (string & {}), filter?: Filter<T>, options?: ReadOptions): Promise<Value[]> {
    const query = parseQuery(this.name, { ...checkOptions('distinct', options, readOptionNames), filter })
    if (typeof path !== 'string') throw new ParqueDBError('INVALID_ARGUMENT', 'distinct takes the path of a field.')
    const { sortDocumentsMax, distinctValuesMax } = this.#session.limits
    const of = { path: parsePathOfField(path), valuesMax: distinctValuesMax }
    return withView(this.#session, (view) => distinctValues(query, { view, sortDocumentsMax }, of), query)
  }

  async explain(filter?: Filter<T>, options?: Omit<FindOptions<T>, 'populate'>): Promise<Explanation> {
    const query = parseQuery(this.name, { ...checkOptions('explain', options, [...readOptionNames, 'sort', 'skip', 'project', 'limit', 'cursor']), filter })
    const { sortDocumentsMax } = this.#session.limits
    return withView(this.#session, (view) => explainQuery(query, { view, sortDocumentsMax }, this.#session.clock), query)
  }

  aggregate<Result extends object = Document>(pipeline: readonly object[], options?: AggregateOptions): ResultCursor<Result> {
    const checked = checkOptions('aggregate', options, ['asOf', 'includeArchived', 'signal'])
    return aggregateEntities<Result>(this.#session, planPipeline(this.name, parsePipeline(pipeline), checked))
  }

  async update(id: string, update: Update<T>, options?: UpdateOptions): Promise<Entity<T>> {
    const { arrayFilters, ...versioned } = checkOptions('update', options, updateOptionNames)
    return this.#write(id, updateCommand(update, { arrayFilters, orCreate: false }), versioned)
  }

  async updateMany(filter: Filter<T>, update: Update<T>, options?: UpdateManyOptions): Promise<UpdateManyResult> {
    const { arrayFilters, ...write } = checkOptions('updateMany', options, [...writeOptionNames, 'arrayFilters'])
    const query = parseQuery(this.name, { filter: required(filter, 'updateMany'), signal: write.signal })
    return writeMany(this.#session, { query, command: updateCommand(update, { arrayFilters, orCreate: false }) }, parseWrite(this.#session, write))
  }

  async replace(id: string, document: Replacement<T>, options?: ReplaceOptions): Promise<Entity<T>> {
    const { upsert, ...versioned } = checkOptions('replace', options, [...versionedOptionNames, 'upsert'])
    const key = this.#key(id)
    const write = parseWrite(this.#session, versioned)
    const { expectedVersion, ...parsed } = parseReplacement(this.#session, key, { input: document, expectedVersion: write.expectedVersion })
    const command: Command = { kind: 'replace', ...parsed, orCreate: checkFlag(upsert, 'upsert') }
    return this.#entity(key, (await writeEntity(this.#session, { key, command }, { ...write, expectedVersion })).after)
  }

  async upsert(id: string, update: Update<T>, options?: UpdateOptions): Promise<Entity<T>> {
    const { arrayFilters, ...versioned } = checkOptions('upsert', options, updateOptionNames)
    return this.#write(id, updateCommand(update, { arrayFilters, orCreate: true }), versioned)
  }

  async findOneAndUpdate(filter: Filter<T>, update: Update<T>, options?: FindOneAndUpdateOptions<T>): Promise<Entity<T> | undefined> {
    return findOneAndUpdate<T>(this.#session, { ns: this.name, filter: required(filter, 'findOneAndUpdate'), update }, options)
  }

  async delete(id: string, options?: VersionedOptions): Promise<boolean> {
    const write = parseWrite(this.#session, checkOptions('delete', options, versionedOptionNames))
    if (hasDeletePolicies(this.#session, this.name)) return (await deleteEntities(this.#session, { keys: [this.#key(id)] }, write)) > 0
    return (await writeEntity(this.#session, { key: this.#key(id), command: { kind: 'delete' } }, write)).isChanged
  }

  async deleteMany(filter: Filter<T>, options?: WriteOptions): Promise<DeleteManyResult> {
    const write = parseWrite(this.#session, checkOptions('deleteMany', options, writeOptionNames))
    const query = parseQuery(this.name, { filter: required(filter, 'deleteMany'), signal: write.signal })
    return { deletedCount: (await writeMany(this.#session, { query, command: { kind: 'delete' } }, write)).modifiedCount }
  }

  async restore(id: string, options?: RestoreOptions): Promise<Entity<T>> {
    const { includeArchived, ...versioned } = checkOptions('restore', options, [...versionedOptionNames, 'includeArchived'])
    const key = this.#key(id)
    const write = parseWrite(this.#session, versioned)
    return this.#entity(key, await restoreEntity(this.#session, { key, includeArchived: checkFlag(includeArchived, 'includeArchived') }, write))
  }

  async link(id: string, relationship: string, ...[to, data, options]: LinkArguments): Promise<LinkResult> {
    return writeEdges(this.#session, { near: this.#key(id), kind: 'link', name: relationship, targets: to, data }, options)
  }

  async unlink(id: string, relationship: string, ...[to, options]: [to: string | readonly string[], options?: VersionedOptions]): Promise<LinkResult> {
    return writeEdges(this.#session, { near: this.#key(id), kind: 'unlink', name: relationship, targets: to }, options)
  }

  async linkMany(edges: Iterable<EdgeInput> | AsyncIterable<EdgeInput>, options?: LinkManyOptions): Promise<LinkManyResult> {
    return linkMany(this.#session, { ns: this.name, edges }, options)
  }

  related<R extends object = Document>(id: string, relationship: string, options?: RelatedOptions<R>): ResultCursor<Related<R>> {
    return relatedEntities<R>(this.#session, this.#key(id), { predicate: relationship, options })
  }

  async countRelated<R extends object = Document>(id: string, relationship: string, options?: RelatedOptions<R>): Promise<number> {
    return countRelatedEntities(this.#session, this.#key(id), { predicate: relationship, options })
  }

  async at(id: string, point: HistoryPoint, options?: ArchiveOptions): Promise<Entity<T> | undefined> {
    const key = this.#key(id)
    if (point === undefined) throw new ParqueDBError('INVALID_ARGUMENT', 'at takes a point in the past: a Date, an ISO string, a seq, { version } or { asOf }.')
    const [state] = await statesAtPoints(this.#session, key, { points: [parsePoint(point, 'point')], options })
    return isLive(state) ? copyEntity<T>(this.name, state) : undefined
  }

  history(id: string, options?: HistoryOptions): ResultCursor<HistoryEntry<T>> {
    return entityHistory<T>(this.#session, this.#key(id), options)
  }

  async diff(id: string, from: HistoryPoint, ...[to, options]: [to?: HistoryPoint, options?: ArchiveOptions]): Promise<Difference[]> {
    const key = this.#key(id)
    if (from === undefined) throw new ParqueDBError('INVALID_ARGUMENT', "diff takes a point in the past: a Date, an ISO string, a seq, { version } or { asOf }.")
    const [before, after] = await statesAtPoints(this.#session, key, { points: [parsePoint(from, 'from'), parsePoint(to, 'to')], options })
    if (before === undefined && after === undefined) throw notFound(undefined, key)
    return documentDifferences(before?.document ?? {}, after?.document ?? {})
  }

  async revert(id: string, options: RevertOptions): Promise<Entity<T>> {
    const { asOf, version, includeArchived, ...versioned } = checkOptions<{ asOf?: AsOfInput; version?: number } & ArchiveOptions & VersionedOptions>('revert', options, [...versionedOptionNames, 'asOf', 'version', 'includeArchived'])
    const key = this.#key(id)
    return this.#entity(key, await revertEntity(this.#session, { key, point: parsePoint({ asOf, version }, 'options'), includeArchived }, parseWrite(this.#session, versioned)))
  }

  /** What memory tells without waiting, which is most of what is read again; 'in files' also where only a wait can tell. */
  #inMemory(id: string, options: ReadOptions): EntityState | undefined | 'in files' {
    const key = this.#key(id)
    const { asOf, signal } = options
    if (signal?.aborted === true || checkFlag(options.includeDeleted, 'includeDeleted')) return 'in files'
    const parsed = parseAsOf(asOf)
    const view = this.#session.viewNow({ includeArchived: checkFlag(options.includeArchived, 'includeArchived') })
    if (view === undefined) return 'in files'
    try {
      return view.inMemory(key, resolveAsOf(parsed, view))
    } finally {
      view.release()
    }
  }

  async #getMany(ids: readonly string[], options: GetOptions): Promise<(Entity<T> | undefined)[]> {
    const keys = ids.map((id) => this.#key(id))
    const includeDeleted = checkFlag(options.includeDeleted, 'includeDeleted')
    const parsed = parseAsOf(options.asOf)
    const includeArchived = checkFlag(options.includeArchived, 'includeArchived')
    const nodes = this.#populate(options.populate)
    return withView(this.#session, async (view) => {
      const entities: (Entity<T> | undefined)[] = []
      for await (const states of pointReads(view, keys, { asOf: resolveAsOf(parsed, view), signal: options.signal })) {
        const shown = states.map((state) => (state === undefined || (state.deletedAt !== undefined && !includeDeleted) ? undefined : state))
        const along = await alongWith(shown.flatMap((state) => (state === undefined ? [] : [{ ns: this.name, id: state.id }])), nodes, { session: this.#session, view, asOf: parsed, signal: options.signal })
        for (const state of shown) entities.push(state === undefined ? undefined : along({ ns: this.name, id: state.id }, copyEntity<T>(this.name, state)))
      }
      return entities
    }, { includeArchived })
  }

  async #write(id: string, command: Command, options: VersionedOptions): Promise<Entity<T>> {
    const key = this.#key(id)
    return this.#entity(key, (await writeEntity(this.#session, { key, command, links: linksOf(this.#session, command, key) }, parseWrite(this.#session, options))).after)
  }

  #populate(input: unknown): PopulateNode[] {
    return parsePopulate(this.#session.relations, { ns: this.name }, input)
  }

  #key(id: string): EntityKey {
    return { ns: this.name, id: parseEntityId(id, this.name) }
  }

  #entity(key: EntityKey, state: EntityState | undefined): Entity<T> {
    if (state === undefined) throw notFound(state, key)
    return copyEntity<T>(this.name, state)
  }
}

/** A filter that changes or deletes, or stands where an id may, must be written out: a forgotten one would be everything. */
function required(filter: unknown, method: string): unknown {
  if (filter === undefined) throw new ParqueDBError('INVALID_ARGUMENT', `${method} needs a filter; {} is every entity.`)
  return filter
}
