import { ParqueDBError } from '../base/ParqueDBError.ts'
import { checkVersion, decide, type Command } from '../model/decide.ts'
import { isEdgeState } from '../model/edge.ts'
import { formatEntityId, type EntityKey, type EntityState } from '../model/entity.ts'
import type { Link } from '../model/links.ts'
import { withView } from '../storage/view.ts'
import { commitWithEdges } from './replace-edges.ts'
import type { Session } from './session.ts'
import type { ParsedWrite } from './parse-input.ts'

export interface EntityWrite {
  readonly key: EntityKey
  /** Found by the call, so that the same call may come with another one, as one that makes an id does. */
  readonly isFound?: boolean
  /** undefined: only edges change. */
  readonly command?: Command
  readonly links?: readonly Link[]
  /** Asked about the state that the command meets; false: nothing is done and the result is stale. */
  readonly condition?: (state: EntityState | undefined) => boolean
}

/** One command on one entity and what it links, as one commit. */
export async function writeEntity(session: Session, { key, isFound, command, links = [], condition }: EntityWrite, write: ParsedWrite) {
  const met: { before: EntityState | undefined; isStale: boolean } = { before: undefined, isStale: false }
  const isNew = command?.kind === 'create'
  const written = await commitWithEdges(session, { keys: [key], links, isNew, decide: (context, edges) => {
    met.before = context.state(key)
    met.isStale = condition !== undefined && !condition(met.before)
    if (met.isStale) return []
    if (command === undefined) checkVersion(met.before?.deletedAt === undefined ? met.before : undefined, { key, nowMs: context.nowMs, ...write })
    const drafts = command === undefined ? [] : decide(met.before, command, { key, nowMs: context.nowMs, limits: session.limits, ...write })
    if (links.length === 0) return drafts
    return [...drafts, ...edges(links, (of) => drafts.length > 0 && of.ns === key.ns && of.id === key.id)]
  } }, write)
  const { states, repeated, committed } = written ?? { states: [], repeated: true, committed: [] }
  const own = states.filter((state) => !isEdgeState(state))
  if (repeated && isFound !== true && !isNew && own.length > 0 && own.every(({ id }) => id !== key.id)) throw new ParqueDBError('INVALID_ARGUMENT', `The txId '${write.txId}' was used for a write of another entity, and ${formatEntityId(key)} is as it was; use another one.`, { details: { option: 'txId' } })
  // Others may have written the entity since, so what this write made is not what is there now.
  const made = committed.find((state) => !isEdgeState(state)) ?? own[0]
  return {
    /** Before the write; undefined when the entity never was, or the write had been committed before. */
    before: met.before,
    /** After it: `before` itself when the command changed nothing. */
    after: made ?? (repeated ? await withView(session, (view) => view.get(key)) : met.before),
    /** Whether the entity or one of its edges did change. */
    isChanged: states.length > 0,
    /** Edges that changed. */
    edgeCount: states.length - own.length,
    /** The condition of the write did not hold any more, so nothing was done. */
    isStale: met.isStale,
  }
}
