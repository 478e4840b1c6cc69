import { ParqueDBError, type ErrorCode } from '../base/ParqueDBError.ts'
import { fromExtendedJson } from '../model/ejson.ts'
import { isObject, type Document, type Value } from '../model/values.ts'
import { parseJson } from './input/parse-json.ts'

export interface JsonArgument {
  /** What the message calls it: 'the filter'. */
  readonly what: string
  /** A right one, without quotes around it. */
  readonly example: string
  /** The code of the error. */
  readonly code: ErrorCode
  /** '$gte' and the like are names here, not errors. */
  readonly operators: boolean
}

/** As parseJsonArgument, of whatever JSON there is. */
export function parseJsonText(text: string, { what, example, code, operators }: JsonArgument): Value {
  const hint = `write JSON in single quotes, as in '${example}'`
  const result = parseJson(text)
  if (result.kind === 'value') return fromExtendedJson(result.value, { keepOperators: operators })
  const { line, column, reason } = result.problem
  const place = line === 1 ? `column ${column}` : `line ${line}, column ${column}`
  throw new ParqueDBError(code, `${what} is not JSON at ${place}: ${reason}; ${hint}`, { details: { line, column } })
}

/** An object given as strict Extended JSON on the command line. The error says where it goes wrong, and shows how it is written. */
export function parseJsonArgument(text: string, argument: JsonArgument): Document {
  const value = parseJsonText(text, argument)
  if (!isObject(value)) throw new ParqueDBError(argument.code, `${argument.what} is not an object; write JSON in single quotes, as in '${argument.example}'`)
  return value
}
