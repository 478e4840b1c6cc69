import { ParqueDBError } from '../../base/ParqueDBError.ts'
import { systemFields } from '../../model/entity-document.ts'
import type { Document, Value } from '../../model/values.ts'
import { type Row, type Rows, inputError } from './row.ts'

/** How a file's fields become a document's. */
export interface RowMapping {
  /** What errors call the file. */
  readonly where: string
  /** The collection that the file was exported from, where it is another one: ids begin with its name, and lose it. */
  readonly from?: string | undefined
  /** Told of each id with a slash, where `from` does not say what stands before it. */
  readonly onSlash?: (id: string) => void
  /** This field's value, as text, is the id. The field stays in the document. */
  readonly idField: string | undefined
  /** Old name to new name. */
  readonly renames: ReadonlyMap<string, string>
  readonly drops: ReadonlySet<string>
  /** Of the names in both, those that no row had yet. */
  readonly unseen?: Set<string>
}

/**
 * Rows under their new names, with `$id` where the mapping or the file gives one. A name that the database keeps for itself is
 * VALIDATION_FAILED with the line and the way out; so are two fields of one name and an id that is missing.
 */
export async function* mapRows(rows: Rows, mapping: RowMapping): Rows {
  for await (const group of rows) yield group.map((row) => ({ ...row, document: mapDocument(row, mapping) }))
}

function mapDocument(row: Row, mapping: RowMapping): Document {
  const document: Document = {}
  if (mapping.idField !== undefined) document.$id = readId(row, mapping, mapping.idField)
  for (const [name, value] of Object.entries(row.document)) {
    mapping.unseen?.delete(name)
    if (mapping.drops.has(name)) continue
    const target = mapping.renames.get(name) ?? name
    checkName(target, row, mapping)
    if (Object.hasOwn(document, target)) throw inputError(mapping.where, row.line, twice(name, target, mapping))
    document[target] = target === '$id' && typeof value === 'string' ? ownId(value, row, mapping) : value
  }
  return document
}

function readId(row: Row, { where }: RowMapping, field: string): string {
  const value: Value | undefined = Object.hasOwn(row.document, field) ? row.document[field] : undefined
  if (typeof value === 'string' && value !== '') return value
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))) return String(value)
  const found = value === undefined ? 'has no such field' : 'holds a value there that is neither text nor a whole number'
  throw inputError(where, row.line, `--id names the field ${JSON.stringify(field)}, and the document ${found}`)
}

function ownId(id: string, row: Row, { where, from, onSlash }: RowMapping): string {
  if (from === undefined) {
    if (id.includes('/')) onSlash?.(id)
    return id
  }
  if (!id.startsWith(`${from}/`)) throw inputError(where, row.line, `the id ${JSON.stringify(id)} does not begin with ${JSON.stringify(`${from}/`)}, as --from says`)
  return id.slice(from.length + 1)
}

function checkName(name: string, row: Row, { where }: RowMapping): void {
  if (name === '$id' || name === '$type') return
  if (!systemFields.has(name) && !name.startsWith('$')) return
  throw inputError(where, row.line, `the field ${JSON.stringify(name)} has a name that ParqueDB keeps for itself; import with --rename ${shellWord(`${name}=other_name`)}, or leave it out with --drop ${shellWord(name)}`)
}

function twice(name: string, target: string, { idField }: RowMapping): string {
  if (target === '$id' && idField !== undefined) return `--id names the field ${JSON.stringify(idField)}, and the document has a "$id" of its own; leave one out with --drop '$id'`
  return `the field ${JSON.stringify(name)} would be the second one named ${JSON.stringify(target)}; use another --rename`
}

/** Reads `old=new` pairs; the first '=' divides. INVALID_ARGUMENT. */
export function parseRenames(pairs: readonly string[]): ReadonlyMap<string, string> {
  const renames = new Map<string, string>()
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    const [from, to] = [pair.slice(0, at), pair.slice(at + 1)]
    if (at <= 0 || to === '') throw new ParqueDBError('INVALID_ARGUMENT', `--rename ${JSON.stringify(pair)}: write old=new, as in --rename version=film_version`)
    if (to === '__proto__') throw new ParqueDBError('INVALID_ARGUMENT', `--rename ${JSON.stringify(pair)}: no field can be named __proto__`)
    if (renames.has(from)) throw new ParqueDBError('INVALID_ARGUMENT', `--rename names the field ${JSON.stringify(from)} twice`)
    renames.set(from, to)
  }
  return renames
}

function shellWord(text: string): string {
  return /^[\w=.-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
