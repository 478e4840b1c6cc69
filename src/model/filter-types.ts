import type { EntityFields } from './entity-document.ts'
import type { Value } from './values.ts'

/** What one value may be compared with: an array field also matches by its elements, a bigint also a number. */
type Operand<V> = (V extends readonly (infer E)[] ? V | E : V extends bigint ? V | number : V) | null

/** Operators that take the same. */
type Each<Operators extends string, Taken> = { readonly [Operator in Operators]?: Taken }

/** A condition on a field of type `V`. */
export interface FieldOperators<V> extends Each<'$eq' | '$ne' | '$gt' | '$gte' | '$lt' | '$lte', Operand<V>>, Each<'$in' | '$nin', readonly (Operand<V> | RegExp)[]>, Each<'$startsWith' | '$endsWith' | '$contains', string> {
  readonly $exists?: boolean
  readonly $type?: string | number | readonly (string | number)[]
  readonly $regex?: string | RegExp
  readonly $options?: string
  readonly $all?: readonly unknown[]
  readonly $elemMatch?: Readonly<Record<string, unknown>>
  readonly $size?: number
  readonly $mod?: readonly [divisor: number | bigint, remainder: number | bigint]
  readonly $not?: FieldOperators<V> | RegExp
}

export type Condition<V> = Operand<V> | RegExp | FieldOperators<V>

/** Names from outside of the document's own type: dotted paths, and the fields that the database keeps. */
type PathName = `${string}.${string}` | '$type' | keyof EntityFields

/** A filter over documents of type `T`: precise for top-level fields, open for dotted paths. */
export type Filter<T = Record<string, Value>> = {
  readonly [K in keyof T]?: Condition<NonNullable<T[K]>>
} & {
  readonly [K in PathName as K extends keyof T ? never : K]?: unknown
} & {
  readonly [K in '$and' | '$or' | '$nor']?: readonly Filter<T>[]
}

/** An operand of type `V` for each field of `T`, open for dotted paths. */
type Fields<T, V> = { readonly [K in keyof T]?: V } & { readonly [path: `${string}.${string}`]: V }

type SetFields<T> = { readonly [K in keyof T]?: T[K] } & { readonly [path: `${string}.${string}`]: unknown } & { readonly $type?: string }

type Element<V> = V extends readonly (infer E)[] ? E : never

type ElementFields<T> = { readonly [K in keyof T]?: Element<NonNullable<T[K]>> | Readonly<Record<string, unknown>> | RegExp } & { readonly [path: `${string}.${string}`]: unknown }

/** What a relationship leads to: an `$id`, or one with data that the edge carries. */
export type LinkTarget = string | { readonly to: string; readonly data?: object }

/** What to link, by the names of relationships. */
export interface Links {
  readonly [relationship: string]: LinkTarget | readonly LinkTarget[]
}

/** An update of documents of type `T`: precise for top-level fields of $set and its like, open for dotted paths. */
export interface Update<T = Record<string, Value>> extends Each<'$set' | '$setOnInsert' | '$min' | '$max', SetFields<T>>, Each<'$inc' | '$mul', Fields<T, number | bigint>>, Each<'$push' | '$pull' | '$addToSet', ElementFields<T>> {
  readonly $unset?: Fields<T, unknown> & { readonly $type?: unknown }
  readonly $rename?: Fields<T, string>
  readonly $currentDate?: Fields<T, true | { readonly $type: 'date' }>
  readonly $pullAll?: Fields<T, readonly unknown[]>
  readonly $pop?: Fields<T, 1 | -1>
  /** Relationships by name; see the docs' guide on graphs. */
  readonly $link?: Links
  readonly $unlink?: Links
  readonly $bit?: Fields<T, { readonly and?: number | bigint; readonly or?: number | bigint; readonly xor?: number | bigint }>
}

type FieldName<T> = (keyof T & string) | PathName

/** The first key is the most significant. */
export type Sort<T = Record<string, Value>> = { readonly [K in FieldName<T>]?: 1 | -1 } | readonly (readonly [FieldName<T>, 1 | -1])[]

/** Either fields to include or fields to exclude; `$id` may be excluded from an inclusion. */
export type Projection<T = Record<string, Value>> = { readonly [K in FieldName<T>]?: 0 | 1 | boolean } | readonly FieldName<T>[]
