import { ParqueDBError } from '../base/ParqueDBError.ts'
import { alreadyExists, notFound } from '../model/decide.ts'
import { parseEntityId, parseTarget, validateNamespace, formatTarget } from '../model/entity-id.ts'
import type { EntityKey, EntityState } from '../model/entity.ts'
import type { EventDraft } from '../model/event.ts'
import { isPlainObject, parseDocument } from '../model/parse-document.ts'
import { applyPatch, type Patch } from '../model/patch.ts'
import { encodePatchPath } from '../model/path.ts'
import type { Document } from '../model/values.ts'
import { isWellFormed } from '../model/well-formed.ts'
import type { DecisionContext } from './engine.ts'

/** An event as a caller appends it. seq and, where they are absent, id, ts and version are filled in. */
export interface EventInput {
  readonly op: 'CREATE' | 'UPDATE' | 'DELETE'
  /** 'ns:id'; or give `ns` and `entityId`. */
  readonly target?: string
  readonly ns?: string
  readonly entityId?: string
  /** CREATE: the document. UPDATE: fields that are merged over the state, one by one. */
  readonly after?: object
  /** UPDATE: the resolved change, instead of `after`. */
  readonly patch?: Patch
  /** The event's id: one that was committed before is not committed again. */
  readonly id?: string
  /** Milliseconds, not later than now; raised to the last event's ts when it is before that. */
  readonly ts?: number
  /** The version that the entity will have: VERSION_CONFLICT when it would be another. */
  readonly version?: number
  readonly actor?: string
  readonly metadata?: object
}

export interface ParsedEvent {
  readonly key: EntityKey
  readonly input: EventInput
  readonly after: Document | undefined
  readonly metadata: Document | undefined
}

const knownFields = ['op', 'target', 'ns', 'entityId', 'after', 'patch', 'id', 'ts', 'version', 'actor', 'metadata']
const nameCharsMax = 1000

/** Checks an event that somebody appends; VALIDATION_FAILED or INVALID_ARGUMENT names the field. */
export function parseEventInput(input: EventInput, nowMs: number): ParsedEvent {
  if (typeof input !== 'object' || input === null) throw invalid('event', 'must be an object')
  for (const name of Object.keys(input)) if (!knownFields.includes(name)) throw invalid(name, `is not a field of an event; known are ${knownFields.join(', ')}`)
  if (!['CREATE', 'UPDATE', 'DELETE'].includes(input.op)) throw invalid('op', `must be CREATE, UPDATE or DELETE, not ${JSON.stringify(input.op)}`)
  for (const name of ['id', 'actor'] as const) checkName(input[name], name)
  if (input.ts !== undefined && !(Number.isSafeInteger(input.ts) && input.ts >= 0 && input.ts <= nowMs)) throw invalid('ts', `must be whole milliseconds from 0 to now (${nowMs}); it is ${String(input.ts)}`)
  if (input.version !== undefined && !(Number.isSafeInteger(input.version) && input.version >= 1)) throw invalid('version', `must be a whole number from 1; it is ${String(input.version)}`)
  checkBody(input)
  return {
    key: parseKey(input),
    input,
    after: input.after === undefined ? undefined : parseDocument(input.after),
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
  if (input.op !== 'CREATE' && !live) throw notFound(state, key)
  const common = { ns: key.ns, id: key.id, eventId: input.id, actor: input.actor, metadata, ts: input.ts }
  switch (input.op) {
    case 'CREATE':
      return { ...common, op: 'CREATE', after: after ?? {} }
    case 'UPDATE':
      return { ...common, op: 'UPDATE', patch: input.patch === undefined ? mergePatch(after ?? {}) : checkedPatch(input.patch, state?.document ?? {}) }
    case 'DELETE':
      return { ...common, op: 'DELETE' }
  }
}

/** Drafts of events that are committed together: each on the state that those before it leave. */
export function draftAll(events: readonly ParsedEvent[], context: DecisionContext): EventDraft[] {
  const live = new Map<string, EntityState | undefined>()
  return events.map((event) => {
    const name = formatTarget(event.key)
    const before = live.has(name) ? live.get(name) : context.state(event.key)
    const draft = draftOf(event, before)
    live.set(name, pretend(before, draft))
    return draft
  })
}

/** Enough of the state after a draft for the checks of the drafts behind it. */
function pretend(before: EntityState | undefined, draft: EventDraft): EntityState {
  const version = (before?.version ?? 0) + 1
  const document = draft.op === 'CREATE' ? (draft.after ?? {}) : draft.op === 'DELETE' || draft.op === 'ERASE' ? {} : applyPatch(before?.document ?? {}, draft.patch ?? {})
  return { id: draft.id, version, seq: 0, createdAt: 0, createdBy: undefined, updatedAt: 0, updatedBy: undefined, deletedAt: draft.op === 'DELETE' ? 0 : undefined, document }
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
  if (input.op === 'DELETE' && (input.after !== undefined || input.patch !== undefined)) throw invalid('after', 'and patch have no place in a DELETE')
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
  if (typeof value !== 'string' || value === '' || value.length > nameCharsMax || !isWellFormed(value)) {
    throw invalid(field, `must be a string of 1 to ${nameCharsMax} characters, without half of a surrogate pair`)
  }
}

function invalid(field: string, problem: string): ParqueDBError {
  return new ParqueDBError('INVALID_ARGUMENT', `The event's '${field}' ${problem}.`, { details: { field } })
}
