import { assert } from '../base/assert.ts'
import type { AppendLog, LogFrame } from '../storage/append-log.ts'
import { listLogParts, LogPartReader } from '../storage/log-reader.ts'
import { openLog as openLogOf } from '../storage/FileLog.ts'
import type { StorageBackend } from '../storage/storage-backend.ts'
import type { StorageFixture } from './storage-contract.ts'
import { withFixture, type FixtureTest, type TestTools } from './test-tools.ts'

/** Declares the tests that the log of every backend with `openLog` passes. `make` gives an empty store for each. */
export function logContract(tools: TestTools, name: string, make: () => Promise<StorageFixture>): void {
  const test = withFixture(tools, make)
  tools.describe(`${name} keeps the log contract`, () => {
    appendTests(test, tools)
    partTests(test, tools)
    misuseTests(test, tools)
  })
}

function appendTests(test: FixtureTest<StorageFixture>, { expect }: TestTools): void {
  test('frames are read back as they were appended, in order', async ({ backend }) => {
    const log = await openLog(backend)
    await log.append([frame(1, 2, [1, 2, 3])])
    await log.append([frame(3, 1, []), frame(4, 5, [0, 255])])
    await log.append([frame(9, 1, [7])])
    await log.close()
    expect(await readFrames(backend)).toEqual([frame(1, 2, [1, 2, 3]), frame(3, 1, []), frame(4, 5, [0, 255]), frame(9, 1, [7])])
  })
  test('a resolved append is there after a restart, though the log was never closed', async ({ backend, reopen }) => {
    const log = await openLog(backend)
    await log.append([frame(1, 1, [1])])
    await log.append([frame(2, 1, [2])])
    expect(await readFrames(await reopen())).toEqual([frame(1, 1, [1]), frame(2, 1, [2])])
    await log.close()
  })
  test('a reader sees each append as soon as it has resolved', async ({ backend }) => {
    const log = await openLog(backend)
    for (let seq = 1; seq <= 5; seq++) {
      await log.append([frame(seq, 1, [seq])])
      expect((await readFrames(backend)).length).toBe(seq)
    }
    await log.close()
  })
  test('a frame of megabytes and a thousand small ones in one append come back whole', async ({ backend }) => {
    const log = await openLog(backend)
    const large: LogFrame = { epoch: 1, firstSeq: 1, count: 1, payload: new Uint8Array(3_000_000).fill(5) }
    const small = Array.from({ length: 1000 }, (_, index) => frame(2 + index, 1, [index & 255]))
    await log.append([large, ...small])
    await log.close()
    const frames = await readFrames(backend)
    expect(frames.length).toBe(1001)
    expect(frames[0]?.payload.length).toBe(3_000_000)
    expect(frames[0]?.payload.every((byte) => byte === 5)).toBe(true)
    expect(frames.slice(1)).toEqual(small)
  })
  test('an append of no frames writes nothing', async ({ backend }) => {
    const log = await openLog(backend)
    await log.append([])
    expect(await listLogParts(backend, 'log')).toEqual([])
    await log.close()
  })
  test('bytes that the caller changes after an append do not change the log', async ({ backend }) => {
    const log = await openLog(backend)
    const payload = Uint8Array.of(1, 2, 3)
    await log.append([{ epoch: 1, firstSeq: 1, count: 1, payload }])
    payload.fill(9)
    expect(await readFrames(backend)).toEqual([frame(1, 1, [1, 2, 3])])
    await log.close()
  })
  test('a frame over 64 MiB is LIMIT_EXCEEDED and the log goes on', async ({ backend }) => {
    const log = await openLog(backend)
    await expect(log.append([{ epoch: 1, firstSeq: 1, count: 1, payload: new Uint8Array(64 * 1024 * 1024 + 1) }])).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' })
    await log.append([frame(1, 1, [1])])
    expect(await readFrames(backend)).toEqual([frame(1, 1, [1])])
    await log.close()
  })
}

function partTests(test: FixtureTest<StorageFixture>, { expect }: TestTools): void {
  test('a part is named by its epoch and its first seq', async ({ backend }) => {
    const log = await openLog(backend, 12)
    await log.append([ofEpoch(12, frame(1000, 1, [1]))])
    const [part] = await listLogParts(backend, 'log')
    expect(part?.path).toBe('log/00000000000000000012-00000000000000001000.log')
    expect(part?.epoch).toBe(12)
    expect(part?.firstSeq).toBe(1000)
    await log.close()
  })
  test('after a rotation frames go to a new part, and all are read in order', async ({ backend }) => {
    const log = await openLog(backend)
    await log.append([frame(1, 3, [1])])
    await log.rotate(4)
    await log.append([frame(4, 1, [2])])
    await log.rotate(5)
    await log.rotate(5)
    await log.append([frame(5, 1, [3])])
    expect((await listLogParts(backend, 'log')).map(({ firstSeq }) => firstSeq)).toEqual([1, 4, 5])
    expect((await readFrames(backend)).map(({ firstSeq }) => firstSeq)).toEqual([1, 4, 5])
    await log.close()
  })
  test('truncate deletes the parts that are wholly below, and no other', async ({ backend }) => {
    const older = await openLog(backend, 1)
    await older.append([frame(1, 4, [1])])
    await older.close()
    const log = await openLog(backend, 2)
    await log.append([ofEpoch(2, frame(5, 5, [1]))])
    await log.rotate(10)
    await log.append([ofEpoch(2, frame(10, 10, [2]))])
    await log.rotate(20)
    await log.append([ofEpoch(2, frame(20, 1, [3]))])
    const kept = async (): Promise<string[]> => (await listLogParts(backend, 'log')).map(({ epoch, firstSeq }) => `${epoch}:${firstSeq}`)
    await log.truncate(9)
    expect(await kept()).toEqual(['1:1', '2:5', '2:10', '2:20'])
    await log.truncate(10)
    expect(await kept()).toEqual(['1:1', '2:10', '2:20'])
    await log.truncate(19)
    expect(await kept()).toEqual(['1:1', '2:10', '2:20'])
    await log.truncate(1000)
    expect(await kept()).toEqual(['1:1', '2:20'])
    await log.append([ofEpoch(2, frame(21, 1, [4]))])
    expect((await readFrames(backend)).at(-1)).toEqual(ofEpoch(2, frame(21, 1, [4])))
    await log.close()
  })
  test('a rotated part that is truncated leaves a log that goes on', async ({ backend }) => {
    const log = await openLog(backend)
    await log.append([frame(1, 3, [1])])
    await log.rotate(4)
    await log.truncate(4)
    expect(await listLogParts(backend, 'log')).toEqual([])
    await log.append([frame(4, 1, [2])])
    expect(await readFrames(backend)).toEqual([frame(4, 1, [2])])
    await log.close()
  })
  test('the logs of two epochs do not touch each other', async ({ backend }) => {
    const older = await openLog(backend, 1)
    const newer = await openLog(backend, 2)
    await older.append([ofEpoch(1, frame(1, 1, [1]))])
    await newer.append([ofEpoch(2, frame(2, 1, [2]))])
    await older.append([ofEpoch(1, frame(2, 1, [3]))])
    await newer.append([ofEpoch(2, frame(3, 1, [4]))])
    expect((await readFrames(backend)).map(({ epoch, firstSeq }) => `${epoch}:${firstSeq}`)).toEqual(['1:1', '1:2', '2:2', '2:3'])
    await older.close()
    await newer.close()
  })
  test('a part that is there already is never appended to', async ({ backend }) => {
    const first = await openLog(backend)
    await first.append([frame(1, 1, [1])])
    const second = await openLog(backend)
    await expect(second.append([frame(1, 1, [2])])).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    await expect(second.append([frame(1, 1, [2])])).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    expect(await readFrames(backend)).toEqual([frame(1, 1, [1])])
    await first.close()
    await second.close()
  })
}

function misuseTests(test: FixtureTest<StorageFixture>, { expect }: TestTools): void {
  test('a gap, a step back, another epoch or an overlapping append breaks an invariant and writes nothing', async ({ backend }) => {
    const log = await openLog(backend)
    await log.append([frame(1, 2, [1])])
    await expect(log.append([frame(4, 1, [2])])).rejects.toThrow('F4: seq is dense')
    await expect(log.append([frame(2, 1, [2])])).rejects.toThrow('F4: seq is dense')
    await expect(log.append([frame(3, 1, [2]), frame(5, 1, [2])])).rejects.toThrow('F4: seq is dense')
    await expect(log.append([ofEpoch(7, frame(3, 1, [2]))])).rejects.toThrow('frames of one epoch')
    await expect(log.rotate(9)).rejects.toThrow('F4: seq is dense')
    const appended = log.append([frame(3, 1, [3])])
    await expect(log.append([frame(4, 1, [4])])).rejects.toThrow('do not overlap')
    await appended
    expect(await readFrames(backend)).toEqual([frame(1, 2, [1]), frame(3, 1, [3])])
    await log.close()
  })
  test('a closed log takes nothing more, and closing twice is fine', async ({ backend }) => {
    const log = await openLog(backend)
    await log.append([frame(1, 1, [1])])
    await log.close()
    await log.close()
    await expect(log.append([frame(2, 1, [2])])).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(log.rotate(2)).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(log.truncate(2)).rejects.toMatchObject({ code: 'CLOSED' })
    expect(await readFrames(backend)).toEqual([frame(1, 1, [1])])
  })
  test('closing waits for the append in flight', async ({ backend }) => {
    const log = await openLog(backend)
    const appended = log.append([frame(1, 1, [1])])
    await log.close()
    await appended
    expect(await readFrames(backend)).toEqual([frame(1, 1, [1])])
  })
}

function openLog(backend: StorageBackend, epoch = 1): Promise<AppendLog> {
  return openLogOf(backend, { prefix: 'log', epoch })
}

function frame(firstSeq: number, count: number, payload: readonly number[]): LogFrame {
  return { epoch: 1, firstSeq, count, payload: Uint8Array.from(payload) }
}

function ofEpoch(epoch: number, frameOfOne: LogFrame): LogFrame {
  return { ...frameOfOne, epoch }
}

/** Every frame of every part, each part read as the last of its epoch. */
async function readFrames(backend: StorageBackend): Promise<LogFrame[]> {
  const frames: LogFrame[] = []
  for (const { path } of await listLogParts(backend, 'log')) {
    const reader = new LogPartReader(backend, { path, isLast: true })
    for await (const entry of reader.frames()) frames.push({ ...entry.frame, payload: entry.frame.payload.slice() })
    assert(reader.tail.tornBytes === 0, 'a log without a crash has no torn tail')
  }
  return frames
}
