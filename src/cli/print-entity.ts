import { stringifyExtendedJson } from '../model/ejson.ts'
import { systemFields } from '../model/entity-document.ts'
import type { Document } from '../model/values.ts'
import { formatFields, formatTime } from './format-value.ts'
import type { Terminal } from './Terminal.ts'

/** An entity on stdout: a line of Extended JSON, or a heading and its fields for people. */
export async function printEntity(terminal: Terminal, entity: object): Promise<void> {
  const document = entity as Document
  if (!terminal.forPeople) return terminal.line(stringifyExtendedJson(document))
  const own = Object.fromEntries(Object.entries(document).filter(([name]) => !systemFields.has(name)))
  await terminal.write(`${heading(terminal, document)}\n${formatFields(own, '  ')}`)
}

/** A value that is not an entity: a line of Extended JSON, or its fields for people. */
export async function printFacts(terminal: Terminal, facts: Document): Promise<void> {
  await printText(terminal, formatFields(facts), facts)
}

/** What a command has done: a line for people, facts for machines. */
export async function printReport(terminal: Terminal, line: string, facts: Document): Promise<void> {
  await printText(terminal, `${line}\n`, facts)
}

/** Lines for people, facts for machines. */
export async function printText(terminal: Terminal, text: string, facts: Document): Promise<void> {
  await (terminal.forPeople ? terminal.write(text) : terminal.line(stringifyExtendedJson(facts)))
}

function heading(terminal: Terminal, entity: Document): string {
  const { $id, version, updatedAt, updatedBy, deletedAt } = entity
  const parts = [terminal.paint('bold', typeof $id === 'string' ? $id : '(no $id)')]
  if (typeof version === 'number') parts.push(`version ${version}`)
  if (deletedAt instanceof Date) parts.push(`deleted ${formatTime(deletedAt.getTime())}`)
  else if (updatedAt instanceof Date) parts.push(`of ${formatTime(updatedAt.getTime())}`)
  if (typeof updatedBy === 'string') parts.push(`by ${updatedBy}`)
  return parts.join('  ')
}
