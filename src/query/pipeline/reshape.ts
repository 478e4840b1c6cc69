import { describe, isPlainObject } from '../../model/parse-document.ts'
import { parseFieldPath, type FieldPath } from '../../model/path.ts'
import { applyProjection, parseProjection } from '../../model/projection.ts'
import { cloneValue, isObject, ownField, type Document, type Value } from '../../model/values.ts'
import { allFields, compileExpression, type Expression, type Place } from './expression.ts'
import { pipelineError } from './pipeline-error.ts'

/** A document with the value at the path, in each element of arrays on the way; undefined takes the field away. What is no object on the way becomes one. Shares all else with the original. */
export function withField(document: Document, path: FieldPath, value: Value | undefined): Document {
  const [name = '', ...rest] = path
  const copy: Document = { ...document }
  const set = rest.length === 0 ? value : inside(ownField(document, name), rest, value)
  if (set === undefined) delete copy[name]
  else copy[name] = set
  return copy
}

function inside(value: Value | undefined, path: FieldPath, set: Value | undefined): Value | undefined {
  if (Array.isArray(value)) return value.map((element) => inside(element, path, set && cloneValue(set)) ?? null)
  if (isObject(value)) return withField(value, path, set)
  return withField({}, path, set)
}

export interface Reshaping {
  readonly make: (document: Document) => Document
  readonly reads: ReadonlySet<string>
}

/** $addFields: each field as its expression, all of them of the document as it was. */
export function compileAddFields(operand: unknown, stage: string): Reshaping {
  if (!isPlainObject(operand)) throw pipelineError({ stage }, `needs an object, not ${describe(operand)}`)
  const place: Place = { stage, path: '', fields: new Set() }
  const fields = fieldsOf(operand, stage).map(([name, input]) => computed(name, input, place))
  return { make: (document) => fields.reduce((made, { path, expression }) => withField(made, path, expression(document)), document), reads: place.fields }
}

/** $project: fields that are taken or left out, and fields that are made. `_id` and `$id` are taken unless they are left out. */
export function compileProject(operand: unknown): Reshaping & { isClosed: boolean } {
  const stage = '$project'
  if (!isPlainObject(operand) || Object.keys(operand).length === 0) throw pipelineError({ stage }, 'needs an object with at least one field')
  const place: Place = { stage, path: '', fields: new Set() }
  const entries = fieldsOf(operand, stage)
  const flags = entries.filter(([name, input]) => isFlag(input) && name !== '_id')
  const fields = entries.filter(([, input]) => !isFlag(input)).map(([name, input]) => computed(name, input, place))
  const idFlag = entries.find(([name, input]) => name === '_id' && isFlag(input))?.[1]
  const takes = fields.length > 0 || flags.some(([name, input]) => name !== '$id' && Number(input) === 1) || (flags.length === 0 && Number(idFlag) === 1)
  const flagged = Object.fromEntries([...flags, ...(takes ? (Number(idFlag ?? 1) === 1 ? [['_id', 1]] : []) : idFlag === undefined ? [] : [['_id', 0]])]) as Record<string, unknown>
  const projection = parseProjection(flagged)
  if (takes && projection.kind === 'include') for (const name of projection.tree.keys()) place.fields.add(name)
  if (!takes) place.fields.add(allFields)
  const taken = takes && projection.kind !== 'include' ? (): Document => ({}) : (document: Document) => applyProjection(document, projection)
  return { make: (document) => fields.reduce((made, { path, expression }) => withField(made, path, expression(document)), taken(document)), reads: place.fields, isClosed: takes }
}

const isFlag = (input: unknown): boolean => input === 0 || input === 1 || typeof input === 'boolean'

/** What a stage names; INVALID_ARGUMENT where that is one field twice, or one inside of another. */
function fieldsOf(operand: Record<string, unknown>, stage: string): [string, unknown][] {
  const entries = flatten(operand)
  const places = new Map(entries.map(([path], index) => [path, index]))
  for (const [index, [path]] of entries.entries()) {
    for (let at = path.indexOf('.'); at !== -1; at = path.indexOf('.', at + 1)) if (places.has(path.slice(0, at))) throw pipelineError({ stage, path }, `has '${path}' inside another of its paths`)
    if (places.get(path) !== index) throw pipelineError({ stage, path }, `has '${path}' twice`)
  }
  return entries
}

/** { a: { b: 1 } } names 'a.b'; an object with an operator in it is an expression. */
function flatten(operand: Record<string, unknown>, prefix = ''): [string, unknown][] {
  return Object.entries(operand).flatMap(([name, input]) => {
    const isFields = isPlainObject(input) && Object.keys(input).length > 0 && !Object.keys(input).some((inner) => inner.startsWith('$'))
    return isFields ? flatten(input, `${prefix}${name}.`) : [[prefix + name, input]]
  })
}

function computed(name: string, input: unknown, place: Place): { path: FieldPath; expression: Expression } {
  const at = { ...place, path: name }
  const expression = compileExpression(input, at)
  // What it gives may stand elsewhere, too: in the document, in the pipeline, in other results.
  const copied: Expression = (document) => {
    const value = expression(document)
    return value && cloneValue(value)
  }
  return { path: pathToMake(name, at), expression: copied }
}

/** The path of a field that a stage makes. */
export function pathToMake(name: string, at: { stage: string; path?: string }): FieldPath {
  const path = parseFieldPath(name)
  if (path.some((segment) => segment.startsWith('$'))) throw pipelineError(at, `cannot make '${name}': the name of a field does not begin with '$'`)
  return path
}
