import { compareStrings } from '../base/bytes.ts'
import { isWellFormed } from '../model/well-formed.ts'
import type { FieldSpec, Nulls, ScalarKind } from './columns.ts'
import { groupDepthMax } from './shape.ts'
import type { ElementKind, FieldShape, ObservedKind, Shape } from './shape.ts'

/** Physical columns of documents; each costs some 100 bytes a row group in the footer alone. */
const columnsMax = 200
/** A field rarer than one in this many rows has no column: the column would cost more than its values. */
const rareness = 1000

const scalarKinds: readonly ScalarKind[] = ['string', 'int', 'bigint', 'double', 'boolean', 'date', 'bytes']

/**
 * The columns that documents of this shape are best kept in. A field gets the type that most of its values have (`double`
 * when any number is not an int); `reserved` names, names that differ only in case from a commoner one (DuckDB
 * does not tell them apart) and what is rare, deep or past 200 columns get none.
 */
export function columnsOfShape(shape: Shape, reserved: readonly string[]): FieldSpec[] {
  const worthy = fieldsWorthColumns(shape)
  const taken = new Set(reserved.map((name) => name.toLowerCase()))
  return specsOf(shape.fields, { depth: 0, rows: shape.rows, taken, worthy })
}

interface Place {
  /** Groups around these fields. */
  readonly depth: number
  /** How many objects could have had these fields. */
  readonly rows: number
  /** Lower-case names that may not be used. */
  readonly taken: ReadonlySet<string>
  readonly worthy: ReadonlySet<FieldShape>
}

function specsOf(shapes: readonly FieldShape[], place: Place): FieldSpec[] {
  const shadowed = namesInTwoCases(shapes)
  return shapes.map((shape) => (place.taken.has(shape.name.toLowerCase()) || shadowed.has(shape.name) ? rest(shape) : specOf(shape, place)))
}

function specOf(shape: FieldShape, place: Place): FieldSpec {
  const { name } = shape
  const kind = commonestKind(shape)
  if (name === '' || kind === undefined || !isWellFormed(name) || (kind !== 'object' && !place.worthy.has(shape))) return rest(shape)
  const nulls = nullsOf(shape, place.rows)
  if (kind === 'list') {
    const element = commonestElement(shape)
    return element === undefined ? rest(shape) : { kind: 'list', name, nulls, element }
  }
  if (kind !== 'object') return { kind, name, nulls }
  if (place.depth >= groupDepthMax) return rest(shape)
  const fields = specsOf(shape.fields ?? [], { ...place, depth: place.depth + 1, rows: countOf(shape, 'object'), taken: new Set() })
  // A group is nothing but its columns: without one it cannot be told that an object was there.
  return fields.every((field) => field.kind === 'rest') ? rest(shape) : { kind: 'group', name, nulls, fields }
}

function rest(shape: FieldShape): FieldSpec {
  return { kind: 'rest', name: shape.name }
}

function countOf(shape: FieldShape, kind: ObservedKind): number {
  return kind === 'double' ? (shape.counts.double ?? 0) + (shape.counts.int ?? 0) : (shape.counts[kind] ?? 0)
}

function commonestKind(shape: FieldShape): ScalarKind | 'list' | 'object' | undefined {
  let best: ScalarKind | 'list' | 'object' | undefined
  for (const kind of [...scalarKinds, 'list', 'object'] as const) {
    if ((shape.counts[kind] ?? 0) === 0 || (kind === 'int' && (shape.counts.double ?? 0) > 0)) continue
    if (best === undefined || countOf(shape, kind) > countOf(shape, best)) best = kind
  }
  return best
}

/** A list that was always empty is one of strings: something has to be its type. */
function commonestElement({ elements = {} }: FieldShape): ScalarKind | undefined {
  let best: ScalarKind | undefined
  let bestCount = 0
  let fitting = elements.empty ?? 0
  for (const kind of scalarKinds) {
    const count = kind === 'double' && elements.double !== undefined ? elements.double + (elements.int ?? 0) : (elements[kind as ElementKind] ?? 0)
    if (kind === 'int' && elements.double !== undefined) continue
    if (count > bestCount) {
      best = kind
      bestCount = count
    }
  }
  fitting += bestCount
  return fitting >= (elements.mixed ?? 0) ? (best ?? 'string') : undefined
}

function nullsOf(shape: FieldShape, rows: number): Nulls {
  const explicit = shape.counts.null ?? 0
  let present = 0
  for (const count of Object.values(shape.counts)) present += count
  return explicit > rows - present ? 'null' : 'absent'
}

/** Of names that are equal without regard to case, all but the commonest. */
function namesInTwoCases(shapes: readonly FieldShape[]): Set<string> {
  const kept = new Map<string, FieldShape>()
  const shadowed = new Set<string>()
  for (const shape of shapes) {
    const folded = shape.name.toLowerCase()
    const other = kept.get(folded)
    const wins = other === undefined || presence(shape) > presence(other) || (presence(shape) === presence(other) && compareStrings(shape.name, other.name) < 0)
    if (wins) kept.set(folded, shape)
    const loser = wins ? other : shape
    if (loser !== undefined) shadowed.add(loser.name)
  }
  return shadowed
}

function presence(shape: FieldShape): number {
  let count = 0
  for (const one of Object.values(shape.counts)) count += one
  return count
}

/** The fields that are common enough for a column: the 200 commonest, of equally common ones the first. */
function fieldsWorthColumns(shape: Shape): Set<FieldShape> {
  const candidates: { field: FieldShape; count: number }[] = []
  const collect = (fields: readonly FieldShape[]): void => {
    for (const field of fields) {
      const kind = commonestKind(field)
      if (kind === 'object') collect(field.fields ?? [])
      else if (kind !== undefined && countOf(field, kind) * rareness >= shape.rows) candidates.push({ field, count: countOf(field, kind) })
    }
  }
  collect(shape.fields)
  const commonest = candidates.toSorted((left, right) => right.count - left.count).slice(0, columnsMax)
  return new Set(commonest.map(({ field }) => field))
}
