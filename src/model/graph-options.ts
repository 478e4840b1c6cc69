import type { AggregateOptions, IdempotentOptions, Populate, VersionedOptions } from './database-options.ts'
import type { Direction } from './edge.ts'
import type { Entity } from './entity-document.ts'
import type { Filter, LinkTarget, Sort } from './filter-types.ts'
import type { Document } from './values.ts'

/** What leads from an entity to one that was found by it. */
export interface EdgeFields {
  readonly predicate: string
  /** The edge's own data. */
  readonly data: Document
  /** When it was linked, or its data changed. */
  readonly linkedAt: Date
  readonly linkedBy?: string
}

export type Related<T extends object = Document> = Entity<T> & { readonly $edge: EdgeFields }

/** `asOf`: the graph as it was then. */
export interface RelatedOptions<T extends object = Document> extends AggregateOptions {
  /** 'in': the entities whose edges lead here. Default: as the schema says, else 'out'. */
  direction?: Direction
  /** Of the entities at the other end. */
  filter?: Filter<T>
  /** Default: by `$id`. */
  sort?: Sort<T>
  /** At least 1. Default: all; for page() 100. */
  limit?: number
  /** Of a page of the same query: goes on behind it. */
  cursor?: string
  populate?: Populate
}

/** One step of a traversal, by the name of a relationship, or with options. */
export type TraverseStep = string | {
  /** One name or several; none for edges of every name. */
  readonly relationship?: string | readonly string[]
  /** Default: as the schema says, else 'out'. */
  readonly direction?: Direction | 'both'
  /** How often the step is taken at least. Default 1. */
  readonly min?: number
  /** How often at most. Default 1; `depth` where only `min` is given. */
  readonly max?: number
  /** Entities that do not match are neither found nor passed through. */
  readonly filter?: Filter
}

/** `asOf`: the graph as it was then. */
export interface TraverseOptions<T extends object = Document> extends AggregateOptions {
  /** Edges of one path, at most. Default 10, at most 1,000. */
  depth?: number
  /** Entities that are given, at most. Default: all. */
  limit?: number
  /** Of the entities that are given; what does not match is passed through all the same. */
  filter?: Filter<T>
  /** 'once', the default: each entity by one of its shortest paths. 'path': by every path that does not cross itself. */
  visited?: 'once' | 'path'
}

export interface ShortestPathOptions extends AggregateOptions {
  /** One name or several; default: edges of every name. */
  relationship?: string | readonly string[]
  /** Default 'out'. */
  direction?: Direction | 'both'
  /** Edges of the path, at most. Default 10, at most 1,000. */
  depth?: number
}

/** An entity with the way to it: its edge is the last one, `$path` the `$id`s from the start to itself. */
export type Traversed<T extends object = Document> = Entity<T> & { readonly $edge?: EdgeFields; readonly $path: readonly string[] }

/** Where `link` leads: one or many, data for those that bring none, options. */
export type LinkArguments = [to: LinkTarget | readonly LinkTarget[], data?: object, options?: VersionedOptions]

export interface LinkResult {
  /** Edges that were made, got other data, or were removed. */
  readonly changedCount: number
}

/** An edge for linkMany; `from` is of the collection. */
export interface EdgeInput {
  readonly from: string
  readonly predicate: string
  readonly to: string
  readonly data?: object
}

export interface LinkManyOptions extends IdempotentOptions {
  /** Edges of one commit: 1 to 1,000, the default. */
  batchSize?: number
  /** Called after each batch. */
  onProgress?: (progress: LinkManyResult) => void
}

export interface LinkManyResult extends LinkResult {
  /** Edges that are done with. */
  readonly edgeCount: number
}
