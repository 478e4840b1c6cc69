import { Command, InvalidArgumentError, Option } from 'commander'
import { ParqueDBError, type ErrorCode } from '../base/ParqueDBError.ts'
import { fromExtendedJson } from '../model/ejson.ts'
import { isObject, type Document, type Value } from '../model/values.ts'
import { parseJson } from '../model/parse-json.ts'

/** Arguments that mean the same in every command. */
const argumentTexts: { readonly [argument: string]: string } = { '<ns>': 'the collection', '<id>': 'its id, with or without the collection before it' }

/** A command with what its help says: one line in the list of all, a sentence, and behind the options examples, a line each, with notes after a blank line. Its name may be followed by arguments: 'get <ns> <id>'. */
export function command({ name, summary, description, examples = '' }: { name: string; summary: string; description: string; examples?: string }): Command {
  const [word, ...words] = name.split(' ')
  const made = new Command(word).summary(summary).description(description).addHelpText('after', examples && `\n${/^\n.+\n./.test(examples) ? 'Examples' : 'Example'}:${examples}`)
  for (const argument of words) made.argument(argument, argumentTexts[argument])
  return made
}

/** Reads a whole number from `least` up, for commander. */
export function wholeNumber(least = 0): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) throw new InvalidArgumentError(`It must be a whole number from ${least} up.`)
    return value
  }
}

/** Collects an option that may be given more than once. */
export function repeated(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text]
}

/** A point in the past: a seq, or a time that the database reads. */
export function point(text: string): number | string {
  return /^\d{1,15}$/.test(text) ? Number(text) : text
}

export const atOption = new Option('--at <time|seq>', "the state then: '2026-03-01T12:00:00Z', '2026-03-01' (midnight UTC), or the number of an event").argParser(point)

export const opOption = new Option('--op <op>', 'only CREATE, UPDATE, DELETE, REL_CREATE, REL_DELETE or ERASE; again for one more').argParser(repeated)

export const archivedOption = new Option('--include-archived', 'also what retention has archived')

export const actorOption = new Option('--actor <name>', 'who does it: recorded in the event')

/** What a command that writes takes. */
export interface WriteFlags {
  readonly actor?: string
  readonly expectVersion?: number
}

export function writeOptions({ actor, expectVersion }: WriteFlags): { actor?: string; expectedVersion?: number } {
  return given({ actor, expectedVersion: expectVersion })
}

export const expectedVersionOption = new Option('--expect-version <n>', 'refuse (exit 4) unless the entity is at this version').argParser(wholeNumber(1))

/** Removes what is undefined: an option that was not given is not passed on. */
export function given<T extends object>(options: T): { [Name in keyof T]: Exclude<T[Name], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as { [Name in keyof T]: Exclude<T[Name], undefined> }
}

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
