import { isParqueDBError, translated } from '../../base/ParqueDBError.ts'
import { describe, isPlainObject, parseValue } from '../../model/parse-document.ts'
import type { Value } from '../../model/values.ts'
import { isWellFormed, prototypeNames } from '../../model/well-formed.ts'
import { pipelineError } from './pipeline-error.ts'

type At = Parameters<typeof pipelineError>[0]

/**
 * The options of a stage or an operator, in the order in which `takes` has them: 'format?=string' may be left out, and is a string. INVALID_ARGUMENT for one
 * that is missing, of another kind, or not among them.
 */
export function optionsOf(operand: unknown, at: At, takes: string): unknown[] {
  const given = isPlainObject(operand) ? operand : {}
  const known = takes.split(' ').map((one) => /^(\w+)(\??)=?(.*)$/.exec(one) ?? [])
  const isRight = known.every(([, name = '', mayLack, kind = '']) => (given[name] === undefined ? mayLack !== '' : describe(given[name]).endsWith(kind)))
  const other = Object.keys(given).find((name) => known.every(([, one]) => one !== name))
  if (!isRight || other !== undefined) throw pipelineError(at, `takes { ${takes.replaceAll(' ', ', ').replaceAll('=', ': ')} }${other === undefined ? '' : `, and no '${other}'`}`)
  return known.map(([, name = '']) => given[name])
}

/** A copy of a value that stands in a pipeline; INVALID_ARGUMENT for what could not be stored. */
export function constant(input: unknown, at: At): Value {
  return placed(at, () => parseValue(input, at.path ?? ''))
}

/** A name that results have: by default one without a dot. */
export function checkFieldName(name: unknown, at: At, not = /^$|^\$|\./): string {
  if (typeof name === 'string' && !not.test(name) && !prototypeNames.has(name) && isWellFormed(name)) return name
  throw pipelineError(at, `has ${typeof name === 'string' ? `'${name}'` : describe(name)} for the name of a field: give one without '$' and '.', and not of the prototype`)
}

/** Says where in the pipeline a path, a value or a name is that is refused. */
export function placed<Result>(at: At, parse: () => Result): Result {
  return translated(parse, (error) => {
    if (!isParqueDBError(error) || error.details['stage'] !== undefined || !['INVALID_ARGUMENT', 'VALIDATION_FAILED'].includes(error.code)) return error
    const { path } = error.details
    return pipelineError({ stage: at.stage, path: typeof path === 'string' ? path : '' }, `is refused: ${error.message.replace(/\.$/, '')}`)
  })
}
