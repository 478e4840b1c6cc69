import { RE2JS } from 're2js'
import { limitExceeded, ParqueDBError, translated } from '../../base/ParqueDBError.ts'
import { isWellFormed } from '../well-formed.ts'

/** A regular expression that runs in time linear in the text. */
export interface Pattern {
  readonly source: string
  /** Of 'i', 'm', 's', sorted. */
  readonly flags: string
  /** What it means when it is plain text with at most anchors, for a planner: '^Ab' is a prefix. */
  readonly literal: LiteralPattern | undefined
  test(text: string): boolean
}

export interface LiteralPattern {
  readonly kind: keyof typeof textTests
  readonly text: string
}

/** What a text asks of a value; what is no text never meets it. */
export const textTests = {
  equals: (text: string) => (value: unknown) => value === text,
  startsWith: (text: string) => (value: unknown) => typeof value === 'string' && value.startsWith(text),
  endsWith: (text: string) => (value: unknown) => typeof value === 'string' && value.endsWith(text),
  contains: (text: string) => (value: unknown) => typeof value === 'string' && value.includes(text),
}

/** Compiling is linear in it, and nobody writes longer ones by hand. UTF-16 units. */
const patternLengthMax = 4096

/** '^' and '$' around characters without a meaning of their own, punctuation escaped or not. */
const literalShape = /^(\^?)((?:[^\\^$.|?*+()[\]{}]|\\[\\^$.|?*+()[\]{}/-])*)(\$?)$/

/** '\ud83d': the engine reads whole characters, of which this is never one. */
const surrogateEscape = /(?<!\\)(?:\\\\)*\\u[dD][89a-fA-F]/

/**
 * Compiles RE2 syntax: JavaScript's and PCRE's without backreferences and lookaround. `flags` may hold i, m and s, and g and u, which
 * change nothing here. INVALID_FILTER at `path` for any other syntax or flag; LIMIT_EXCEEDED past 4,096 characters.
 */
export function compilePattern(source: string, flags: string, path: string): Pattern {
  if (source.length > patternLengthMax) throw limitExceeded({ patternLengthMax }, `The regular expression on '${path}' is longer than ${patternLengthMax} characters.`, { path })
  if (!isWellFormed(source) || surrogateEscape.test(source)) throw invalid(path, "names half of a surrogate pair; write the character itself, or '\\u{…}' with the flag u")
  const known = sortedFlags(flags, path)
  const literal = known === '' ? literalOf(source) : undefined
  return { source, flags: known, literal, test: literal === undefined ? compileRe2(source, known, path) : textTests[literal.kind](literal.text) }
}

function sortedFlags(flags: string, path: string): string {
  const unknown = /[^imsgu]/.exec(flags)
  if (unknown !== null) throw invalid(path, `has the flag '${unknown[0]}'; 'i', 'm' and 's' can be used`)
  return ['i', 'm', 's'].filter((flag) => flags.includes(flag)).join('')
}

function literalOf(source: string): LiteralPattern | undefined {
  const match = literalShape.exec(source)
  if (match === null) return undefined
  const [, start, body = '', end] = match
  const text = body.replace(/\\(.)/g, '$1')
  if (start === '^') return { kind: end === '$' ? 'equals' : 'startsWith', text }
  return { kind: end === '$' ? 'endsWith' : 'contains', text }
}

function compileRe2(source: string, flags: string, path: string): (value: string) => boolean {
  const bits = (flags.includes('i') ? RE2JS.CASE_INSENSITIVE : 0) | (flags.includes('m') ? RE2JS.MULTILINE : 0) | (flags.includes('s') ? RE2JS.DOTALL : 0)
  const refused = (cause: unknown): ParqueDBError => invalid(path, `cannot be compiled: ${(cause as Error).message}. Patterns run on a linear-time engine (RE2 syntax), without backreferences and lookaround`, cause)
  const compiled = translated(() => RE2JS.compile(RE2JS.translateRegExp(source), bits), refused)
  return (value) => compiled.test(value)
}

function invalid(path: string, problem: string, cause?: unknown): ParqueDBError {
  return new ParqueDBError('INVALID_FILTER', `The regular expression on '${path}' ${problem}.`, { details: { path, operator: '$regex' }, cause })
}
