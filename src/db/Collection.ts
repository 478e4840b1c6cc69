import { ParqueDBError } from '../base/ParqueDBError.ts'
import { notFound, type Command } from '../model/decide.ts'
import { copyEntity, type Entity, type EntityFields } from '../model/entity-document.ts'
import { parseEntityId } from '../model/entity-id.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { Filter, Projection, Sort, Update } from '../model/filter-types.ts'
import { parseFieldPath } from '../model/path.ts'
import type { Document, Value } from '../model/values.ts'
import { parseAsOf, resolveAsOf, type AsOfInput } from '../query/as-of.ts'
import { checkFlag, checkOptions } from '../query/check-options.ts'
import { distinctValues } from '../query/distinct.ts'
import { explainQuery, type Explanation } from '../query/explain.ts'
import { parseQuery } from '../query/parse-query.ts'
import { pointReads } from '../query/point-reads.ts'
import { createMany, type CreateManyOptions, type CreateManyResult } from './create-many.ts'
import { documentDifferences, type Difference } from './document-differences.ts'
import { findOneAndUpdate, type FindOneAndUpdateOptions } from './find-one-and-update.ts'
import { countEntities, findEntities, findFirst } from './find.ts'
import { entityHistory, parsePoint, statesAtPoints, type HistoryEntry, type HistoryOptions, type HistoryPoint } from './history.ts'
import { parseNewDocument, parseReplacement } from './parse-input.ts'
import type { ResultCursor } from './ResultCursor.ts'
import { restoreEntity, revertEntity } from './restore.ts'
import { withView, type Session } from './session.ts'
import { updateCommand, writeMany, type DeleteManyResult, type UpdateManyResult } from './update-many.ts'
import { writeEntity } from './write-entity.ts'
import { idempotentOptionNames, parseWrite, versionedOptionNames, writeOptionNames } from './write-options.ts'
import type { IdempotentOptions, VersionedOptions, WriteOptions } from './write-options.ts'

/** What `create` takes: the document's own fields, and its id where it is not to be generated. */
export type NewDocument<T extends object = Document> = Omit<T, keyof EntityFields> & { $id?: string }

/** What `replace` takes: a new document, or an entity that was read and changed. */
export type Replacement<T extends object = Document> = Omit<T, keyof EntityFields> & Partial<EntityFields>

export interface ReadOptions {
  /** A point in the past: a Date, an ISO 8601 string, or a seq. Default: now. */
  asOf?: AsOfInput
  /** Whether to bring deleted entities, which have `deletedAt` and no fields of their own. Default false. */
  includeDeleted?: boolean
  signal?: AbortSignal
}

export interface FindOneOptions<T extends object = Document> extends ReadOptions {
  /** Default, and where the keys leave it open: ascending by the UTF-8 bytes of the id. */
  sort?: Sort<T>
  /** Results to leave out at the start, before the first page. */
  skip?: number
  project?: Projection<T>
}

export interface FindOptions<T extends object = Document> extends FindOneOptions<T> {
  /** At least 1. Default: all; for page() 100. */
  limit?: number
  /** Of a page of the same query: goes on behind it. */
  cursor?: string
}

export interface UpdateOptions extends VersionedOptions {
  /** Conditions on the elements that `$[name]` in a path stands for. */
  arrayFilters?: readonly object[]
}

export interface UpdateManyOptions extends WriteOptions {
  arrayFilters?: readonly object[]
}

export interface ReplaceOptions extends VersionedOptions {
  /** Whether to create the entity where it is absent. Default false: NOT_FOUND. */
  upsert?: boolean
}

export type RevertOptions = VersionedOptions & ({ asOf: AsOfInput; version?: never } | { version: number; asOf?: never })

const readOptionNames = ['asOf', 'includeDeleted', 'signal'] as const
const findOneOptionNames = [...readOptionNames, 'sort', 'skip', 'project'] as const
const findOptionNames = [...findOneOptionNames, 'limit', 'cursor'] as const
const updateOptionNames = [...versionedOptionNames, 'arrayFilters'] as const

/**
 * The documents of one namespace. Ids are given as 'abc' or 'posts/abc'. What is returned is the caller's own copy: changing it changes nothing
 * stored. A write resolves when it is durable, and every later read sees it. Unknown options are INVALID_ARGUMENT, unknown operators INVALID_FILTER or INVALID_UPDATE; nothing is ignored.
 */
export class Collection<T extends object = Document> {
  readonly name: string
  readonly #session: Session

  /** Use `db.collection(name)`. */
  constructor(session: Session, name: string) {
    this.#session = session
    this.name = name
  }

  /** A new entity, with a generated ULID unless the document brings its `$id`. ALREADY_EXISTS; the id of a deleted entity may be used again. */
  async create(document: NewDocument<T>, options?: IdempotentOptions): Promise<Entity<T>> {
    const write = parseWrite(this.#session, checkOptions('create', options, idempotentOptionNames))
    const { key, document: own } = parseNewDocument(this.#session, this.name, document)
    const { after } = await writeEntity(this.#session, { key, command: { kind: 'create', document: own } }, write)
    return this.#entity(key, after)
  }

  /** Many new entities, in commits of up to 1,000, from an array, an iterable or an async iterable, in bounded memory. See CreateManyOptions. */
  async createMany(documents: Iterable<NewDocument<T>> | AsyncIterable<NewDocument<T>>, options?: CreateManyOptions): Promise<CreateManyResult> {
    return createMany(this.#session, { ns: this.name, documents }, options)
  }

  /** The entity, or undefined where it is absent or deleted. */
  async get(id: string, options?: ReadOptions): Promise<Entity<T> | undefined> {
    const [entity] = await this.#getMany([id], checkOptions('get', options, readOptionNames))
    return entity
  }

  /** The entities of these ids, in their order, undefined where one is absent; all from one state of the database. */
  async getMany(ids: readonly string[], options?: ReadOptions): Promise<(Entity<T> | undefined)[]> {
    if (!Array.isArray(ids)) throw new ParqueDBError('INVALID_ARGUMENT', 'getMany takes an array of ids.')
    return this.#getMany(ids, checkOptions('getMany', options, readOptionNames))
  }

  /** What the filter finds; nothing is read before it is asked for. Both arguments are checked at once: a bad one is thrown from here. */
  find(filter: Filter<T> | undefined, options: FindOptions<T> & { project: Projection<T> }): ResultCursor<Partial<Entity<T>>>
  find(filter?: Filter<T>, options?: FindOptions<T>): ResultCursor<Entity<T>>
  find(filter?: Filter<T>, options?: FindOptions<T>): ResultCursor<Entity<T>> {
    return findEntities(this.#session, parseQuery(this.name, { ...checkOptions('find', options, findOptionNames), filter }))
  }

  /** The first entity that the filter finds, or undefined. */
  async findOne(filter: Filter<T> | undefined, options: FindOneOptions<T> & { project: Projection<T> }): Promise<Partial<Entity<T>> | undefined>
  async findOne(filter?: Filter<T>, options?: FindOneOptions<T>): Promise<Entity<T> | undefined>
  async findOne(filter?: Filter<T>, options?: FindOneOptions<T>): Promise<Entity<T> | undefined> {
    return findFirst(this.#session, parseQuery(this.name, { ...checkOptions('findOne', options, findOneOptionNames), filter }))
  }

  /** How many entities the filter finds. */
  async count(filter?: Filter<T>, options?: ReadOptions): Promise<number> {
    return countEntities(this.#session, parseQuery(this.name, { ...checkOptions('count', options, readOptionNames), filter }))
  }

  /** Whether an entity of this id, or any that the filter finds, is there. */
  async exists(idOrFilter: string | Filter<T>, options?: ReadOptions): Promise<boolean> {
    const checked = checkOptions('exists', options, readOptionNames)
    if (typeof idOrFilter === 'string') return (await this.#getMany([idOrFilter], checked))[0] !== undefined
    return (await findFirst(this.#session, parseQuery(this.name, { ...checked, filter: idOrFilter, project: ['$id'] }))) !== undefined
  }

  /** The different values at a path, in BSON's order; of an array its elements. */
  async distinct(path: (keyof T & string) | (string & {}), filter?: Filter<T>, options?: ReadOptions): Promise<Value[]> {
    const query = parseQuery(this.name, { ...checkOptions('distinct', options, readOptionNames), filter })
    if (typeof path !== 'string') throw new ParqueDBError('INVALID_ARGUMENT', 'distinct takes the path of a field.')
    const { sortDocumentsMax, distinctValuesMax } = this.#session.limits
    const of = { path: parseFieldPath(path), valuesMax: distinctValuesMax }
    return withView(this.#session, (view) => distinctValues(query, { view, sortDocumentsMax }, of))
  }

  /** How a query is answered: it is run, and its results are dropped. */
  async explain(filter?: Filter<T>, options?: FindOptions<T>): Promise<Explanation> {
    const query = parseQuery(this.name, { ...checkOptions('explain', options, findOptionNames), filter })
    const { sortDocumentsMax } = this.#session.limits
    return withView(this.#session, (view) => explainQuery(query, { view, sortDocumentsMax }))
  }

  /** Applies update operators and gives the entity after it. NOT_FOUND. An update that changes nothing writes nothing. */
  async update(id: string, update: Update<T>, options?: UpdateOptions): Promise<Entity<T>> {
    const { arrayFilters, ...versioned } = checkOptions('update', options, updateOptionNames)
    return this.#write(id, updateCommand(update, { arrayFilters, orCreate: false }), versioned)
  }

  /** Applies update operators to every entity that the filter finds, in commits of up to 1,000; in a transaction as one. */
  async updateMany(filter: Filter<T>, update: Update<T>, options?: UpdateManyOptions): Promise<UpdateManyResult> {
    const { arrayFilters, ...write } = checkOptions('updateMany', options, [...writeOptionNames, 'arrayFilters'])
    const query = parseQuery(this.name, { filter: required(filter, 'updateMany'), signal: write.signal })
    return writeMany(this.#session, { query, command: updateCommand(update, { arrayFilters, orCreate: false }) }, parseWrite(this.#session, write))
  }

  /** Puts another document in the entity's place. An entity that was read may be given back as it is: its `version` is then the expected one. NOT_FOUND, unless `upsert`. */
  async replace(id: string, document: Replacement<T>, options?: ReplaceOptions): Promise<Entity<T>> {
    const { upsert, ...versioned } = checkOptions('replace', options, [...versionedOptionNames, 'upsert'])
    const key = this.#key(id)
    const write = parseWrite(this.#session, versioned)
    const { expectedVersion, ...parsed } = parseReplacement(this.#session, key, { input: document, expectedVersion: write.expectedVersion })
    const command: Command = { kind: 'replace', ...parsed, orCreate: checkFlag(upsert, 'upsert') }
    const { after } = await writeEntity(this.#session, { key, command }, { ...write, expectedVersion })
    return this.#entity(key, after)
  }

  /** Applies update operators, and creates the entity with them (and $setOnInsert) where it is absent. */
  async upsert(id: string, update: Update<T>, options?: UpdateOptions): Promise<Entity<T>> {
    const { arrayFilters, ...versioned } = checkOptions('upsert', options, updateOptionNames)
    return this.#write(id, updateCommand(update, { arrayFilters, orCreate: true }), versioned)
  }

  /** Updates the first entity that the filter finds, and gives it as it was before, or after it with `returnDocument: 'after'`; undefined when nothing is found. */
  async findOneAndUpdate(filter: Filter<T>, update: Update<T>, options?: FindOneAndUpdateOptions<T>): Promise<Entity<T> | undefined> {
    return findOneAndUpdate<T>(this.#session, { ns: this.name, filter: required(filter, 'findOneAndUpdate'), update }, options)
  }

  /** Deletes the entity: it is gone from reads, its history stays, and restore() brings it back. False when there was none. */
  async delete(id: string, options?: VersionedOptions): Promise<boolean> {
    const write = parseWrite(this.#session, checkOptions('delete', options, versionedOptionNames))
    const { isChanged } = await writeEntity(this.#session, { key: this.#key(id), command: { kind: 'delete' } }, write)
    return isChanged
  }

  /** Deletes every entity that the filter finds, in commits of up to 1,000; `{}` for all of them. */
  async deleteMany(filter: Filter<T>, options?: WriteOptions): Promise<DeleteManyResult> {
    const write = parseWrite(this.#session, checkOptions('deleteMany', options, writeOptionNames))
    const query = parseQuery(this.name, { filter: required(filter, 'deleteMany'), signal: write.signal })
    const { modifiedCount } = await writeMany(this.#session, { query, command: { kind: 'delete' } }, write)
    return { deletedCount: modifiedCount }
  }

  /** Brings a deleted entity back as it was last, as its next version; gives one that lives as it is. NOT_FOUND. */
  async restore(id: string, options?: VersionedOptions): Promise<Entity<T>> {
    const key = this.#key(id)
    const write = parseWrite(this.#session, checkOptions('restore', options, versionedOptionNames))
    return this.#entity(key, await restoreEntity(this.#session, key, write))
  }

  /** Every change of the entity, oldest first, with the entity before and after it. Empty where it never was. */
  history(id: string, options?: HistoryOptions): ResultCursor<HistoryEntry<T>> {
    return entityHistory<T>(this.#session, this.#key(id), options)
  }

  /** Where the entity's own fields differ between two points of its history; `to` is now when it is left out. Where it was absent it had no fields. NOT_FOUND where it was at neither. */
  async diff(id: string, from: HistoryPoint, to?: HistoryPoint): Promise<Difference[]> {
    const key = this.#key(id)
    if (from === undefined) throw new ParqueDBError('INVALID_ARGUMENT', "diff takes a point in the past: a Date, an ISO string, a seq, { version } or { asOf }.")
    const [before, after] = await statesAtPoints(this.#session, key, [parsePoint(from, 'from'), parsePoint(to, 'to')])
    if (before === undefined && after === undefined) throw notFound(undefined, key)
    return documentDifferences(before?.document ?? {}, after?.document ?? {})
  }

  /** Makes the entity's own fields what they were at a version or at a time, as its next version. NOT_FOUND where it was absent then. */
  async revert(id: string, options: RevertOptions): Promise<Entity<T>> {
    const { asOf, version, ...versioned } = checkOptions<{ asOf?: AsOfInput; version?: number } & VersionedOptions>('revert', options, [...versionedOptionNames, 'asOf', 'version'])
    const key = this.#key(id)
    const point = parsePoint({ asOf, version }, 'options')
    return this.#entity(key, await revertEntity(this.#session, { key, point }, parseWrite(this.#session, versioned)))
  }

  async #getMany(ids: readonly string[], options: ReadOptions): Promise<(Entity<T> | undefined)[]> {
    const keys = ids.map((id) => this.#key(id))
    const includeDeleted = checkFlag(options.includeDeleted, 'includeDeleted')
    const parsed = parseAsOf(options.asOf)
    return withView(this.#session, async (view) => {
      const entities: (Entity<T> | undefined)[] = []
      for await (const states of pointReads(view, keys, { asOf: resolveAsOf(parsed, view), signal: options.signal })) {
        for (const state of states) entities.push(state === undefined || (state.deletedAt !== undefined && !includeDeleted) ? undefined : copyEntity<T>(this.name, state))
      }
      return entities
    })
  }

  async #write(id: string, command: Command, options: VersionedOptions): Promise<Entity<T>> {
    const key = this.#key(id)
    const { after } = await writeEntity(this.#session, { key, command }, parseWrite(this.#session, options))
    return this.#entity(key, after)
  }

  #key(id: string): EntityKey {
    return { ns: this.name, id: parseEntityId(id, this.name) }
  }

  #entity(key: EntityKey, state: EntityState | undefined): Entity<T> {
    if (state === undefined) throw notFound(state, key)
    return copyEntity<T>(this.name, state)
  }
}

/** A filter that changes or deletes must be written out: a forgotten one would be everything. */
function required(filter: unknown, method: string): unknown {
  if (filter === undefined) throw new ParqueDBError('INVALID_ARGUMENT', `${method} needs a filter; {} is every entity.`)
  return filter
}
