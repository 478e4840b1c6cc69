import { ParqueDBError } from '../base/ParqueDBError.ts'
import { describe, isPlainObject } from './parse-document.ts'
import { parseFieldPath } from './path.ts'
import { isObject, type Document, type Value } from './values.ts'

/** Which fields a reader gets. `include` and `exclude` name paths as a tree; a branch that is `true` is the whole field. */
export type ProjectionNode =
  | { readonly kind: 'all' }
  | { readonly kind: 'include' | 'exclude'; readonly tree: PathTree }

export type PathTree = ReadonlyMap<string, PathTree | true>

type GrowingTree = Map<string, GrowingTree | true>

/**
 * { title: 1, 'author.name': 1 } or ['title', 'author.name'] includes only these, and `$id` unless it is excluded by `$id: 0`; { body: 0 } excludes.
 * INVALID_ARGUMENT for a mixture of both, paths inside each other, or anything but 0, 1, false, true.
 */
export function parseProjection(project: unknown): ProjectionNode {
  if (project === undefined) return { kind: 'all' }
  const entries = projectEntries(project)
  if (entries.length === 0) return { kind: 'all' }
  const withoutId = entries.filter(([name]) => name !== '$id')
  const idEntry = entries.find(([name]) => name === '$id')
  const includesId = idEntry === undefined || isIncluded(idEntry)
  const [first] = withoutId
  const includes = first === undefined ? includesId : isIncluded(first)
  const tree: GrowingTree = new Map()
  if (includes ? includesId : !includesId) tree.set('$id', true)
  for (const entry of withoutId) {
    if (isIncluded(entry) !== includes) throw invalid(`either includes or excludes fields; '${entry[0]}' does the other (only $id may)`, entry[0])
    grow(tree, entry[0])
  }
  if (!includes && idEntry !== undefined && includesId) throw invalid("either includes or excludes fields; '$id' does the other", '$id')
  return { kind: includes ? 'include' : 'exclude', tree }
}

/** The document with the fields that are asked for, in its own order. Copy on write: values that are taken whole are shared with the input. */
export function applyProjection(document: Document, projection: ProjectionNode): Document {
  return projection.kind === 'all' ? document : projectFields(document, projection.tree, projection.kind === 'include')
}

/** The top-level fields that the projection reads, or undefined when it may read any. */
export function projectionFields(projection: ProjectionNode): ReadonlySet<string> | undefined {
  return projection.kind === 'include' ? new Set(projection.tree.keys()) : undefined
}

/** Of what the tree does not name, `includes` leaves out all, else nothing; of what it names whole, the other way round. */
function projectFields(document: Document, tree: PathTree, includes: boolean): Document {
  const result: Document = {}
  for (const name of Object.keys(document)) {
    const branch = tree.get(name)
    if (branch === (includes ? undefined : true)) continue
    const value = document[name] as Value
    const kept = branch === undefined || branch === true ? value : projectInside(value, branch, includes)
    if (kept !== undefined) result[name] = kept
  }
  return result
}

/** A value that holds no fields has nothing of what was asked for. */
function projectInside(value: Value, tree: PathTree, includes: boolean): Value | undefined {
  if (isObject(value)) return projectFields(value, tree, includes)
  if (Array.isArray(value)) return value.map((element) => projectInside(element, tree, includes)).filter((part) => part !== undefined)
  return includes ? undefined : value
}

type ProjectEntry = readonly [name: string, given: unknown]

function projectEntries(project: unknown): readonly ProjectEntry[] {
  if (isPlainObject(project)) return Object.entries(project)
  if (!Array.isArray(project)) throw invalid(`must be an object or an array of field names, not ${describe(project)}`)
  return project.map((name: unknown): ProjectEntry => {
    if (typeof name !== 'string') throw invalid(`needs names of fields, not ${describe(name)}`)
    return [name, 1]
  })
}

function isIncluded([name, given]: ProjectEntry): boolean {
  if (given === 1 || given === true) return true
  if (given === 0 || given === false) return false
  throw invalid(`needs 1 or 0 for '${name}', not ${describe(given)}`, name)
}

function grow(tree: GrowingTree, path: string): void {
  const segments = parseFieldPath(path)
  const dollar = segments.find((segment) => segment.startsWith('$'))
  if (dollar !== undefined && path !== '$type') throw invalid(`cannot take '${path}': '${dollar}' is no field`, path)
  let at = tree
  for (const segment of segments.slice(0, -1)) {
    const next = at.get(segment) ?? new Map()
    if (next === true) throw invalid(`has '${path}' inside another of its paths`, path)
    at.set(segment, next)
    at = next
  }
  const last = segments.at(-1) ?? path
  if (at.has(last)) throw invalid(`has '${path}' twice, or around another of its paths`, path)
  at.set(last, true)
}

function invalid(problem: string, path = ''): ParqueDBError {
  return new ParqueDBError('INVALID_ARGUMENT', `The projection ${problem}.`, { details: { option: 'project', path } })
}
