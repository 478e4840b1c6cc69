import { ParqueDBError } from '../base/ParqueDBError.ts'
import { systemPart } from './entity-document.ts'
import { formatEntityId, isLive, type EntityKey, type EntityState } from './entity.ts'
import type { EventDraft } from './event.ts'
import type { DocumentLimits } from './parse-document.ts'
import { diffDocuments, isEmptyPatch } from './patch.ts'
import { applyUpdate, type ParsedUpdate } from './update/apply-update.ts'
import { equalValues, type Document } from './values.ts'

/** What an entity's version must be for the command to go ahead; 'absent' also holds for a deleted entity. */
export type ExpectedVersion = number | 'absent'

/** One change that is wanted of one entity. Everything in it is already parsed and checked. */
export type Command =
  /** A new entity; the id of a deleted one may be used again. ALREADY_EXISTS. */
  | { readonly kind: 'create'; readonly document: Document }
  /** Update operators on a live entity. With `orCreate` they make the entity where it is absent; else NOT_FOUND. */
  | { readonly kind: 'update'; readonly update: ParsedUpdate; readonly orCreate: boolean }
  /** Another document in place of the one that is there. `fields` are system fields that the caller sent along: they must be the current ones. */
  | { readonly kind: 'replace'; readonly document: Document; readonly fields: Document; readonly orCreate: boolean }
  /** A tombstone; nothing where the entity is absent. */
  | { readonly kind: 'delete' }
  /** Brings a deleted entity back with `document`; nothing where it lives. NOT_FOUND. */
  | { readonly kind: 'restore'; readonly document: Document }
  /** Makes a live or deleted entity's document equal to `document`. NOT_FOUND. */
  | { readonly kind: 'revert'; readonly document: Document }

export interface CommandContext {
  readonly key: EntityKey
  readonly expectedVersion?: ExpectedVersion | undefined
  /** Milliseconds; what $currentDate sets. */
  readonly nowMs: number
  /** What an update may make of a document. Default: the documented ones. */
  readonly limits?: DocumentLimits
  readonly actor?: string | undefined
  readonly metadata?: Document | undefined
}

/**
 * The events that carry out a command on an entity in `state`: none where nothing would change. Pure: the same state, command and
 * context give the same events, in this process as in a Durable Object. An UPDATE carries the resolved change, never an operator.
 * VERSION_CONFLICT with both versions when the expected one is not there; it goes before NOT_FOUND and ALREADY_EXISTS.
 */
export function decide(state: EntityState | undefined, command: Command, context: CommandContext): readonly EventDraft[] {
  const live = isLive(state) ? state : undefined
  // What brings a deleted entity back may expect the tombstone's version.
  const revives = command.kind === 'restore' || command.kind === 'revert'
  checkVersion(live ?? (revives && context.expectedVersion !== 'absent' ? state : undefined), context)
  switch (command.kind) {
    case 'create':
      if (live !== undefined) throw alreadyExists(live, context.key)
      return [created(command.document, context)]
    case 'update':
      if (live !== undefined) return changed(live, updated(live.document, command.update, context), context)
      if (!command.orCreate) throw notFound(state, context.key)
      return [created(updated(undefined, command.update, context), context)]
    case 'replace':
      checkFields(live, command.fields, context.key)
      if (live !== undefined) return changed(live, command.document, context)
      if (!command.orCreate) throw notFound(state, context.key)
      return [created(command.document, context)]
    case 'delete':
      return live === undefined ? [] : [{ op: 'DELETE', ...addressed(context) }]
    case 'restore':
    case 'revert':
      if (state === undefined) throw notFound(state, context.key)
      if (live === undefined) return [{ op: 'UPDATE', patch: diffDocuments({}, command.document), ...addressed(context) }]
      return command.kind === 'restore' ? [] : changed(live, command.document, context)
  }
}

export function notFound(state: EntityState | undefined, key: EntityKey): ParqueDBError {
  const $id = formatEntityId(key)
  if (state?.deletedAt === undefined) return new ParqueDBError('NOT_FOUND', `There is no ${$id}.`, { details: { $id } })
  return new ParqueDBError('NOT_FOUND', `${$id} was deleted at ${new Date(state.deletedAt).toISOString()}; restore it to use it again.`, { details: { $id, deletedVersion: state.version } })
}

export function alreadyExists(state: EntityState, key: EntityKey): ParqueDBError {
  const $id = formatEntityId(key)
  return new ParqueDBError('ALREADY_EXISTS', `${$id} exists already, at version ${state.version}; update or replace it, or create under another id.`, { details: { $id, version: state.version } })
}

/** VERSION_CONFLICT unless the state, undefined where the entity is absent, is of the expected version. */
export function checkVersion(state: EntityState | undefined, { key, expectedVersion }: CommandContext): void {
  const found = state?.version ?? 'absent'
  if (expectedVersion === undefined || expectedVersion === found) return
  const $id = formatEntityId(key)
  throw new ParqueDBError('VERSION_CONFLICT', `${$id} was expected at version ${expectedVersion}, and is ${found === 'absent' ? 'absent' : `at ${found}`}; read it again and decide anew.`, { details: { $id, expected: expectedVersion, found } })
}

/** A reader may send back what it fetched; what the database wrote into it has to be unchanged. */
function checkFields(live: EntityState | undefined, fields: Document, key: EntityKey): void {
  const current: Document = live === undefined ? {} : systemPart(key.ns, live)
  for (const name of Object.keys(fields)) {
    if (equalValues(fields[name], current[name])) continue
    const $id = formatEntityId(key)
    throw new ParqueDBError('VALIDATION_FAILED', `'${name}' of ${$id} is kept by the database and cannot be changed; leave it out.`, { details: { $id, path: name } })
  }
}

function updated(document: Document | undefined, update: ParsedUpdate, { nowMs, limits }: CommandContext): Document {
  return applyUpdate(document ?? {}, update, { nowMs, isInsert: document === undefined, ...(limits !== undefined && { limits }) })
}

function created(document: Document, { key, actor, metadata }: CommandContext): EventDraft {
  return { op: 'CREATE', ns: key.ns, id: key.id, after: document, actor, metadata }
}

function changed(live: EntityState, after: Document, context: CommandContext): readonly EventDraft[] {
  const patch = diffDocuments(live.document, after)
  return isEmptyPatch(patch) ? [] : [{ op: 'UPDATE', patch, ...addressed(context) }]
}

function addressed({ key, actor, metadata }: CommandContext): Pick<EventDraft, 'ns' | 'id' | 'actor' | 'metadata'> {
  return { ns: key.ns, id: key.id, actor, metadata }
}
