import { describe, expect, test } from 'vitest'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { LogFrame } from './append-log.ts'
import { FileLog } from './FileLog.ts'
import type { AppendFile } from './FileLog.ts'
import { listLogParts, LogPartReader } from './log-reader.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'

const frame = (firstSeq: number): LogFrame => ({ epoch: 1, firstSeq, count: 1, payload: Uint8Array.of(firstSeq) })
const options = { prefix: 'log', epoch: 1 }
const diskFailure = new ParqueDBError('STORAGE_UNAVAILABLE', 'EIO', { details: { errno: 'EIO' } })

/** Records what the log asks of its files, and fails the call that `failAt` names. */
function recordingFiles(failAt?: string): { calls: string[]; log: FileLog } {
  const calls: string[] = []
  const call = async (name: string): Promise<void> => {
    calls.push(name)
    if (name === failAt) throw diskFailure
  }
  const file: AppendFile = {
    write: (bytes) => call(`write ${bytes.length}`),
    sync: () => call('sync'),
    close: () => call('close'),
  }
  const name = (path: string): string => String(Number(path.slice(-24, -4)))
  const create = async (path: string): Promise<AppendFile> => {
    await call(`create ${name(path)}`)
    return file
  }
  return { calls, log: new FileLog({ create, delete: (path) => call(`delete ${name(path)}`) }, options) }
}

test('an append is one write and one sync, and a part is created by its first append', async () => {
  const { calls, log } = recordingFiles()
  await log.append([frame(1), frame(2)])
  await log.append([frame(3)])
  await log.rotate(4)
  await log.append([frame(4)])
  await log.truncate(4)
  await log.close()
  expect(calls).toEqual(['create 1', 'write 58', 'sync', 'write 29', 'sync', 'close', 'create 4', 'write 29', 'sync', 'delete 1', 'close'])
})

describe.each(['create 1', 'write 29', 'sync'])('after a failed %s', (failAt) => {
  test('the append rejects with the failure and the log takes nothing more', async () => {
    const { calls, log } = recordingFiles(failAt)
    await expect(log.append([frame(1)])).rejects.toBe(diskFailure)
    const callCount = calls.length
    const refusal = { code: 'STORAGE_UNAVAILABLE', details: options, cause: diskFailure }
    await expect(log.append([frame(1)])).rejects.toMatchObject(refusal)
    await expect(log.append([frame(2)])).rejects.toMatchObject(refusal)
    await expect(log.rotate(2)).rejects.toMatchObject(refusal)
    await expect(log.truncate(2)).rejects.toMatchObject(refusal)
    expect(calls.length).toBe(callCount)
    await log.close()
    expect(calls.slice(callCount)).toEqual(failAt === 'create 1' ? [] : ['close'])
  })
})

test('a delete that failed is tried again by the next truncate', async () => {
  const { calls, log } = recordingFiles('delete 1')
  await log.append([frame(1)])
  await log.rotate(2)
  await expect(log.truncate(2)).rejects.toBe(diskFailure)
  await expect(log.truncate(2)).rejects.toBe(diskFailure)
  expect(calls.slice(-2)).toEqual(['delete 1', 'delete 1'])
  await log.append([frame(2)])
})

test('what was written but never synced is not there after a crash', async () => {
  const backend = new MemoryBackend()
  const log = await backend.openLog(options)
  await log.append([frame(1)])
  const appending = log.append([frame(2)])
  // The write has happened by the first turn; the sync has not.
  const crashed = backend.clone()
  await appending
  const seqs = async (store: MemoryBackend): Promise<number[]> => {
    const found: number[] = []
    for (const { path } of await listLogParts(store, 'log')) {
      for await (const entry of new LogPartReader(store, { path, isLast: true }).frames()) found.push(entry.frame.firstSeq)
    }
    return found
  }
  expect(await seqs(crashed)).toEqual([1])
  expect(await seqs(backend.clone())).toEqual([1, 2])
})

test('closing waits for the append that is under way, and closes its file after it', async () => {
  const { calls, log } = recordingFiles()
  const appending = log.append([frame(1)])
  await log.close()
  expect(calls).toEqual(['create 1', 'write 29', 'sync', 'close'])
  await appending
})
