import { readdir } from 'node:fs/promises'
import { resolve, sep } from 'node:path'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { withEventSourcing } from '../storage/EventSourcedBackend.ts'
import { FsBackend } from '../storage/backends/FsBackend.ts'
import { recover, type RecoverInput, type RecoverReport } from '../storage/recover.ts'

export interface RecoverFolderInput extends Pick<RecoverInput, 'signal' | 'onProgress'> {
  /** The damaged database. Nothing in it is changed; no process may write to it meanwhile. */
  readonly source: string
  /** A folder that is empty or not there, outside of the damaged one. */
  readonly target: string
}

/** Salvages a damaged database into a new folder; the new one is flushed and verified. NOT_FOUND, ALREADY_EXISTS, INVALID_ARGUMENT. */
export async function recoverFolder({ source, target, signal, onProgress }: RecoverFolderInput): Promise<RecoverReport> {
  if (source.startsWith('s3://')) throw new ParqueDBError('INVALID_ARGUMENT', 'What is left of a database is salvaged from a folder: copy the objects of the bucket into one first, for example with rclone.', { details: { source } })
  if (`${resolve(target)}${sep}`.startsWith(`${resolve(source)}${sep}`)) {
    throw new ParqueDBError('INVALID_ARGUMENT', `The folder ${target} lies in the database that is to be recovered. Name one outside of it: recovering changes nothing in place.`, { details: { source, target } })
  }
  const names = await namesIn(source)
  if (!['FORMAT', 'epoch', 'log', 'events', 'entities'].some((name) => names.includes(name))) throw new ParqueDBError('NOT_FOUND', `There is no database in the folder ${source}, nor what is left of one.`, { details: { folder: source } })
  if ((await namesIn(target)).length > 0) throw new ParqueDBError('ALREADY_EXISTS', `The folder ${target} is not empty. Recover into a new one.`, { details: { folder: target } })
  const backend = new FsBackend(source)
  const engine = withEventSourcing(new FsBackend(target))
  try {
    const report = await recover({ backend, logBackend: backend, target: engine, signal, onProgress })
    await engine.flush()
    const [problem] = (await engine.verify({ deep: true })).problems
    if (problem !== undefined) throw new ParqueDBError('CORRUPT_FILE', `What was recovered into ${target} does not verify: ${problem.message}`, { details: { ...problem } })
    return report
  } finally {
    await engine.close()
  }
}

/** None where there is no folder. */
async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw new ParqueDBError('STORAGE_UNAVAILABLE', `The folder ${folder} cannot be read: ${error.message}`, { details: { folder }, cause: error })
  })
}
