import { stringifyExtendedJson } from '../model/ejson.ts'
import { systemFields } from '../model/entity-document.ts'
import type { Document, Value } from '../model/values.ts'
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

/** A value for a person's eyes: text as it is, unless it could be taken for something else or would move the cursor. */
export function formatValue(value: Value | undefined): string {
  if (value === undefined) return ''
  if (typeof value === 'string') return isPlain(value) ? value : escapeControls(JSON.stringify(value))
  if (typeof value === 'bigint' || typeof value === 'number') return String(value)
  if (value instanceof Date) return formatTime(value.getTime())
  return escapeControls(stringifyExtendedJson(value))
}

/** A name longer than this does not push all values to the right. */
const nameWidthMax = 32

export function formatTime(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}

/** 12345678 as '12,345,678'. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}

/** Bytes with a unit, three digits. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const units = ['kB', 'MB', 'GB', 'TB', 'PB']
  let size = bytes / 1000
  let unit = 0
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000
    unit++
  }
  return `${size < 10 ? size.toFixed(2) : size < 100 ? size.toFixed(1) : size.toFixed(0)} ${units[unit] ?? ''}`
}

/** One line a field, names in a column, lines ended by '\n'. */
function formatFields(fields: Document, indent = ''): string {
  return formatPairs(Object.entries(fields).map(([name, value]) => [formatValue(name), formatValue(value)]), indent)
}

/** As formatFields, of what is formatted already. */
export function formatPairs(pairs: readonly (readonly [string, string])[], indent = ''): string {
  const width = Math.min(nameWidthMax, Math.max(0, ...pairs.map(([name]) => name.length)))
  return pairs.map(([name, text]) => `${indent}${name.padEnd(width)}  ${text}\n`).join('')
}

/** Columns as wide as their widest cell; those named in `right` end together. Lines ended by '\n'. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[], right: readonly string[] = []): string {
  const widths = header.map((name, index) => Math.max(name.length, ...rows.map((row) => (row[index] ?? '').length)))
  const padded = (cell: string, index: number): string => (right.includes(header[index] ?? '') ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0))
  return [header, ...rows].map((cells) => `${cells.map(padded).join('  ').trimEnd()}\n`).join('')
}

function isPlain(text: string): boolean {
  return text !== '' && text === text.trim() && !/^(?:true|false|null|[-+.]?\d[\d.eE+:TZ-]*|["[{].*)$/.test(text) && text === escapeControls(text)
}

/** Stored text must not be able to drive the terminal. */
function escapeControls(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
