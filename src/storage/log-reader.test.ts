import { describe, expect, test } from 'vitest'
import { concatBytes } from '../base/bytes.ts'
import { seededRandom } from '../base/random.ts'
import type { LogFrame } from './append-log.ts'
import { encodeFrames } from './frame.ts'
import { firstChain, logPartPath } from './log-part.ts'
import { listLogParts, LogPartReader } from './log-reader.ts'
import type { LogPartOptions, LogTail } from './log-reader.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'
import type { ByteRange } from './storage-backend.ts'

const path = logPartPath('log', { epoch: 2, firstSeq: 10 })
const frame = (firstSeq: number, payload: Uint8Array, count = 1): LogFrame => ({ epoch: 2, firstSeq, count, payload })
const small = (firstSeq: number): LogFrame => frame(firstSeq, Uint8Array.of(firstSeq, 1, 2))

/** The bytes of a part written by these appends. */
function partOf(appends: readonly (readonly LogFrame[])[], name = path): Uint8Array {
  let chain = firstChain(name)
  const parts = appends.map((frames) => {
    const encoded = encodeFrames(frames, chain)
    chain = encoded.chain
    return encoded.bytes
  })
  return concatBytes(parts)
}

async function readPart(bytes: Uint8Array, options: Partial<LogPartOptions> = {}): Promise<{ seqs: number[]; tail: LogTail }> {
  const backend = new MemoryBackend()
  const name = options.path ?? path
  await backend.put(name, bytes)
  const reader = new LogPartReader(backend, { path: name, isLast: true, ...options })
  const seqs: number[] = []
  for await (const entry of reader.frames()) seqs.push(entry.frame.firstSeq)
  return { seqs, tail: reader.tail }
}

const corruptAt = (offset: number): object => ({ code: 'CORRUPT_FILE', details: { path, offset } })

/** Three appends of one frame each, 31 bytes a frame. */
const three = partOf([[small(10)], [small(11)], [small(12)]])

describe('a torn tail', () => {
  test.each([0, 1, 27, 28, 30])('is what an append cut after %i bytes leaves', async (cutBytes) => {
    const { seqs, tail } = await readPart(three.subarray(0, 62 + cutBytes))
    expect(seqs).toEqual([10, 11])
    expect(tail).toMatchObject({ end: { offset: 62, nextSeq: 12 }, tornBytes: cutBytes })
  })
  test('may be the whole part', async () => {
    expect(await readPart(three.subarray(0, 8))).toMatchObject({ seqs: [], tail: { end: { offset: 0, nextSeq: 10 }, tornBytes: 8 } })
    expect(await readPart(new Uint8Array(0))).toMatchObject({ seqs: [], tail: { end: { offset: 0, nextSeq: 10 }, tornBytes: 0 } })
  })
  test.each([5000, 1024 * 1024, 2_500_000])('is none where %i zeros follow, which were given to the file and not written yet', async (zeros) => {
    const { seqs, tail } = await readPart(concatBytes([three, new Uint8Array(zeros)]))
    expect(seqs).toEqual([10, 11, 12])
    expect(tail.tornBytes).toBe(0)
    // Of an append that was cut its own zeros at the end cannot be told from those.
    expect((await readPart(concatBytes([three, Uint8Array.of(7, 0, 7), new Uint8Array(zeros)]))).tail.tornBytes).toBe(3)
  })
  test('may be megabytes of garbage', async () => {
    const garbage = seededRandom(7).bytes(2_500_000)
    const { seqs, tail } = await readPart(concatBytes([three, garbage]))
    expect(seqs).toEqual([10, 11, 12])
    expect(tail.tornBytes).toBe(2_500_000)
  })
  test('may hold later frames of the same append: pages of one write reach the disk in any order', async () => {
    const bytes = partOf([[small(10)], [small(11), small(12), small(13)]])
    bytes.fill(0, 31, 62)
    const { seqs, tail } = await readPart(bytes)
    expect(seqs).toEqual([10])
    expect(tail.tornBytes).toBe(93)
  })
  test('may hold an older frame of another epoch, as a block that was not cleared', async () => {
    const old = encodeFrames([{ ...small(99), epoch: 1 }], 0).bytes
    expect((await readPart(concatBytes([three, new Uint8Array(3), old]))).tail.tornBytes).toBe(34)
  })
})

describe('damage', () => {
  test('of any one byte before the last append is CORRUPT_FILE at its frame', async () => {
    for (let offset = 0; offset < 62; offset++) {
      const damaged = three.slice()
      damaged[offset] = (damaged[offset] ?? 0) ^ 0x40
      await expect(readPart(damaged)).rejects.toMatchObject(corruptAt(offset < 31 ? 0 : 31))
    }
  })
  test('of the last append cannot be told from an append that never ended', async () => {
    for (let offset = 62; offset < 93; offset++) {
      const damaged = three.slice()
      damaged[offset] = (damaged[offset] ?? 0) ^ 0x40
      expect(await readPart(damaged)).toMatchObject({ seqs: [10, 11], tail: { tornBytes: 31 } })
    }
  })
  test('is found though the next good frame is megabytes away', async () => {
    const bytes = partOf([[small(10)], [frame(11, seededRandom(3).bytes(3_500_000))], [small(12)]])
    bytes[40_000] = (bytes[40_000] ?? 0) ^ 1
    await expect(readPart(bytes)).rejects.toMatchObject(corruptAt(31))
  })
  test('is found though the good frame behind it lies across two reads', async () => {
    for (const shift of [-29, -15, -1, 0, 1]) {
      const payload = seededRandom(3).bytes(1024 * 1024 + 1 - 28 + shift)
      const bytes = partOf([[small(10)], [frame(11, payload)], [small(12)]])
      bytes[31] = (bytes[31] ?? 0) ^ 1
      await expect(readPart(bytes)).rejects.toMatchObject(corruptAt(31))
    }
  })
  test('behind which something looks like a frame that goes past the end is still an unfinished append', async () => {
    const lookalike = encodeFrames([small(50)], 0).bytes
    for (const payloadBytes of [1000, 65 * 1024 * 1024]) {
      new DataView(lookalike.buffer).setUint32(0, payloadBytes, true)
      expect((await readPart(concatBytes([three, new Uint8Array(5), lookalike]))).tail.tornBytes).toBe(36)
    }
  })
  test('that looks like frames without end is refused, not searched without end', async () => {
    const fake = encodeFrames([small(50)], 0).bytes
    const view = new DataView(fake.buffer)
    view.setUint32(0, 60 * 1024 * 1024, true)
    const tail = new Uint8Array(61 * 1024 * 1024)
    for (let offset = 100; offset < 400_000; offset += fake.length) tail.set(fake, offset)
    await expect(readPart(concatBytes([three, tail]))).rejects.toMatchObject(corruptAt(93))
  })
  test('that took bytes away which were durable is CORRUPT_FILE', async () => {
    const { tail } = await readPart(three)
    await expect(readPart(three.subarray(0, 80), { from: tail.end })).rejects.toMatchObject(corruptAt(80))
  })
  test.each([
    ['another name', logPartPath('log', { epoch: 2, firstSeq: 10 }), partOf([[small(10)]], logPartPath('log', { epoch: 3, firstSeq: 10 }))],
    ['a gap in seq', path, partOf([[small(10)], [small(12)]])],
    ['a step back in seq', path, partOf([[small(10)], [small(10)]])],
    ['another epoch', path, partOf([[small(10)], [{ ...small(11), epoch: 3 }]])],
    ['a later first seq than its name', path, partOf([[small(11)]])],
  ])('is a whole frame in the wrong place: %s', async (_, name, bytes) => {
    await expect(readPart(bytes, { path: name })).rejects.toMatchObject({ code: 'CORRUPT_FILE', details: { path: name } })
  })
  test('is an append that was moved or left out', async () => {
    const [a, b, c] = [three.subarray(0, 31), three.subarray(31, 62), three.subarray(62)]
    await expect(readPart(concatBytes([a, c]))).rejects.toMatchObject(corruptAt(31))
    await expect(readPart(concatBytes([b, a, c]))).rejects.toMatchObject(corruptAt(0))
    await expect(readPart(concatBytes([a, b, b, c]))).rejects.toMatchObject(corruptAt(62))
  })
  test('is a frame that was made again with right checksums but on another history', async () => {
    const other = encodeFrames([small(12)], 12345).bytes
    await expect(readPart(concatBytes([three.subarray(0, 62), other]))).rejects.toMatchObject(corruptAt(62))
  })
})

describe('a part that is not the last of its epoch', () => {
  test('must be whole', async () => {
    expect(await readPart(three, { isLast: false })).toMatchObject({ seqs: [10, 11, 12], tail: { tornBytes: 0 } })
    await expect(readPart(three.subarray(0, 92), { isLast: false })).rejects.toMatchObject(corruptAt(62))
    await expect(readPart(concatBytes([three, new Uint8Array(9)]), { isLast: false })).rejects.toMatchObject(corruptAt(93))
  })
})

describe('reading', () => {
  test('goes on from where an earlier reading ended', async () => {
    const before = await readPart(three.subarray(0, 70))
    expect(await readPart(three, { from: before.tail.end })).toMatchObject({ seqs: [12], tail: { end: { offset: 93, nextSeq: 13 } } })
    expect(await readPart(three, { from: { ...before.tail.end, offset: 93, nextSeq: 13 } })).toMatchObject({ seqs: [] })
  })
  test('sees what was there when it began, while the writer goes on', async () => {
    const backend = new MemoryBackend()
    const log = await backend.openLog({ prefix: 'log', epoch: 2 })
    await log.append([small(10)])
    await log.append([small(11)])
    const reader = new LogPartReader(backend, { path, isLast: true })
    const seqs: number[] = []
    for await (const entry of reader.frames()) {
      seqs.push(entry.frame.firstSeq)
      await log.append([small(11 + seqs.length)])
    }
    expect(seqs).toEqual([10, 11])
    expect(reader.tail).toMatchObject({ end: { nextSeq: 12 }, tornBytes: 0 })
  })
  test('asks for a megabyte at a time, or for one larger frame', async () => {
    const asked: number[] = []
    class RecordingBackend extends MemoryBackend {
      override readRange(of: string, range: ByteRange): Promise<Uint8Array> {
        asked.push(range.end - range.start)
        return super.readRange(of, range)
      }
    }
    const backend = new RecordingBackend()
    const many = Array.from({ length: 2000 }, (_, index) => frame(11 + index, new Uint8Array(1000)))
    await backend.put(path, partOf([[frame(10, new Uint8Array(3_000_000))], many]))
    const reader = new LogPartReader(backend, { path, isLast: true })
    let count = 0
    for await (const entry of reader.frames()) count += entry.frame.count
    expect(count).toBe(2001)
    expect(asked).toEqual([1_048_576, 3_000_028, 1_048_576, 1_007_440])
  })
  test('a part that becomes shorter meanwhile is as if it had been: its writer may end it behind its last frame', async () => {
    const padded = concatBytes([three, new Uint8Array(2_000_000)])
    const read = async (length: number, isLast = true): Promise<{ seqs: number[]; tornBytes: number }> => {
      const source = { stat: async () => ({ path, sizeBytes: padded.length, etag: '' }), readRange: async (_: string, { start, end }: { start: number; end: number }) => padded.subarray(start, Math.min(end, length)) }
      const reader = new LogPartReader(source, { path, isLast })
      const seqs: number[] = []
      for await (const { frame: { firstSeq } } of reader.frames()) seqs.push(firstSeq)
      return { seqs, tornBytes: reader.tail.tornBytes }
    }
    for (const isLast of [true, false]) expect(await read(three.length, isLast)).toEqual({ seqs: [10, 11, 12], tornBytes: 0 })
    expect(await read(70)).toEqual({ seqs: [10, 11], tornBytes: 8 })
    expect(await read(1_500_000)).toEqual({ seqs: [10, 11, 12], tornBytes: 0 })
    await expect(read(70, false)).rejects.toMatchObject(corruptAt(62))
  })
  test('a part that is gone is NOT_FOUND', async () => {
    const reader = new LogPartReader(new MemoryBackend(), { path, isLast: true })
    await expect(reader.frames().next()).rejects.toMatchObject({ code: 'NOT_FOUND', details: { path } })
  })
})

test('parts are listed by epoch and seq; other files in the folder and below it are passed over', async () => {
  const backend = new MemoryBackend()
  const names = ['00000000000000000010-00000000000000000001', '00000000000000000002-00000000000000000009', '00000000000000000002-00000000000000000010']
  for (const name of names) await backend.put(`log/${name}.log`, Uint8Array.of(1))
  for (const other of ['log/.DS_Store', 'log/1-2.log', `log/old/${names[0]}.log`, `log2/${names[0]}.log`]) await backend.put(other, Uint8Array.of(1))
  expect((await listLogParts(backend, 'log')).map(({ epoch, firstSeq }) => [epoch, firstSeq])).toEqual([
    [2, 9],
    [2, 10],
    [10, 1],
  ])
})

test('all parts are listed, however few a page of the store holds', async () => {
  const backend = new MemoryBackend()
  for (let seq = 1; seq <= 5; seq++) await backend.put(logPartPath('log', { epoch: 1, firstSeq: seq }), new Uint8Array(1))
  const list = backend.list.bind(backend)
  backend.list = (prefix, options) => list(prefix, { ...options, limit: 2 })
  expect((await listLogParts(backend, 'log')).map(({ firstSeq }) => firstSeq)).toEqual([1, 2, 3, 4, 5])
})
