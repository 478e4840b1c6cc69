import { listAt } from '../../base/list-at.ts'
import type { Direction } from '../../model/edge.ts'
import { validateNamespace, validatePredicate } from '../../model/entity.ts'
import { compareValues, typeRank } from '../../model/compare.ts'
import { compileFilter } from '../../model/filter/compile-filter.ts'
import { filterFields } from '../../model/filter/filter-node.ts'
import { parseFilter } from '../../model/filter/parse-filter.ts'
import { describe, isPlainObject } from '../../model/parse-document.ts'
import { parsePathOfField, type FieldPath } from '../../model/path.ts'
import { compareBySort, parseSort, type SortKey } from '../../model/sort.ts'
import { cloneValue, type Document, type Value } from '../../model/values.ts'
import { identityOf } from '../Alike.ts'
import { collectValues } from '../distinct.ts'
import { windowed } from '../windowed.ts'
import { makeAccumulator } from './accumulators.ts'
import { compileExpression, fieldOf, valueAt, type Expression, type Place } from './expression.ts'
import { Grouping, type ColumnInput, type GroupField, type GroupSpec } from './Grouping.ts'
import { checkFieldName, constant, optionsOf, placed } from './operands.ts'
import { Holding, pipelineError } from './pipeline-error.ts'
import { compileAddFields, compileProject, pathToMake, withField, type Reshaping } from './reshape.ts'

type Batches = AsyncIterable<readonly Document[]>

/** What entities are joined with by their edges. */
export interface EdgeLookup {
  readonly relationship: string
  readonly direction: Direction | undefined
  readonly filter: unknown
  readonly sort: unknown
  readonly limit: number | undefined
}

export interface PipelineRun {
  readonly holding: Holding
  /** Documents of another collection that a filter finds. */
  readonly find: (ns: string, filter: Document) => Batches
  /** Copies of the entities that the edges of these lead to, by the `$id`s of these. */
  readonly related: (ids: readonly string[], lookup: EdgeLookup) => Promise<ReadonlyMap<string, readonly Document[]>>
  /** A number from 0 on and below 1. */
  readonly random: () => number
}

export interface Stage {
  readonly name: string
  readonly operand: unknown
  /** Top-level fields that it reads. */
  readonly reads: ReadonlySet<string>
  /** Whether what follows sees only what this stage makes. */
  readonly isClosed: boolean
  /** Of $group, and of what is one in disguise. */
  readonly group?: GroupSpec
  readonly run: (input: Batches, run: PipelineRun) => Batches
}

const stagesMax = 100

/** Checks a pipeline wholly. INVALID_ARGUMENT names the stage and the path; INVALID_FILTER comes from a $match. */
export function parsePipeline(input: unknown): Stage[] {
  if (!Array.isArray(input)) throw pipelineError({ stage: 'aggregate' }, `needs an array of stages, not ${describe(input)}`)
  if (input.length > stagesMax) throw pipelineError({ stage: 'aggregate' }, `takes at most ${stagesMax} stages`)
  return input.flatMap((given: unknown) => {
    const [name, ...others] = isPlainObject(given) ? Object.keys(given) : []
    if (!isPlainObject(given) || name === undefined || others.length > 0) throw pipelineError({ stage: name ?? 'a stage' }, 'must be an object with one stage in it')
    const operand = given[name]
    // Its groups, and their order.
    if (name === '$sortByCount') return [parseStage('$group', { _id: operand, count: { $sum: 1 } }), parseStage('$sort', { count: -1 })]
    return [placed({ stage: name }, () => parseStage(name, operand))]
  })
}

/** A stage before its operand is read. */
type Unread = Omit<Stage, 'run' | 'group'>

const stageParsers: { readonly [name: string]: (stage: Unread) => Stage } = {
  $match(stage) {
    const filter = parseFilter(stage.operand)
    const matches = compileFilter(filter)
    return { ...stage, reads: filterFields(filter), run: (input) => mapped(input, (documents) => documents.filter(matches)) }
  },
  $project: (stage) => reshaping(stage, compileProject(stage.operand)),
  $addFields: (stage) => reshaping(stage, compileAddFields(stage.operand, stage.name)),
  $group: (stage) => groupStage(stage, parseGroup(stage.operand)),
  $sort(stage) {
    const keys = parseSort(stage.operand)
    return { ...stage, reads: new Set(keys.map(({ path }) => path[0] ?? '')), run: (input, { holding }) => sorted(input, keys, holding) }
  },
  $skip: (stage) => windowStage(stage, { skip: wholeNumber(stage, stage.operand, 0) }),
  $limit: (stage) => windowStage(stage, { skip: 0, limit: wholeNumber(stage, stage.operand, 1) }),
  $unwind: parseUnwind,
  $lookup: parseLookup,
  $facet: parseFacet,
  $bucket: parseBucket,
  $sample(stage) {
    const size = wholeNumber(stage, optionsOf(stage.operand, { stage: stage.name }, 'size')[0], 1)
    return { ...stage, run: (input, run) => sampled(input, size, run) }
  },
  $count(stage) {
    const field = checkFieldName(stage.operand, { stage: stage.name })
    return { ...stage, isClosed: true, run: (input) => counted(input, field) }
  },
}

function parseStage(name: string, operand: unknown): Stage {
  const parse = Object.hasOwn(stageParsers, name) ? stageParsers[name] : undefined
  if (parse === undefined) throw pipelineError({ stage: name }, `is not a stage; there are ${Object.keys(stageParsers).join(' ')} $sortByCount`)
  return parse({ name, operand, reads: new Set(), isClosed: false })
}

function reshaping(stage: Unread, { make, ...facts }: Reshaping): Stage {
  return { ...stage, ...facts, run: (input) => mapped(input, (documents) => documents.map(make)) }
}

function windowStage(stage: Unread, window: Parameters<typeof windowed>[1]): Stage {
  return { ...stage, run: (input) => windowed(input, window) }
}

function wholeNumber({ name }: Unread, operand: unknown, least: number): number {
  if (typeof operand === 'number' && Number.isSafeInteger(operand) && operand >= least) return operand
  throw pipelineError({ stage: name }, `needs a whole number of at least ${least}`)
}

export async function* mapped(input: Batches, make: (documents: readonly Document[]) => readonly Document[] | Promise<readonly Document[]>): Batches {
  for await (const documents of input) {
    const made = await make(documents)
    if (made.length > 0) yield made
  }
}

async function* sorted(input: Batches, keys: readonly SortKey[], holding: Holding): Batches {
  yield (await held(input, holding)).toSorted(compareBySort(keys))
}

async function held(input: Batches, holding: Holding): Promise<Document[]> {
  const all: Document[] = []
  for await (const documents of input) {
    holding.add(documents.length)
    for (const document of documents) all.push(document)
  }
  return all
}

async function* counted(input: Batches, name: string): Batches {
  let count = 0
  for await (const documents of input) count += documents.length
  if (count > 0) yield [{ [name]: count }]
}

async function* sampled(input: Batches, size: number, { holding, random }: PipelineRun): Batches {
  const kept: Document[] = []
  let seen = 0
  for await (const documents of input) {
    for (const document of documents) {
      seen += 1
      const place = seen <= size ? kept.length : Math.floor(random() * seen)
      if (seen <= size) holding.add(1)
      if (place < size) kept[place] = document
    }
  }
  yield kept
}

function groupStage(stage: Unread, { spec, reads }: { spec: GroupSpec; reads: ReadonlySet<string> }): Stage {
  return {
    ...stage,
    reads,
    isClosed: true,
    group: spec,
    async *run(input, { holding }) {
      const grouping = new Grouping(spec, holding)
      for await (const documents of input) for (const document of documents) grouping.addDocument(document)
      yield [...grouping.results()]
    },
  }
}

function parseGroup(operand: unknown): { spec: GroupSpec; reads: ReadonlySet<string> } {
  if (!isPlainObject(operand) || !Object.hasOwn(operand, '_id')) throw pipelineError({ stage: '$group' }, 'needs { _id, … }; _id: null makes one group')
  const { _id, ...fields } = operand
  const place: Place = { stage: '$group', path: '_id', fields: new Set() }
  return { spec: { key: compileExpression(_id, place), parts: partsOf(_id), fields: parseAccumulators(fields, place) }, reads: place.fields }
}

function partsOf(_id: unknown): GroupSpec['parts'] {
  if (_id === null) return []
  const path = fieldOf(_id)
  if (path !== undefined) return [{ name: undefined, path }]
  if (!isPlainObject(_id) || Object.keys(_id).some((name) => name.startsWith('$'))) return undefined
  const parts = Object.entries(_id).map(([name, input]) => ({ name, path: fieldOf(input) }))
  return parts.length > 0 && parts.length <= 2 && parts.every((part): part is { name: string; path: FieldPath } => part.path !== undefined) ? parts : undefined
}

function parseAccumulators(fields: Record<string, unknown>, place: Place): GroupField[] {
  return Object.entries(fields).map(([name, given]) => {
    const at = { ...place, path: name }
    const [accumulator = '', ...others] = isPlainObject(given) ? Object.keys(given) : []
    const operand = isPlainObject(given) ? given[accumulator] : undefined
    checkFieldName(name, at)
    if (others.length > 0 || makeAccumulator(accumulator, new Holding(0)) === undefined) throw pipelineError(at, `needs one of $sum $avg $min $max $count $first $last $push $addToSet $stdDevPop, not ${accumulator === '' ? describe(given) : `'${accumulator}'`}`)
    if (accumulator === '$count' && !(isPlainObject(operand) && Object.keys(operand).length === 0)) throw pipelineError({ ...at, stage: `${place.stage} $count` }, 'takes {}')
    if (accumulator === '$count') return { name, accumulator, expression: () => 1, input: { kind: 'constant', value: 1 } }
    return { name, accumulator, expression: compileExpression(operand, at), input: columnInput(operand) }
  })
}

function columnInput(operand: unknown): ColumnInput | undefined {
  if (typeof operand === 'number') return { kind: 'constant', value: operand }
  const path = fieldOf(operand)
  return path === undefined ? undefined : { kind: 'field', path }
}

function parseBucket(unread: Unread): Stage {
  const { name, operand } = unread
  const at: Place = { stage: name, path: '', fields: new Set() }
  const [groupBy, boundaries, fallback, output = { count: { $sum: 1 } }] = optionsOf(operand, at, 'groupBy boundaries=array default? output?=object') as [unknown, unknown[], unknown?, Record<string, unknown>?]
  const bounds = boundaries.map((bound) => constant(bound, { ...at, path: 'boundaries' }))
  const other = fallback === undefined ? undefined : constant(fallback, { ...at, path: 'default' })
  if (bounds.length < 2 || bounds.some((bound, index) => index > 0 && compareValues(bounds[index - 1], bound) >= 0)) throw pipelineError({ ...at, path: 'boundaries' }, 'needs at least two values that ascend')
  if (bounds.some((bound) => typeRank(bound) !== typeRank(bounds[0]))) throw pipelineError({ ...at, path: 'boundaries' }, 'needs values of one type')
  if (other !== undefined && compareValues(bounds[0], other) <= 0 && compareValues(other, bounds.at(-1)) < 0) throw pipelineError({ ...at, path: 'default' }, 'must not lie between the boundaries')
  const by = compileExpression(groupBy, { ...at, path: 'groupBy' })
  const key: Expression = (document) => {
    const value = by(document)
    const index = value === undefined ? -1 : bounds.findLastIndex((bound) => compareValues(bound, value) <= 0)
    const lower = index === bounds.length - 1 ? undefined : bounds[index]
    if (lower === undefined && other === undefined) throw pipelineError(at, 'has a document outside of the boundaries, and no default')
    return lower ?? other
  }
  const stage = groupStage(unread, { spec: { key, parts: undefined, fields: parseAccumulators(output, at) }, reads: at.fields })
  return { ...stage, run: (input, run) => mapped(stage.run(input, run), (groups) => groups.toSorted((left, right) => compareValues(left['_id'], right['_id']))) }
}

function parseUnwind(stage: Unread): Stage {
  const at = { stage: '$unwind' }
  const [text, index, preserves] = typeof stage.operand === 'string' ? [stage.operand] : optionsOf(stage.operand, at, 'path=string includeArrayIndex?=string preserveNullAndEmptyArrays?=boolean') as [string, string?, boolean?]
  const path = fieldOf(text)
  if (path === undefined) throw pipelineError(at, "needs a path as '$tags'")
  const indexPath = index === undefined ? undefined : pathToMake(index, at)
  const withIndex = (document: Document, place: number | null): Document => (indexPath === undefined ? document : withField(document, indexPath, place))
  const unwind = (document: Document): Document[] => {
    const value = valueAt(document, path, 0)
    if (Array.isArray(value) && value.length > 0) return value.map((element, place) => withIndex(withField(document, path, element), place))
    if (value !== undefined && value !== null && !Array.isArray(value)) return [withIndex(document, null)]
    if (!preserves) return []
    return [withIndex(Array.isArray(value) ? withField(document, path, undefined) : document, null)]
  }
  return { ...stage, reads: new Set(path.slice(0, 1)), run: (input) => mapped(input, (documents) => documents.flatMap(unwind)) }
}

/** Entities whose edges are read together. */
const lookupsAtOnce = 1000

function parseLookup(stage: Unread): Stage {
  if (isPlainObject(stage.operand) && Object.hasOwn(stage.operand, 'relationship')) return parseEdgeLookup(stage, stage.operand)
  const [from, localField, foreignField, as] = optionsOf(stage.operand, { stage: '$lookup' }, 'from=string localField=string foreignField=string as=string') as [string, string, string, string]
  validateNamespace(from)
  const [local, foreign, to] = [parsePathOfField(localField), parsePathOfField(foreignField), pathToMake(as, { stage: '$lookup' })]
  const valuesAt = (document: Document, path: FieldPath): ReadonlyMap<string, Value> => {
    const values = new Map<string, Value>()
    collectValues(document, path, (value) => values.set(identityOf(value), value))
    // What is absent finds what is absent, or null; an empty list finds nothing.
    if (values.size === 0 && !Array.isArray(valueAt(document, path, 0))) values.set(identityOf(null), null)
    return values
  }
  const join = async (documents: readonly Document[], { find, holding }: PipelineRun): Promise<Document[]> => {
    const wanted = new Map(documents.flatMap((document) => [...valuesAt(document, local)]))
    const found = new Map<string, Document[]>()
    if (wanted.size > 0) {
      for await (const others of find(from, { [foreignField]: { $in: [...wanted.values()] } })) {
        holding.add(others.length)
        for (const other of others) valuesAt(other, foreign).forEach((_, key) => listAt(found, key).push(other))
      }
    }
    return documents.map((document) => withField(document, to, cloneValue([...new Set([...valuesAt(document, local).keys()].flatMap((key) => found.get(key) ?? []))])))
  }
  return { ...stage, reads: new Set(local.slice(0, 1)), run: (input, run) => mapped(input, (documents) => join(documents, run)) }
}

function parseEdgeLookup(stage: Unread, operand: Record<string, unknown>): Stage {
  const [name, as, direction, filter = {}, sort, limit] = optionsOf(operand, { stage: '$lookup' }, 'relationship as=string direction? filter? sort? limit?') as [unknown, string, ...unknown[]]
  if (direction !== undefined && direction !== 'out' && direction !== 'in') throw pipelineError({ stage: '$lookup', path: 'direction' }, "must be 'out' or 'in'")
  parseFilter(filter)
  parseSort(sort)
  const lookup = { relationship: validatePredicate(name), direction, filter, sort, limit: limit === undefined ? undefined : wholeNumber(stage, limit, 1) } as const
  const to = pathToMake(as, { stage: '$lookup' })
  return {
    ...stage,
    reads: new Set(['$id']),
    async *run(input, { related }) {
      for await (const documents of input) {
        for (let at = 0; at < documents.length; at += lookupsAtOnce) {
          const some = documents.slice(at, at + lookupsAtOnce)
          const found = await related(some.map(idOf), lookup)
          yield some.map((document) => withField(document, to, cloneValue([...(found.get(idOf(document)) ?? [])])))
        }
      }
    },
  }
}

function idOf({ $id }: Document): string {
  if (typeof $id === 'string') return $id
  throw pipelineError({ stage: '$lookup' }, "by a relationship needs documents that have their $id: it stands before a $group, and behind a $project only of one that takes '$id'")
}

function parseFacet(stage: Unread): Stage {
  if (!isPlainObject(stage.operand)) throw pipelineError({ stage: '$facet' }, 'needs { name: pipeline, … }')
  const facets = Object.entries(stage.operand).map(([name, pipeline]) => [checkFieldName(name, { stage: '$facet' }), parsePipeline(pipeline)] as const)
  return {
    ...stage,
    async *run(input, run) {
      const documents = await held(input, run.holding)
      const result: Document = {}
      for (const [name, stages] of facets) result[name] = await held(runStages(once(documents), stages, run), run.holding)
      yield [result]
    },
  }
}

export function runStages(input: Batches, stages: readonly Stage[], run: PipelineRun): Batches {
  return stages.reduce((batches, stage) => stage.run(batches, run), input)
}

async function* once(documents: readonly Document[]): Batches {
  yield documents
}
