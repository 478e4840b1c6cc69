import { ParqueDBError } from '../base/ParqueDBError.ts'
import { checkVersion, decide, type Command } from '../model/decide.ts'
import { isEdgeState } from '../model/edge.ts'
import { formatEntityId, type EntityKey, type EntityState } from '../model/entity.ts'
import { decideLinks, keysOfLinks, type Link } from '../model/links.ts'
import { withView } from '../storage/view.ts'
import { replacingEdges } from './replace-edges.ts'
import type { Session } from './session.ts'
import type { ParsedWrite } from './parse-input.ts'

type Written = Readonly<Awaited<ReturnType<typeof writeOnce>>>

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
export async function writeEntity(session: Session, entityWrite: EntityWrite, write: ParsedWrite): Promise<Written> {
  const { key, links = [], command } = entityWrite
  const written = await replacingEdges(session, { links, isNew: command?.kind === 'create', write }, (inner, all, options) => writeOnce(inner, { ...entityWrite, links: all }, options))
  // Others may have written the entity since, so what this write made is not what is there now.
  if (written !== undefined) return { ...written, after: written.committed.find((state) => !isEdgeState(state)) ?? written.after }
  return { before: undefined, after: await withView(session, (view) => view.get(key)), isChanged: false, edgeCount: 0, isStale: false }
}

async function writeOnce(session: Session, { key, isFound, command, links = [], condition }: EntityWrite, write: ParsedWrite) {
  const met: { before: EntityState | undefined; isStale: boolean } = { before: undefined, isStale: false }
  const { states, repeated } = await session.commit({
    keys: links.length === 0 ? [key] : [key, ...keysOfLinks(links)],
    decide: (context) => {
      met.before = context.state(key)
      met.isStale = condition !== undefined && !condition(met.before)
      if (met.isStale) return []
      if (command === undefined) checkVersion(met.before?.deletedAt === undefined ? met.before : undefined, { key, nowMs: context.nowMs, ...write })
      const drafts = command === undefined ? [] : decide(met.before, command, { key, nowMs: context.nowMs, limits: session.limits, ...write })
      if (links.length === 0) return drafts
      return [...drafts, ...decideLinks(links, { state: (of) => context.state(of), isMade: (of) => drafts.length > 0 && of.ns === key.ns && of.id === key.id, ...write })]
    },
    txId: write.txId,
    signal: write.signal,
  })
  const own = states.filter((state) => !isEdgeState(state))
  if (repeated && isFound !== true && command?.kind !== 'create' && own.length > 0 && own.every(({ id }) => id !== key.id)) throw new ParqueDBError('INVALID_ARGUMENT', `The txId '${write.txId}' was used for a write of another entity, and ${formatEntityId(key)} is as it was; use another one.`, { details: { option: 'txId' } })
  const after = own[0] ?? (repeated ? await withView(session, (view) => view.get(key)) : met.before)
  return {
    /** Before the write; undefined when the entity never was, or the write had been committed before. */
    before: met.before,
    /** After it: `before` itself when the command changed nothing. */
    after,
    /** Whether the entity or one of its edges did change. */
    isChanged: states.length > 0,
    /** Edges that changed. */
    edgeCount: states.length - own.length,
    /** The condition of the write did not hold any more, so nothing was done. */
    isStale: met.isStale,
  }
}
