import { isParqueDBError } from '../base/ParqueDBError.ts'
import type { Random } from '../base/random.ts'
import type { TransactionOptions } from '../model/database-options.ts'
import { checkName, checkOptions, checkWholeNumber } from '../model/check-options.ts'
import { checkAborted } from '../base/abort.ts'
import type { Session } from './session.ts'
import { TransactionSession } from './TransactionSession.ts'
import { nameLengthMax } from './write-options.ts'

/** Upper bounds of the wait before each retry, in milliseconds: 1, 2, 4, … up to this. */
const backoffMsMax = 64
const retriesDefault = 10

/**
 * Runs `work` on a session that sees one state of the database and its own writes, and commits what it wrote as one: all or nothing.
 * Serializable: when anything that was read has changed by then, nothing is written and `work` runs again, on the newest state. TRANSACTION_CONFLICT when that
 * has happened too often. What `work` throws rolls back and is thrown on unchanged. Under a txId that was committed before, `work` does not run: undefined.
 */
export async function runTransaction<Result>(
  outer: Session,
  work: (session: Session) => Promise<Result>,
  run: { options: { [Name in keyof TransactionOptions]: TransactionOptions[Name] | undefined } | undefined; random: Random },
): Promise<Result | undefined> {
  const options = checkOptions('transaction', run.options, ['retries', 'txId', 'actor', 'signal'])
  const retries = checkWholeNumber(options.retries, { option: 'retries', least: 0, most: 1000 }) ?? retriesDefault
  const txId = checkName(options.txId, { option: 'txId', charactersMax: nameLengthMax })
  const actor = checkName(options.actor, { option: 'actor', charactersMax: nameLengthMax })
  const { signal } = options
  for (let attempt = 0; ; attempt++) {
    checkAborted(signal)
    if (txId !== undefined && (await isCommitted(outer, txId))) return undefined
    const { result, request } = await runOnce(outer, work, actor)
    if (request === undefined) return result
    try {
      const { repeated } = await outer.commit({ ...request, txId, signal })
      return repeated ? undefined : result
    } catch (error) {
      if (!isParqueDBError(error, 'TRANSACTION_CONFLICT') || attempt >= retries) throw error
    }
    await outer.clock.sleep(backoffMs(attempt, run.random), signal).catch(() => checkAborted(signal))
  }
}

async function runOnce<Result>(outer: Session, work: (session: Session) => Promise<Result>, actor: string | undefined) {
  const base = await outer.view()
  const session = new TransactionSession(outer, base, { actor })
  try {
    const result = await work(session)
    session.end()
    return { result, request: session.request() }
  } finally {
    session.close()
    base.release()
  }
}

/** A commit of nothing tells whether its txId is known. */
async function isCommitted(session: Session, txId: string): Promise<boolean> {
  const { repeated } = await session.commit({ keys: [], decide: () => [], txId })
  return repeated
}

/** Spread at random, so that two that met do not meet again. */
function backoffMs(attempt: number, random: Random): number {
  const most = Math.min(2 ** attempt, backoffMsMax)
  const [byte = 0] = random.bytes(1)
  return Math.ceil((most * (byte + 1)) / 256)
}
