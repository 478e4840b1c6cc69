import { toHex, utf8Encode } from '../base/bytes.ts'
import { isParqueDBError, limitExceeded, ParqueDBError, retold } from '../base/ParqueDBError.ts'
import { sha256 } from '../base/sha256.ts'
import type { Database } from '../model/database.ts'
import { toExtendedJson } from '../model/ejson.ts'
import { collectionOperations, type Operation } from '../model/operations.ts'
import { isPlainObject } from '../model/parse-document.ts'
import type { Value } from '../model/values.ts'
import { invoke, pageOf, type Caller, type Invocation } from './invoke.ts'
import { problemOf } from './problem.ts'
import { actorOf, checkScopes, type Principal } from './scopes.ts'

/** Operations of one batch, at most. */
const batchOperationsMax = 1000

/** `check`: what it was when the caller had the answer; the batch holds only if it is the same now. */
type Step = Invocation & { readonly check: string | undefined }

/** An answer that was asked for: one without a `check` of the caller's. */
type Outcome = { readonly value: unknown; readonly check: string } | { readonly error: unknown; readonly check: string }

/** Ends a dry run, whose transaction must not be committed. */
class DryRun extends Error {}

/**
 * Carries out operations in order as one serializable transaction: all of them or none. A step with a `check` may also fail as it did before; any other failure is the batch's.
 * With `dryRun` nothing is committed, and the last step's failure is its answer; where no step writes, it is answered as of the seq `at`.
 */
export async function runBatch(db: Database, request: { [name: string]: unknown }, caller: Caller): Promise<object> {
  const { operations, txId, actor, dryRun, at, ...unknown } = request
  const [name] = Object.keys(unknown)
  if (name !== undefined) throw invalid(`there is no argument '${name}'`, name)
  const steps = parseSteps(operations, caller.principal)
  const { lastSeq } = await db.stats()
  const seq = at ?? lastSeq
  const last = steps.at(-1)
  if (dryRun === true && last !== undefined && !steps.some(({ operation }) => operation.verbs.includes('write')) && last.operation.options?.includes('asOf') === true) {
    return { results: [told(await outcomeOf(db, { ...last, args: new Map([['asOf', seq], ...last.args]) }, caller))], at: seq, repeated: false }
  }
  let results: Outcome[] = []
  const work = async (tx: Pick<Database, 'collection'>): Promise<Outcome[]> => {
    results = []
    for (const [index, step] of steps.entries()) {
      const outcome = await outcomeOf(tx, step, caller)
      if (step.check !== undefined && step.check !== outcome.check) throw new ParqueDBError('TRANSACTION_CONFLICT', `What operation ${index} of the transaction had read has changed; run it again.`, { details: { operation: index } })
      if ('error' in outcome && step.check === undefined && !(dryRun === true && step === last)) throw retold(outcome.error, { operation: index }, (message) => `Operation ${index}: ${message}`)
      if (step.check === undefined) results.push(outcome)
    }
    if (dryRun === true) throw new DryRun()
    return results
  }
  const options = { signal: caller.signal, ...(txId !== undefined && { txId: txId as string }), ...(actor !== undefined && { actor: actor as string }) }
  try {
    const done = await db.transaction(work, options as { txId: string })
    return { results: done === undefined ? [] : done.map(told), at: seq, repeated: done === undefined }
  } catch (error) {
    if (error instanceof DryRun) return { results: results.map(told), at: seq, repeated: false }
    throw error
  }
}

function parseSteps(operations: unknown, principal: Principal): Step[] {
  if (!Array.isArray(operations) || !operations.every(isPlainObject)) throw invalid("'operations' must be a list of objects", 'operations')
  if (operations.length > batchOperationsMax) throw limitExceeded({ batchOperationsMax }, `A transaction has at most ${batchOperationsMax} operations.`)
  return operations.map(({ operation: name, check, ...args }) => {
    if (typeof name !== 'string' || !Object.hasOwn(collectionOperations, name)) throw invalid(`there is no operation ${JSON.stringify(name)}`, 'operation')
    const operation: Operation = collectionOperations[name as keyof typeof collectionOperations]
    checkScopes(principal, operation, typeof args.ns === 'string' ? args.ns : undefined)
    if (args.actor !== undefined) actorOf(principal, args.actor)
    return { name, operation, args: new Map(Object.entries(args)), check: check as string | undefined }
  })
}

/** Of a cursor its first page. */
async function outcomeOf(db: Pick<Database, 'collection'>, step: Invocation, caller: Caller): Promise<Outcome> {
  try {
    const result = await invoke(db, step, caller)
    const value = step.operation.gives === 'page' ? await pageOf(result, step.args.get('limit'), caller) : result
    return { value, check: checkOf(value) }
  } catch (error) {
    if (!isParqueDBError(error) || error.code === 'ABORTED') throw error
    return { error, check: error.code }
  }
}

/** Stands for an answer. An entity is what its version says; times and positions are not settled before the commit, and cursors belong to one reading. */
function checkOf(value: unknown): string {
  const text = JSON.stringify(toExtendedJson((value ?? null) as Value), (name, inside: unknown) => {
    if (name === 'cursor') return undefined
    const isEntity = isPlainObject(inside) && typeof inside['$id'] === 'string' && typeof inside['version'] === 'number'
    return isEntity ? [inside['$id'], inside['version']] : inside
  })
  return toHex(sha256(utf8Encode(text)))
}

function told(outcome: Outcome): object {
  if ('error' in outcome) return { error: problemOf(outcome.error), check: outcome.check }
  return { value: toExtendedJson((outcome.value ?? null) as Value), check: outcome.check }
}

function invalid(problem: string, option: string): ParqueDBError {
  return new ParqueDBError('INVALID_ARGUMENT', `The transaction cannot be read: ${problem}.`, { details: { option } })
}
