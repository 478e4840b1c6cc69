import { isDeepStrictEqual } from 'node:util'
import { isParqueDBError, parseExtendedJson, stringifyExtendedJson } from 'parquedb'
import type { ErrorCode } from 'parquedb'

/** What became of one input: the code that refused it, or what is there now. */
export type Outcome = { readonly kind: 'refused'; readonly code: ErrorCode } | { readonly kind: 'gave'; readonly value: unknown }

/** What has to become of it. 'typed': any documented code, or anything that it gives. */
export type Expected = { readonly refusal: ErrorCode | readonly ErrorCode[] } | { readonly gives: unknown } | 'typed'

/** Counts what a corpus did, and keeps what was wrong with it, by case. */
export class Tally {
  readonly wrong: string[] = []
  refused = 0
  kept = 0
  /** The most that resident memory grew in one case. */
  growthBytesMax = 0
  growthCase = ''

  get cases(): number {
    return this.refused + this.kept
  }

  /** Runs one case; anything thrown that is no ParqueDBError, and every broken invariant, is wrong whatever was expected. */
  async judge(name: string, expected: Expected, work: () => unknown): Promise<Outcome | undefined> {
    const before = process.resourceUsage().maxRSS
    const outcome = await this.#outcome(name, work)
    const growth = (process.resourceUsage().maxRSS - before) * 1024
    if (growth > this.growthBytesMax) {
      this.growthBytesMax = growth
      this.growthCase = name
    }
    if (outcome?.kind === 'refused') this.refused++
    else this.kept++
    const problem = outcome === undefined ? undefined : difference(expected, outcome)
    if (problem !== undefined) this.wrong.push(`${name}: ${problem}`)
    return outcome
  }

  /** Holds two values against each other, to the sign of a zero, the type of a number and the order of fields. */
  same(name: string, found: unknown, expected: unknown): void {
    if (!isSame(found, expected)) this.wrong.push(`${name}: ${show(found)} is there instead of ${show(expected)}`)
  }

  async #outcome(name: string, work: () => unknown): Promise<Outcome | undefined> {
    try {
      return { kind: 'gave', value: await work() }
    } catch (error) {
      if (isParqueDBError(error) && !error.message.startsWith('Broken invariant')) return { kind: 'refused', code: error.code }
      this.wrong.push(`${name}: threw ${error instanceof Error ? (error.stack ?? error.message).slice(0, 600) : show(error)}`)
      return undefined
    }
  }
}

function difference(expected: Expected, outcome: Outcome): string | undefined {
  if (expected === 'typed') return undefined
  if ('gives' in expected) {
    if (outcome.kind === 'refused') return `was refused with ${outcome.code}`
    return isSame(outcome.value, expected.gives) ? undefined : `gave ${show(outcome.value)} instead of ${show(expected.gives)}`
  }
  const codes: readonly ErrorCode[] = typeof expected.refusal === 'string' ? [expected.refusal] : expected.refusal
  if (outcome.kind === 'gave') return `gave ${show(outcome.value)} and was to be refused with ${codes.join(' or ')}`
  return codes.includes(outcome.code) ? undefined : `was refused with ${outcome.code}, not ${codes.join(' or ')}`
}

function isSame(found: unknown, expected: unknown): boolean {
  return isDeepStrictEqual(found, expected) && isDeepStrictEqual(fieldOrder(found), fieldOrder(expected))
}

function fieldOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fieldOrder)
  if (value === null || typeof value !== 'object' || value instanceof Date || value instanceof Uint8Array) return undefined
  return Object.entries(value).map(([name, inside]) => [name, fieldOrder(inside)])
}

function show(value: unknown): string {
  try {
    return stringifyExtendedJson(value as never).slice(0, 200)
  } catch {
    return String(value).slice(0, 200)
  }
}

/** Through its text and back: the form in which documents leave and enter. */
export function throughText(document: unknown): unknown {
  return parseExtendedJson(stringifyExtendedJson(document as never))
}
