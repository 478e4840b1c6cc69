import { decide, type Command } from '../model/decide.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import { withView, type Session } from './session.ts'
import type { ParsedWrite } from './write-options.ts'

export interface Written {
  /** Before the write; undefined when the entity never was, or the write had been committed before. */
  readonly before: EntityState | undefined
  /** After it: `before` itself when the command changed nothing. */
  readonly after: EntityState | undefined
  readonly isChanged: boolean
  /** The condition of the write did not hold any more, so nothing was done. */
  readonly isStale: boolean
}

export interface EntityWrite {
  readonly key: EntityKey
  readonly command: Command
  /** Asked about the state that the command meets; false: nothing is done and the result is stale. */
  readonly condition?: (state: EntityState | undefined) => boolean
}

/** One command on one entity, as one commit. */
export async function writeEntity(session: Session, { key, command, condition }: EntityWrite, write: ParsedWrite): Promise<Written> {
  const met: { before: EntityState | undefined; isStale: boolean } = { before: undefined, isStale: false }
  const { states, repeated } = await session.commit({
    keys: [key],
    decide: (context) => {
      met.before = context.state(key)
      met.isStale = condition !== undefined && !condition(met.before)
      return met.isStale ? [] : decide(met.before, command, { key, nowMs: context.nowMs, limits: session.limits, ...write })
    },
    txId: write.txId,
    signal: write.signal,
  })
  const [state] = states
  const after = state ?? (repeated ? await withView(session, (view) => view.get(key)) : met.before)
  return { before: met.before, after, isChanged: state !== undefined, isStale: met.isStale }
}
