import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { Operation } from '../model/operations.ts'

/** 'actor' lets a caller say that somebody else does it; '*' is every verb. */
type ScopeVerb = 'read' | 'write' | 'admin' | 'actor' | '*'

export interface Scope {
  readonly verb: ScopeVerb
  /** A collection's name, the beginning of some followed by '*', or '*' for all and for the database as a whole. */
  readonly namespace: string
}

/** Who asks, and what they may do. */
export interface Principal {
  readonly subject: string | undefined
  readonly tenant: string | undefined
  readonly scopes: readonly Scope[]
}

const scopePattern = /^(read|write|admin|actor|\*):(.+)$/s

/** 'verb:namespace', as in 'read:posts', 'write:log-*', '*:*'. Undefined for any other text: tokens carry scopes that are not ours. */
export function readScope(text: unknown): Scope | undefined {
  const match = typeof text === 'string' ? scopePattern.exec(text) : null
  return match === null ? undefined : { verb: match[1] as ScopeVerb, namespace: match[2] ?? '' }
}

/** As readScope, for what an operator configures. INVALID_ARGUMENT. */
export function parseScope(text: unknown): Scope {
  const scope = readScope(text)
  if (scope !== undefined) return scope
  throw new ParqueDBError('INVALID_ARGUMENT', `The scope ${JSON.stringify(text)} is not 'verb:namespace', with one of the verbs read, write, admin, actor and *.`, { details: { option: 'scopes' } })
}

/** Without a namespace the whole database is meant, which takes the namespace '*'. */
export function allows(scopes: readonly Scope[], verb: ScopeVerb, ns?: string): boolean {
  return scopes.some((scope) => (scope.verb === verb || scope.verb === '*') && covers(scope.namespace, ns))
}

function covers(namespace: string, ns: string | undefined): boolean {
  if (namespace === '*' || ns === undefined) return namespace === '*'
  return namespace.endsWith('*') ? ns.startsWith(namespace.slice(0, -1)) : ns === namespace
}

/** FORBIDDEN unless the caller may do all of it in the namespace, or, without one, in the whole database. */
export function checkScopes(principal: Principal, operation: Pick<Operation, 'verbs' | 'reach' | 'gives'>, namespace: string | undefined): void {
  const ns = operation.reach === 'all' ? undefined : namespace
  // A list of collections is made of those that may be read.
  if (operation.gives === 'items' && ns === undefined && principal.scopes.some(({ verb }) => verb === 'read' || verb === '*')) return
  const missing = operation.verbs.find((verb) => !allows(principal.scopes, verb, ns) || (verb === 'admin' && principal.tenant !== undefined))
  if (missing === undefined) return
  const scope = `${missing}:${ns ?? '*'}`
  throw new ParqueDBError('FORBIDDEN', `This takes the scope '${scope}'${missing === 'admin' ? ', without a tenant' : ''}.`, { details: { scope } })
}

/** Who does it: the caller, or whom it names where it may. FORBIDDEN. */
export function actorOf({ subject, scopes }: Principal, named: unknown): unknown {
  if (named === undefined || named === subject || allows(scopes, 'actor')) return named ?? subject
  throw new ParqueDBError('FORBIDDEN', "To name another actor than oneself takes the scope 'actor:*'.", { details: { scope: 'actor:*' } })
}
