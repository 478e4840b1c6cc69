import { ParqueDBError } from '../base/ParqueDBError.ts'
import { isWellFormed } from './well-formed.ts'

/**
 * Refuses what a method does not know, so that a misspelt option is never ignored: INVALID_ARGUMENT names it and the known ones.
 * `undefined` stands for no options. Returns them as given.
 */
export function checkOptions<Options extends object>(method: string, options: Options | undefined, known: readonly (keyof Options & string)[]): Options {
  if (options === undefined) return {} as Options
  if (typeof options !== 'object' || options === null || Array.isArray(options)) throw new ParqueDBError('INVALID_ARGUMENT', `${method}: the options must be an object.`, { details: { method } })
  for (const name of Object.keys(options)) {
    if ((known as readonly string[]).includes(name)) continue
    const advice = known.length === 0 ? 'It takes none.' : `Known here: ${known.join(', ')}.`
    throw new ParqueDBError('INVALID_ARGUMENT', `${method}: there is no option '${name}'. ${advice}`, { details: { method, option: name } })
  }
  const { signal } = options as { signal?: unknown }
  const isSignal = typeof signal === 'object' && signal !== null && 'aborted' in signal && 'addEventListener' in signal
  if (signal !== undefined && !isSignal) throw new ParqueDBError('INVALID_ARGUMENT', `${method}: the option 'signal' must be an AbortSignal.`, { details: { method, option: 'signal' } })
  return options
}

/** A whole number within bounds, or undefined; else INVALID_ARGUMENT. */
export function checkWholeNumber(value: unknown, rule: { option: string; least: number; most?: number }): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= rule.least && value <= (rule.most ?? Number.MAX_SAFE_INTEGER)) return value
  const range = rule.most === undefined ? `of at least ${rule.least}` : `from ${rule.least} to ${rule.most}`
  throw new ParqueDBError('INVALID_ARGUMENT', `The option '${rule.option}' must be a whole number ${range}; it is ${shown(value)}.`, { details: { option: rule.option } })
}

export function checkFlag(value: unknown, option: string): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? false
  throw new ParqueDBError('INVALID_ARGUMENT', `The option '${option}' must be true or false; it is ${shown(value)}.`, { details: { option } })
}

/** Names are kept in every event: long ones would be data in disguise. UTF-16 units. */
const nameLengthMax = 256

/** A non-empty string of at most `charactersMax` UTF-16 units, 256 by default, or undefined; else INVALID_ARGUMENT. */
export function checkName(value: unknown, option: string, charactersMax = nameLengthMax): string | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && value !== '' && value.length <= charactersMax && isWellFormed(value)) return value
  throw new ParqueDBError('INVALID_ARGUMENT', `The option '${option}' must be a string of 1 to ${charactersMax} characters, without half of a surrogate pair; it is ${shown(value)}.`, { details: { option } })
}

/** What a method in bulk is given; INVALID_ARGUMENT. */
export function checkIterable(method: string, input: unknown, what: string): AsyncIterable<unknown> | Iterable<unknown> {
  if (typeof input === 'object' && input !== null && (Symbol.asyncIterator in input || Symbol.iterator in input)) return input as AsyncIterable<unknown> | Iterable<unknown>
  throw new ParqueDBError('INVALID_ARGUMENT', `${method} takes an array, an iterable or an async iterable of ${what}.`)
}

export function checkFunction(value: unknown, option: string): void {
  if (value === undefined || typeof value === 'function') return
  throw new ParqueDBError('INVALID_ARGUMENT', `The option '${option}' must be a function; it is ${shown(value)}.`, { details: { option } })
}

function shown(value: unknown): string {
  if (typeof value === 'string') return value.length > 40 ? `a string of ${value.length} characters` : JSON.stringify(value)
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value)
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
