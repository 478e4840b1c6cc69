import { toHex, utf8Encode } from '../base/bytes.ts'
import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import { sha256 } from '../base/sha256.ts'
import { checkName, checkWholeNumber } from '../model/check-options.ts'
import { validateNamespace, type EntityKey } from '../model/entity.ts'
import type { Event } from '../model/event.ts'
import { describe } from '../model/parse-document.ts'
import { publicEvent } from '../model/public-event.ts'
import type { Document } from '../model/values.ts'
import type { Engine } from '../storage/engine.ts'
import { withView } from '../storage/view.ts'
import { Collection } from './Collection.ts'
import type { Session } from './session.ts'

/** Until it is looked again whether an erasure has ended. */
const erasureMs = 100

/** A state of a user's own, folded from events. `apply` is pure: it is run again whenever the state is built anew; effects belong to subscribers. */
export interface ProjectionDefinition<State extends object> {
  readonly name: string
  /** Another one, or another text of `apply`, builds the state anew. Default 1. */
  readonly version?: number
  /** Only events of this collection. */
  readonly ns?: string
  readonly init: () => State
  readonly apply: (state: State, event: Event) => State
}

/** A state, and the event that it stands at: all before it are in it. */
export interface ProjectionState<State extends object> {
  readonly state: State
  readonly seq: number
  readonly version: number
}

/** Where the states of projections are kept: no collection of a user's begins with '$'. */
const space = '$projections'

/** All projections that may have something of these entities: those of the whole database, and of the tenants that the entities are of. */
export async function projectionsOf(whole: Pick<Engine, 'view'>, keys: readonly EntityKey[]): Promise<EntityKey[]> {
  const spaces = new Set(keys.flatMap(({ ns }) => [space, ns.slice(0, ns.indexOf('~') + 1) + space]))
  return withView(whole, async (view) => {
    const found: EntityKey[] = []
    for (const ns of spaces) for await (const states of view.scanRanges(ns, [{}])) found.push(...states.map(({ id }) => ({ ns, id })))
    return found
  })
}

/** Checks a definition. INVALID_ARGUMENT. */
export function defineProjection<State extends object>(definition: ProjectionDefinition<State>): ProjectionDefinition<State> {
  checkName(definition.name, 'name', 100)
  checkWholeNumber(definition.version, { option: 'version', least: 1 })
  if (definition.ns !== undefined) validateNamespace(definition.ns)
  if (definition.name === undefined || typeof definition.init !== 'function' || typeof definition.apply !== 'function') throw new ParqueDBError('INVALID_ARGUMENT', 'A projection has a name, and the functions init and apply.')
  return definition
}

interface Stored {
  fingerprint: string
  definitionVersion: number
  seq: number
  state: Document
}

/** The state of one definition, kept in the database with its position, in one commit. A changed definition is built beside the former state, which is read until it has caught up. */
export class EventProjection<State extends object> {
  readonly #engine: Engine
  readonly #records: Collection<Stored>
  readonly #definition: ProjectionDefinition<State>
  readonly #fingerprint: string
  readonly #stopListening: () => void
  #wake: (() => void) | undefined
  #hasNews = false
  #isStopped = false
  #failure: Error | undefined
  #seq = 0
  #waiting: (() => void)[] = []

  constructor(engine: Engine, session: Session, definition: ProjectionDefinition<State>) {
    this.#engine = engine
    this.#records = new Collection<Stored>(session, space)
    this.#definition = defineProjection(definition)
    this.#fingerprint = toHex(sha256(utf8Encode(`${definition.version ?? 1}\n${definition.ns ?? ''}\n${definition.init.toString()}\n${definition.apply.toString()}`)))
    this.#stopListening = engine.onCommit(() => {
      this.#hasNews = true
      this.#wake?.()
    })
    void this.#run().catch((error: unknown) => {
      this.#failure = error instanceof Error ? error : new Error(String(error))
      this.stop()
    })
  }

  /** The state as it is kept, and where it stands; undefined until it was built for the first time. */
  async read(): Promise<ProjectionState<State> | undefined> {
    const stored = await this.#records.get(this.#definition.name)
    return stored === undefined ? undefined : { state: stored.state as State, seq: stored.seq, version: stored.definitionVersion }
  }

  /** The state once everything that is committed by now is in it. Throws what ended the work, if something did. */
  async current(): Promise<ProjectionState<State>> {
    const newestSeq = await withView(this.#engine, async ({ seq }) => seq)
    while (this.#seq < newestSeq && this.#failure === undefined && !this.#isStopped) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    if (this.#failure !== undefined) throw this.#failure
    const state = await this.read()
    if (state === undefined) throw new ParqueDBError('CLOSED', 'The projection was stopped before it was built.')
    return state
  }

  stop(): void {
    this.#isStopped = true
    this.#stopListening()
    this.#wake?.()
    this.#tell()
  }

  async #run(): Promise<void> {
    const stored = await this.#records.get(this.#definition.name)
    /** What is kept of this definition, finished or not. */
    let built = stored?.fingerprint === this.#fingerprint ? { state: stored.state as State, seq: stored.seq } : undefined
    /** Events up to here were seen by a build from the start, which what was erased by then is not in. */
    let freshSeq = built?.seq ?? 0
    while (!this.#isStopped) {
      this.#hasNews = false
      const isNew = built === undefined
      const before: { state: State; seq: number } = built ?? { state: this.#definition.init(), seq: 0 }
      const next = await this.#fold(before, freshSeq)
      if (next === 'erased') {
        built = undefined
        freshSeq = Number.POSITIVE_INFINITY
        await this.#engine.clock.sleep(erasureMs)
        continue
      }
      if (isNew || freshSeq === Number.POSITIVE_INFINITY) freshSeq = next.seq
      built = next
      if ((isNew || next.appliedCount > 0) && !this.#isStopped && !(await this.#save(next))) {
        built = undefined
        continue
      }
      this.#seq = next.seq
      this.#tell()
      if (!this.#hasNews && !this.#isStopped) await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  /** 'erased' when something of what is in the state is gone, or just going: then it is built from the start. */
  async #fold(from: { state: State; seq: number }, freshSeq: number): Promise<{ state: State; seq: number; appliedCount: number } | 'erased'> {
    return withView(this.#engine, async (view) => {
      let { state } = from
      let appliedCount = 0
      for await (const event of view.events({ ns: this.#definition.ns, ...(from.seq > 0 && { fromSeq: from.seq + 1 }) })) {
        if (event.op === 'ERASE' && (event.id !== '' || (from.seq > 0 && event.seq > freshSeq))) return 'erased'
        if (event.op === 'ERASE' || event.ns.startsWith('$')) continue
        state = this.#definition.apply(state, publicEvent(event))
        appliedCount++
        if (this.#isStopped) break
      }
      return { state, seq: view.seq, appliedCount }
    })
  }

  /** False when its record is just being erased. */
  async #save({ state, seq }: { state: State; seq: number }): Promise<boolean> {
    // An apply without a return would leave nothing, silently.
    if (typeof (state as unknown) !== 'object' || (state as unknown) === null) throw new ParqueDBError('VALIDATION_FAILED', `The projection '${this.#definition.name}' has ${describe(state)} for its state; init and apply must return an object, apply the next state.`)
    const document = { fingerprint: this.#fingerprint, definitionVersion: this.#definition.version ?? 1, seq, state }
    try {
      await this.#records.replace(this.#definition.name, document as never, { upsert: true })
      return true
    } catch (error) {
      if (!isParqueDBError(error, 'TRANSACTION_CONFLICT')) throw error
      await this.#engine.clock.sleep(erasureMs)
      return false
    }
  }

  #tell(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}
