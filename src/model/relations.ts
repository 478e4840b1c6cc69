import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { Direction } from './edge.ts'
import { validateNamespace, validatePredicate } from './entity.ts'
import { isPlainObject } from './parse-document.ts'

/** What deleting the entity that an edge points at does: 'hide', the default, leaves the edge, which is not seen until the entity is restored. */
export type OnDelete = 'hide' | 'restrict' | 'cascade' | 'unlink'

/**
 * A relationship of a collection. '-> users.posts': one entity of 'users', which sees the edge as 'posts'; '-> tags.posts[]': many; the name behind the '.' may
 * be left out. '<- posts.author[]': the entities of 'posts' whose 'author' points here, the other side of a '->'.
 */
export type RelationInput = string | { readonly rel: string; readonly onDelete?: OnDelete; readonly dangling?: 'allow' | 'refuse' }

/** Relationships by collection and name. */
export interface SchemaInput {
  readonly [collection: string]: { readonly [name: string]: RelationInput }
}

/** A relationship as one of its ends names it. */
export interface Relation {
  readonly predicate: string
  /** The name that the other end knows it by, where it has one. */
  readonly inverse: string | undefined
  readonly direction: Direction
  /** The collection at the other end; undefined: any. */
  readonly far: string | undefined
  /** Whether it leads to many entities, seen from here. */
  readonly isMany: boolean
  /** The same, seen from the other end. */
  readonly isManyBack: boolean
  readonly onDelete: OnDelete
  /** Whether a target that is not there is refused. */
  readonly refusesDangling: boolean
}

/** The relationships of a database, checked. What is not declared is an edge to any collection, to many, that a delete hides. */
export class Relations {
  readonly #named = new Map<string, Relation>()
  readonly #incoming = new Map<string, Relation[]>()

  /** INVALID_ARGUMENT names the collection and the relationship that is wrong or contradicts another. */
  constructor(schema: SchemaInput = {}) {
    if (!isPlainObject(schema)) throw wrong('schema', 'must be an object of collections')
    const reverses: { ns: string; name: string; parsed: Parsed }[] = []
    for (const [ns, names] of Object.entries(schema)) {
      validateNamespace(ns)
      if (!isPlainObject(names)) throw wrong(ns, "must be an object of relationships, as { author: '-> users.posts' }")
      for (const [name, input] of Object.entries(names)) {
        validatePredicate(name)
        const parsed = parse(`${ns}.${name}`, input)
        if (parsed.direction === 'in') reverses.push({ ns, name, parsed })
        else this.#addForward(ns, name, parsed)
      }
    }
    for (const reverse of reverses) this.#addReverse(reverse)
    for (const [name, relation] of new Map(this.#named)) this.#checkInverse(name, relation, schema)
  }

  /** The relationship that a collection knows by this name; an edge of this name where none is declared. `direction` turns that round. */
  of(ns: string, name: string, direction: Direction | undefined): Relation {
    const declared = this.#named.get(keyOf(ns, name))
    if (declared !== undefined && (direction ?? declared.direction) === declared.direction) return declared
    return { predicate: name, direction: direction ?? 'out', inverse: undefined, far: undefined, isMany: true, isManyBack: true, onDelete: 'hide', refusesDangling: false }
  }

  /** Declared forward relationships that point at a collection and say what deleting there does. */
  incoming(ns: string): readonly Relation[] {
    return this.#incoming.get(ns) ?? []
  }

  /** Names by which a collection's edges of these kinds go when one of its entities is deleted. */
  unlinkedWith(ns: string): readonly Relation[] {
    return [...this.#named].flatMap(([name, relation]) => (name.startsWith(`${ns}/`) && relation.direction === 'out' && relation.onDelete === 'unlink' ? [relation] : []))
  }

  #addForward(ns: string, name: string, parsed: Parsed): void {
    const relation: Relation = { predicate: name, ...parsed }
    this.#named.set(keyOf(ns, name), relation)
    if (relation.onDelete === 'hide') return
    this.#incoming.set(parsed.far, [...this.incoming(parsed.far), relation])
  }

  #addReverse({ ns, name, parsed }: { ns: string; name: string; parsed: Parsed }): void {
    const where = `${ns}.${name}`
    const forward = this.#named.get(keyOf(parsed.far, parsed.inverse ?? ''))
    if (forward === undefined || forward.direction !== 'out') throw wrong(where, `says '<- ${parsed.far}.${parsed.inverse}', but ${parsed.far} declares no '${parsed.inverse}' that points anywhere`)
    if (forward.far !== ns) throw wrong(where, `says '<- ${parsed.far}.${parsed.inverse}', but that points at ${forward.far}`)
    const { inverse } = forward
    if (inverse !== undefined && inverse !== name) throw wrong(where, `says '<- ${parsed.far}.${parsed.inverse}', which calls its other side '${inverse}'`)
    this.#named.set(keyOf(ns, name), { ...forward, direction: 'in', far: parsed.far, isMany: parsed.isMany, isManyBack: forward.isMany })
    this.#named.set(keyOf(parsed.far, forward.predicate), { ...forward, isManyBack: parsed.isMany })
  }

  /** A forward relationship that names its other side makes that name known, unless it is declared there, as it must then be. */
  #checkInverse(name: string, relation: Relation, schema: SchemaInput): void {
    const { inverse } = relation
    const [from = ''] = name.split('/')
    if (relation.direction === 'in' || inverse === undefined || relation.far === undefined) return
    const key = keyOf(relation.far, inverse)
    const declared = this.#named.get(key)
    if (declared === undefined) this.#named.set(key, { ...relation, direction: 'in', far: from, isMany: true, isManyBack: relation.isMany })
    else if (declared.direction === 'out' || declared.predicate !== relation.predicate || declared.far !== from) {
      throw wrong(`${from}.${relation.predicate}`, `calls its other side ${relation.far}.${inverse}, which is declared as '${textOf(schema[relation.far]?.[inverse])}'`)
    }
  }
}

/** `far` is always given. */
interface Parsed extends Omit<Relation, 'predicate'> {
  readonly far: string
}

const pattern = /^(->|<-)\s*([^\s.[\]]+)(?:\.([^\s.[\]]+))?(\[\])?$/

function parse(where: string, input: RelationInput): Parsed {
  const { rel, onDelete = 'hide', dangling = 'allow', ...unknown } = typeof input === 'string' ? { rel: input } : isPlainObject(input) ? (input as Exclude<RelationInput, string>) : { rel: '' }
  const [option] = Object.keys(unknown)
  if (option !== undefined) throw wrong(where, `has the unknown option '${option}'; known are rel, onDelete, dangling`)
  const match = typeof rel === 'string' ? pattern.exec(rel.trim()) : null
  if (match === null) throw wrong(where, "must be written as '-> users.posts', '-> tags[]' or '<- posts.author[]'")
  const [, arrow, far = '', inverse, many] = match
  if (!['hide', 'restrict', 'cascade', 'unlink'].includes(onDelete)) throw wrong(where, "has an onDelete that is none of 'hide', 'restrict', 'cascade', 'unlink'")
  if (dangling !== 'allow' && dangling !== 'refuse') throw wrong(where, "has a dangling that is neither 'allow' nor 'refuse'")
  const isReverse = arrow === '<-'
  if (isReverse && inverse === undefined) throw wrong(where, `must name the relationship whose other side it is, as '<- ${far}.author'`)
  if (isReverse && typeof input !== 'string' && Object.keys(input).length > 1) throw wrong(where, "is the other side of a '->', where onDelete and dangling belong")
  return { direction: isReverse ? 'in' : 'out', far: validateNamespace(far), inverse: inverse === undefined ? undefined : validatePredicate(inverse), isMany: many !== undefined, isManyBack: true, onDelete, refusesDangling: dangling === 'refuse' }
}

/** A namespace holds no '/'. */
function keyOf(ns: string, name: string): string {
  return `${ns}/${name}`
}

function textOf(input: RelationInput | undefined): string {
  return typeof input === 'string' ? input : (input?.rel ?? '')
}

function wrong(where: string, problem: string): ParqueDBError {
  return new ParqueDBError('INVALID_ARGUMENT', `The schema's ${where} ${problem}.`, { details: { option: 'schema', path: where } })
}
