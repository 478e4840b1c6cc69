import { ParqueDBError, translated, type ErrorCode } from '../base/ParqueDBError.ts'
import { checkOptions } from '../model/check-options.ts'
import { toExtendedJson } from '../model/ejson.ts'
import { parseEntityId } from '../model/entity.ts'
import type { Operation } from '../model/operations.ts'
import { describe, isPlainObject } from '../model/parse-document.ts'
import type { Value } from '../model/values.ts'

/** Arguments of a call as Extended JSON, by name; taken when the call is made, so that changing them afterwards changes nothing. */
export interface Arguments {
  readonly texts: Map<string, string>
  readonly signal: AbortSignal | undefined
}

/** The arguments of a method in order, its options last. What JSON cannot carry is refused: INVALID_FILTER, INVALID_ARGUMENT or VALIDATION_FAILED with its path. */
export function encodeArguments(call: { name: string; operation: Operation; ns: string | undefined }, given: readonly unknown[]): Arguments {
  const { name, operation, ns } = call
  const texts = new Map<string, string>()
  const put = (argument: string, value: unknown): void => {
    if (value !== undefined) texts.set(argument, encodeValue(argument, value))
  }
  if (ns !== undefined) put('ns', ns)
  for (const [index, argument] of operation.args.entries()) {
    const value = given[index]
    // Whole, so that no id looks like another, nor like a step in a path.
    const isId = ns !== undefined && (argument === 'id' || (argument === 'idOrFilter' && typeof value === 'string'))
    put(argument, isId ? `${ns}/${parseEntityId(value, ns)}` : value)
  }
  const options = given[operation.args.length] as { signal?: AbortSignal } | undefined
  if (operation.options === undefined) return { texts, signal: undefined }
  const { signal, ...others } = checkOptions(name, options, Object.keys(options ?? {}) as 'signal'[])
  for (const [option, value] of Object.entries(others)) {
    if (operation.args.includes(option) || option === 'ns' && ns !== undefined) throw new ParqueDBError('INVALID_ARGUMENT', `${name}: there is no option '${option}'.`, { details: { method: name, option } })
    put(option, value)
  }
  return { texts, signal }
}

/** Extended JSON of one argument. */
export function encodeValue(argument: string, value: unknown): string {
  const paths = new Map<unknown, string>()
  const code = codeOf(argument)
  const refuse = (path: string, problem: string): ParqueDBError =>
    new ParqueDBError(code, `'${path}' ${problem}.`, { details: code === 'INVALID_ARGUMENT' ? { option: argument } : { path } })
  const replace = function (this: Record<string, unknown>, name: string): unknown {
    const inside = this[name]
    const path = [paths.get(this) ?? '', name].filter((part) => part !== '').join('.')
    if (inside instanceof RegExp) return { $regularExpression: { pattern: inside.source, options: inside.flags } }
    if (inside instanceof Date && Number.isNaN(inside.getTime())) throw refuse(path || argument, 'is an invalid Date')
    if (Array.isArray(inside) || isPlainObject(inside)) {
      paths.set(inside, path)
      return inside
    }
    const isValue = ['string', 'boolean', 'number', 'bigint'].includes(typeof inside) || inside === null || inside instanceof Date || inside instanceof Uint8Array
    if (isValue) return toExtendedJson(inside as Value)
    // Left out where a document may have it; anywhere else the database has to see it, as without its condition a filter would match everything.
    if (inside === undefined) return argument.startsWith('document') && name !== '' && !Array.isArray(this) ? undefined : { $undefined: true }
    throw refuse(path || argument, `holds ${describe(inside)}, which cannot be sent`)
  }
  const refused = (error: unknown): unknown => (error instanceof TypeError || error instanceof RangeError ? refuse(argument, 'is a cycle, or nested too deep') : error)
  return translated(() => JSON.stringify(value, replace), refused)
}

function codeOf(argument: string): ErrorCode {
  if (argument === 'filter' || argument === 'idOrFilter') return 'INVALID_FILTER'
  return ['document', 'documents', 'update', 'metadata'].includes(argument) ? 'VALIDATION_FAILED' : 'INVALID_ARGUMENT'
}
