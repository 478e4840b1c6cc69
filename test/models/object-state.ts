/*
 * What is in the store of `objectModel`, what is still on its way there, and what each process knows. Plain data: a step makes a new state.
 */

export interface Head {
  readonly epoch: number
  /** Events 1, 2, … that are in files. */
  readonly flushed: readonly string[]
}

/** An object of the log: the events of one append, from seq `first` on. */
export interface Slot {
  readonly epoch: number
  readonly first: number
  readonly ids: readonly string[]
}

/** A put. 'head' replaces the epoch file whose etag is `ifMatch` ('any': whatever is there); the others only create. */
export type Put = { readonly kind: 'epoch'; readonly epoch: number; readonly isExclusive: boolean } | { readonly kind: 'slot'; readonly slot: Slot } | { readonly kind: 'head'; readonly head: Head; readonly ifMatch: string }

/** What a check that was begun does next; `own` is the etag of the writer's epoch file as the check saw it. */
export type Look = { readonly at: 'next' | 'own' } | { readonly at: 'list'; readonly own: string }

export type Lane = 'look' | 'sideLook'

export type Pc = 'off' | 'create' | 'read' | 'replay' | 'copy' | 'resolve copy' | 'publish' | 'resolve publish' | 'check' | 'idle' | 'put' | 'resolve' | 'acknowledge' | 'dead'

/** What a writer does beside its commits. */
export type SidePc = 'none' | 'sweep' | 'delete epochs' | 'rest' | 'flush check' | 'flush publish' | 'resolve flush' | 'flush verify' | 'flush delete'

export interface Writer {
  readonly name: string
  readonly commitsLeft: number
  readonly flushesLeft: number
  readonly pc: Pc
  readonly side: SidePc
  readonly epoch: number
  readonly head: Head | null
  /** Slots after the flushed events, as the writer knows them. */
  readonly tail: readonly Slot[]
  readonly flushTo: number
  /** Of a sweep: epochs that it has listed and not yet deleted. */
  readonly swept: readonly number[]
  /** The etag that its epoch file had when a listing showed no newer epoch. */
  readonly proven: string
  readonly look: Look | null
  readonly sideLook: Look | null
}

export interface ObjectState {
  /** null: taken, without a head. */
  readonly epochs: Readonly<Record<number, Head | null>>
  /** In the order of epoch and seq. */
  readonly slots: readonly Slot[]
  /** Puts whose sender has given up waiting, or whose copy a proxy still holds: each may be done once more, whenever. */
  readonly flying: readonly Put[]
  readonly writers: readonly Writer[]
  readonly acknowledged: readonly { readonly seq: number; readonly id: string }[]
  /** Whoever asked for these was told that they were not written. */
  readonly refused: readonly string[]
  readonly faultsLeft: number
}

export const atRest = { commitsLeft: 0, flushesLeft: 0, epoch: 0, head: null, tail: [], flushTo: 0, swept: [], proven: '', look: null, sideLook: null }

/** A dead writer keeps nothing but its name, so that states which differ in nothing else are one. */
export function update(state: ObjectState, index: number, change: Partial<Writer>): ObjectState {
  const writers = state.writers.map((writer, at) => {
    if (at !== index) return writer
    const next = { ...writer, ...change }
    return next.pc === 'dead' ? { ...next, ...atRest, side: 'none' as const } : next
  })
  return { ...state, writers }
}

export function newestEpoch(state: ObjectState): number {
  return Math.max(0, ...Object.keys(state.epochs).map(Number))
}

export function newestHead(state: ObjectState): Head | null {
  return Object.values(state.epochs).findLast((head) => head !== null) ?? null
}

/** Of the content alone, as S3 and R2 make it: equal bytes have equal etags. '' of no file. */
export function etagOf(head: Head | null | undefined): string {
  if (head === undefined) return ''
  return head === null ? 'taken' : `${head.epoch}:${head.flushed.length}`
}

export function slotAt(state: ObjectState, epoch: number, first: number): Slot | undefined {
  return state.slots.find((slot) => slot.epoch === epoch && slot.first === first)
}

/** The slots that a reader of `head` finds; `all`: also those below what is flushed. */
export function tailOf(state: ObjectState, head: Head, all = false): Slot[] {
  return state.slots.filter((slot) => slot.epoch === head.epoch && (all || slot.first > head.flushed.length))
}

/** Ids in the order of seq: what the head names as flushed, then the log. undefined unless that is dense. */
export function historyOf(head: Head, tail: readonly Slot[]): string[] | undefined {
  const ids = [...head.flushed]
  for (const slot of tail) {
    if (slot.first !== ids.length + 1) return undefined
    ids.push(...slot.ids)
  }
  return ids
}

/** What the store does with a put: undefined when its condition does not hold. */
export function applied(state: ObjectState, put: Put): ObjectState | undefined {
  switch (put.kind) {
    case 'epoch':
      return put.isExclusive && put.epoch in state.epochs ? undefined : { ...state, epochs: { ...state.epochs, [put.epoch]: null } }
    case 'slot': {
      if (slotAt(state, put.slot.epoch, put.slot.first) !== undefined) return undefined
      return { ...state, slots: [...state.slots, put.slot].toSorted((left, right) => left.epoch - right.epoch || left.first - right.first) }
    }
    case 'head': {
      const found = etagOf(state.epochs[put.head.epoch])
      return put.ifMatch !== 'any' && put.ifMatch !== found ? undefined : { ...state, epochs: { ...state.epochs, [put.head.epoch]: put.head } }
    }
  }
}
