import { isPlainObject } from '../../model/parse-document.ts'
import { parseFieldPath, type FieldPath } from '../../model/path.ts'
import { isObject, ownField, type Document, type Value } from '../../model/values.ts'
import { checkFieldName, constant, optionsOf } from './operands.ts'
import { isTrue, operators } from './operators.ts'
import { pipelineError } from './pipeline-error.ts'

/** Gives a value of a document; undefined where there is nothing, as MongoDB's missing. */
export type Expression = (document: Document) => Value | undefined

/** Where an expression stands, for errors, and which top-level fields it reads. */
export interface Place {
  readonly stage: string
  readonly path: string
  /** Grows while expressions are compiled; '$$ROOT' is every field. */
  readonly fields: Set<string>
}

const expressionDepthMax = 100
export const allFields = '$$ROOT'

const always = (value: Value | undefined): Expression => () => value

/** Compiles one expression. INVALID_ARGUMENT names the stage, the path and the operator that is not known or has wrong operands. */
export function compileExpression(input: unknown, place: Place, depth = 0): Expression {
  if (depth > expressionDepthMax) throw pipelineError(place, `nests expressions more than ${expressionDepthMax} levels deep`)
  const inner = (value: unknown, name?: string): Expression => compileExpression(value, name === undefined ? place : { ...place, path: place.path === '' ? name : `${place.path}.${name}` }, depth + 1)
  if (typeof input === 'string' && input.startsWith('$')) return reference(input, place)
  if (Array.isArray(input)) {
    const parts = input.map((part: unknown) => inner(part))
    return (document) => parts.map((part) => part(document) ?? null)
  }
  if (!isPlainObject(input)) return always(constant(input, place))
  const names = Object.keys(input)
  const [first = ''] = names
  if (first.startsWith('$') && first !== '$id') {
    if (names.length > 1) throw pipelineError(place, `has ${first} beside ${names[1]}; an operator stands alone`)
    return compileOperator(first, input[first], { place, inner })
  }
  const fields = names.map((name) => [checkFieldName(name, place, /^\$(?!id$|type$)/), inner(input[name], name)] as const)
  return (document) => {
    const object: Document = {}
    for (const [name, expression] of fields) {
      const value = expression(document)
      if (value !== undefined) object[name] = value
    }
    return object
  }
}

/** The path of an expression that is nothing but a field. */
export function fieldOf(input: unknown): FieldPath | undefined {
  return typeof input === 'string' && /^\$(?!\$)|^\$\$id$/.test(input) ? parseFieldPath(input.slice(1)) : undefined
}

function reference(text: string, place: Place): Expression {
  if (text === '$$REMOVE') return always(undefined)
  const isRoot = /^\$\$(?:ROOT|CURRENT)(?:\.|$)/.test(text)
  if (text.startsWith('$$') && !isRoot && text !== '$$id') throw pipelineError(place, `names the variable '${text}'; there are $$ROOT, $$CURRENT, $$REMOVE, and $$id for the entity's $id`)
  const dotted = isRoot ? text.replace(/^\$\$\w+\.?/, '') : text.slice(1)
  if (isRoot && !text.includes('.')) {
    place.fields.add(allFields)
    return (document) => document
  }
  const path = parseFieldPath(dotted)
  place.fields.add(path[0] ?? '')
  const [name = '', ...rest] = path
  return rest.length === 0 ? (document) => ownField(document, name) : (document) => valueAt(document, path, 0)
}

/** What stands at a path; of an array on the way, what its elements have there, those without it left out. */
export function valueAt(value: Value | undefined, path: FieldPath, at: number): Value | undefined {
  const name = path[at]
  if (name === undefined) return value
  if (isObject(value)) return valueAt(ownField(value, name), path, at + 1)
  if (!Array.isArray(value)) return undefined
  return value.map((element) => valueAt(element, path, at)).filter((inside) => inside !== undefined)
}

interface Compiling {
  readonly place: Place
  readonly inner: (value: unknown, name?: string) => Expression
}

/** Operators that do not evaluate all of their operands, or name them; the rest are functions of values. */
function compileOperator(name: string, operand: unknown, { place, inner }: Compiling): Expression {
  const list: unknown[] = Array.isArray(operand) ? operand : [operand]
  const named = { ...place, stage: `${place.stage} ${name}` }
  switch (name) {
    case '$literal':
      return always(constant(operand, named))
    case '$and':
      return every(list.map((one) => inner(one)), true)
    case '$or':
      return every(list.map((one) => inner(one)), false)
    case '$cond': {
      const [test, yes, no] = (list.length === 3 ? list : optionsOf(operand, named, 'if then else')).map((part) => inner(part)) as [Expression, Expression, Expression]
      return (document) => (isTrue(test(document)) ? yes(document) : no(document))
    }
    case '$ifNull': {
      if (list.length < 2) throw pipelineError(named, 'needs at least two operands')
      const parts = list.map((one) => inner(one))
      return (document) => {
        for (const part of parts) {
          const value = part(document)
          if (value !== undefined && value !== null) return value
        }
        return parts.at(-1)?.(document)
      }
    }
    case '$switch':
      return compileSwitch(operand, { place: named, inner })
    case '$dateToString': {
      const [date, format = '%Y-%m-%dT%H:%M:%S.%LZ'] = optionsOf(operand, named, 'date format?=string') as [unknown, string?]
      const [of, operator] = [inner(date), operators['$dateToString']]
      return (document) => operator?.apply([of(document), format], named)
    }
  }
  const operator = Object.hasOwn(operators, name) ? operators[name] : undefined
  if (operator === undefined) throw pipelineError(named, 'is not an operator of expressions')
  if (list.length < operator.least || list.length > operator.most) throw pipelineError(named, `takes ${operator.least}${operator.most === operator.least ? '' : ` to ${operator.most}`} operands, not ${list.length}`)
  const parts = list.map((one) => inner(one))
  return (document) => operator.apply(parts.map((part) => part(document)), named)
}

function compileSwitch(operand: unknown, { place, inner }: Compiling): Expression {
  const [branches, fallback] = optionsOf(operand, place, 'branches=array default?') as [unknown[], unknown?]
  const compiled = branches.map((branch) => optionsOf(branch, place, 'case then').map((part) => inner(part)))
  const other = fallback === undefined ? undefined : inner(fallback)
  return (document) => {
    const branch = compiled.find(([test]) => isTrue(test?.(document)))
    if (branch === undefined && other === undefined) throw pipelineError(place, 'has no branch for a document, and no default')
    return (branch?.[1] ?? other)?.(document)
  }
}

const every = (parts: readonly Expression[], wanted: boolean): Expression => (document) => (parts.every((part) => isTrue(part(document)) === wanted) ? wanted : !wanted)
