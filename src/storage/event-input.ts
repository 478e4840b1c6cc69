import { ParqueDBError } from '../base/ParqueDBError.ts'
import { alreadyExists, notFound } from '../model/decide.ts'
import { edgeKey } from '../model/edge.ts'
import { formatTarget, parseEntityId, parseReference, parseTarget, validateNamespace, validatePredicate, type EntityKey, type EntityState } from '../model/entity.ts'
import { eventOf, type EventDraft } from '../model/event.ts'
import { fold } from '../model/fold.ts'
import { isPlainObject, parseDocument } from '../model/parse-document.ts'
import { applyPatch, type Patch } from '../model/patch.ts'
import { encodePatchPath } from '../model/path.ts'
import type { Document } from '../model/values.ts'
import { isWellFormed } from '../model/well-formed.ts'
import type { DecisionContext } from './engine.ts'

/** An event as a caller appends it. seq and, where they are absent, id, ts and version are filled in. */
export interface EventInput {
  readonly op: 'CREATE' | 'UPDATE' | 'DELETE' | 'REL_CREATE' | 'REL_DELETE'
  /** 'ns:id', of an edge's event where the edge begins; or give `ns` and `entityId`. */
  readonly target?: string
  readonly ns?: string
  readonly entityId?: string
  /** CREATE: the document. UPDATE: fields that are merged over the state, one by one. */
  readonly after?: object
  /** UPDATE: the resolved change, instead of `after`. */
  readonly patch?: Patch
  /** REL_CREATE and REL_DELETE: the name of the edge. What a schema says of it is not looked at here. */
  readonly predicate?: string
  /** The `$id` of what the edge leads to; it need not be there. */
  readonly to?: string
  /** REL_CREATE: the edge's data. */
  readonly data?: object
  /** The event's id: one that was committed before is not committed again. */
  readonly id?: string
  /** Milliseconds, not later than now; raised to the last event's ts when it is before that. */
  readonly ts?: number
  /** The version that the entity, or the edge, will have: VERSION_CONFLICT when it would be another. */
  readonly version?: number
  readonly actor?: string
  readonly metadata?: object
}

export type ParsedEvent = Readonly<ReturnType<typeof parseEventInput>>

const knownFields = ['op', 'target', 'ns', 'entityId', 'after', 'patch', 'predicate', 'to', 'data', 'id', 'ts', 'version', 'actor', 'metadata']
const ops: readonly string[] = ['CREATE', 'UPDATE', 'DELETE', 'REL_CREATE', 'REL_DELETE']
const nameCharsMax = 1000

/** Checks an event that somebody appends; VALIDATION_FAILED or INVALID_ARGUMENT names the field. */
export function parseEventInput(input: EventInput, nowMs: number) {
  if (typeof input !== 'object' || input === null) throw invalid('event', 'must be an object')
  for (const name of Object.keys(input)) if (!knownFields.includes(name)) throw invalid(name, `is not a field of an event; known are ${knownFields.join(', ')}`)
  if (!ops.includes(input.op)) throw invalid('op', `must be ${ops.join(', ')}, not ${JSON.stringify(input.op)}`)
  for (const name of ['id', 'actor'] as const) checkName(input[name], name)
  if (input.ts !== undefined && !(Number.isSafeInteger(input.ts) && input.ts >= 0 && input.ts <= nowMs)) throw invalid('ts', `must be whole milliseconds from 0 to now (${nowMs}); it is ${String(input.ts)}`)
  if (input.version !== undefined && !(Number.isSafeInteger(input.version) && input.version >= 1)) throw invalid('version', `must be a whole number from 1; it is ${String(input.version)}`)
  checkBody(input)
  const key = parseKey(input)
  const body = input.after ?? input.data
  return {
    key: isEdge(input) ? edgeKey({ from: key, predicate: validatePredicate(input.predicate), to: parseReference(input.to) }) : key,
    /** Where an edge begins: that has to be there. */
    from: isEdge(input) ? key : undefined,
    input,
    after: body === undefined ? undefined : parseDocument(body),
    metadata: input.metadata === undefined ? undefined : parseDocument(input.metadata),
  }
}

/** The draft of a parsed event on an entity in `state`; NOT_FOUND, ALREADY_EXISTS, VERSION_CONFLICT. */
function draftOf(event: ParsedEvent, state: EntityState | undefined): EventDraft {
  const { key, input, after, metadata } = event
  const live = state !== undefined && state.deletedAt === undefined
  const version = (state?.version ?? 0) + 1
  if (input.version !== undefined && input.version !== version) {
    throw new ParqueDBError('VERSION_CONFLICT', `The event would make version ${version} of ${formatTarget(key)}, not ${input.version}; read the entity again and decide anew.`, { details: { target: formatTarget(key), expected: input.version, found: version } })
  }
  if (input.op === 'CREATE' && state !== undefined && live) throw alreadyExists(state, key)
  if (input.op === 'REL_DELETE' && !live) throw new ParqueDBError('NOT_FOUND', `There is no edge '${input.predicate ?? ''}' from ${formatTarget(event.from ?? key)} to ${input.to ?? ''}.`, { details: { predicate: input.predicate, to: input.to } })
  if ((input.op === 'UPDATE' || input.op === 'DELETE') && !live) throw notFound(state, key)
  const common = { ns: key.ns, id: key.id, eventId: input.id, actor: input.actor, metadata, ts: input.ts }
  switch (input.op) {
    case 'CREATE':
      return { ...common, op: 'CREATE', after: after ?? {} }
    case 'UPDATE':
      return { ...common, op: 'UPDATE', patch: input.patch === undefined ? mergePatch(after ?? {}) : checkedPatch(input.patch, state?.document ?? {}) }
    case 'REL_CREATE':
      return { ...common, op: 'REL_CREATE', after: Object.keys(after ?? {}).length === 0 ? undefined : after }
    case 'DELETE':
    case 'REL_DELETE':
      return { ...common, op: input.op }
  }
}

/** Drafts of events that are committed together: each on the state that those before it leave. */
export function draftAll(events: readonly ParsedEvent[], context: DecisionContext): EventDraft[] {
  const live = new Map<string, EntityState | undefined>()
  const stateOf = (key: EntityKey): EntityState | undefined => (live.has(formatTarget(key)) ? live.get(formatTarget(key)) : context.state(key))
  return events.map((event) => {
    const name = formatTarget(event.key)
    const { from } = event
    const begin = from === undefined ? undefined : stateOf(from)
    if (from !== undefined && (begin === undefined || begin.deletedAt !== undefined)) throw notFound(begin, from)
    const before = stateOf(event.key)
    const draft = draftOf(event, before)
    live.set(name, fold(before, eventOf(draft, { seq: 0, ts: 0, version: (before?.version ?? 0) + 1 })))
    return draft
  })
}

function parseKey(input: EventInput): EntityKey {
  if (input.target !== undefined) {
    if (input.ns !== undefined || input.entityId !== undefined) throw invalid('target', 'is given beside ns and entityId; give one or the other')
    return parseTarget(input.target)
  }
  const ns = validateNamespace(input.ns)
  return { ns, id: parseEntityId(input.entityId, ns) }
}

function checkBody(input: EventInput): void {
  if (input.op === 'CREATE' && (input.after === undefined || input.patch !== undefined)) throw invalid('after', 'must hold the document of a CREATE, without a patch')
  if (input.op === 'UPDATE' && (input.after === undefined) === (input.patch === undefined)) throw invalid('after', 'or a patch, one of the two, must tell the change of an UPDATE')
  if (!['CREATE', 'UPDATE'].includes(input.op) && (input.after !== undefined || input.patch !== undefined)) throw invalid('after', `and patch have no place in a ${input.op}`)
  if (input.data !== undefined && input.op !== 'REL_CREATE') throw invalid('data', 'is that of an edge, and belongs to a REL_CREATE')
  if (!isEdge(input) && (input.predicate !== undefined || input.to !== undefined)) throw invalid('predicate', 'and to belong to a REL_CREATE or a REL_DELETE')
}

function isEdge({ op }: EventInput): boolean {
  return op === 'REL_CREATE' || op === 'REL_DELETE'
}

/** `after` of an UPDATE is merged over the state, field by field. */
function mergePatch(after: Document): Patch {
  return { set: Object.fromEntries(Object.entries(after).map(([name, value]) => [encodePatchPath([name]), value])) }
}

/** A patch from outside: its paths must decode and apply, its values be storable. */
function checkedPatch(patch: Patch, document: Document): Patch {
  if (!isPlainObject(patch) || Object.keys(patch).some((name) => name !== 'set' && name !== 'unset')) throw invalid('patch', 'must be an object of set and unset')
  const { set, unset } = patch
  if (unset !== undefined && !(Array.isArray(unset) && unset.every((path) => typeof path === 'string'))) throw invalid('patch.unset', 'must be an array of paths')
  const checked: Patch = { ...(set === undefined ? {} : { set: parseDocument(set) }), ...(unset === undefined ? {} : { unset: [...unset] }) }
  parseDocument(applyPatch(document, checked))
  return checked
}

function checkName(value: unknown, field: string): void {
  if (value === undefined) return
  if (typeof value !== 'string' || value === '' || value.length > nameCharsMax || !isWellFormed(value)) throw invalid(field, `must be a string of 1 to ${nameCharsMax} characters, without half of a surrogate pair`)
}

function invalid(field: string, problem: string): ParqueDBError {
  return new ParqueDBError('INVALID_ARGUMENT', `The event's '${field}' ${problem}.`, { details: { field } })
}
