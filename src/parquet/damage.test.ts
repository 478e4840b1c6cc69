import { expect, describe, test } from 'vitest'
import { isParqueDBError } from '../base/ParqueDBError.ts'
import { seededRandom } from '../base/random.ts'
import type { EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { sourceOfBytes } from '../../test/source-of-bytes.ts'
import { RunFileReader } from './RunFileReader.ts'
import { RunFileWriter } from './RunFileWriter.ts'
import { SegmentFileReader } from './SegmentFileReader.ts'
import { SegmentFileWriter } from './SegmentFileWriter.ts'
import { ShapeBuilder } from './shape.ts'
import type { WrittenFile } from './written-file.ts'

const states = Array.from({ length: 40 }, (_, index): EntityState => {
  const document = { n: index, ratio: index / 7, word: ['one', 'two', 'three'][index % 3] as string, tags: ['x', 'y'].slice(index % 3), odd: index % 5 === 0 ? null : 'text '.repeat(index % 4) }
  return { id: `k${100 + index}`, version: 1, seq: index + 1, createdAt: index + 1, createdBy: 'a', updatedAt: index + 1, updatedBy: 'a', deletedAt: undefined, document }
})

function writeRun(): WrittenFile {
  const shape = new ShapeBuilder()
  for (const { document } of states) shape.add(document)
  const writer = new RunFileWriter({ shape: shape.build(), rowGroupBytes: 1500 })
  for (const state of states) writer.append(state)
  return writer.finish()
}

const events = states.map((state): StoredEvent => ({
  seq: state.seq,
  ts: state.seq,
  eventId: `e${state.seq}`,
  op: 'CREATE',
  ns: 'n',
  id: state.id,
  version: 1,
  after: state.document,
  patch: undefined,
  actor: 'a',
  txId: undefined,
  metadata: undefined,
  state,
}))

function writeSegment(): WrittenFile {
  const writer = new SegmentFileWriter({ rowGroupBytes: 1500 })
  for (const event of events) writer.append(event)
  return writer.finish()
}

/** What comes of reading the file with these bytes: the rows, or the code of the error. */
async function outcome<T>(read: () => Promise<T[]>): Promise<{ rows?: T[]; code?: string }> {
  try {
    return { rows: await read() }
  } catch (error) {
    if (!isParqueDBError(error)) throw error
    return { code: error.code }
  }
}

async function rows<T>(batches: AsyncIterable<T[]>): Promise<T[]> {
  const all: T[] = []
  for await (const batch of batches) all.push(...batch)
  return all
}

async function readRun(bytes: Uint8Array, facts: WrittenFile): Promise<EntityState[]> {
  const reader = await RunFileReader.open(sourceOfBytes('r.parquet', bytes), facts)
  return rows(reader.scan())
}

async function readSegment(bytes: Uint8Array, facts: WrittenFile): Promise<StoredEvent[]> {
  const reader = await SegmentFileReader.open(sourceOfBytes('s.parquet', bytes), facts)
  return rows(reader.scan())
}

/** Every byte is changed in turn, to a value that a seed decides. */
async function changeEachByte<T>(file: WrittenFile, read: (bytes: Uint8Array, facts: WrittenFile) => Promise<T[]>, expected: readonly T[]): Promise<{ refused: number; right: number }> {
  const random = seededRandom(7)
  const count = { refused: 0, right: 0 }
  for (let at = 0; at < file.bytes.length; at++) {
    const bytes = file.bytes.slice()
    bytes[at] = (bytes[at] as number) ^ ((random.bytes(1)[0] as number) | 1)
    const { rows: actual, code } = await outcome(() => read(bytes, file))
    if (code === undefined) expect({ at, actual }).toStrictEqual({ at, actual: expected })
    else expect({ at, code }).toEqual({ at, code: 'CORRUPT_FILE' })
    count[code === undefined ? 'right' : 'refused'] += 1
  }
  return count
}

describe('a file with any one byte changed', () => {
  test('is read right or refused: a run', async () => {
    const file = writeRun()
    const count = await changeEachByte(file, readRun, states)
    // What is read right lies in parts that a scan does not use: the footer, the magic bytes, the shape, columns for others.
    expect(count.refused).toBeGreaterThan(file.index.end * 0.8)
  })

  test('is read right or refused: a segment', async () => {
    const file = writeSegment()
    const count = await changeEachByte(file, readSegment, events)
    expect(count.refused).toBeGreaterThan(file.index.end * 0.8)
  })
})

describe('a damaged file', () => {
  test('is refused with its path, the offset and the column', async () => {
    const file = writeRun()
    const bytes = file.bytes.slice()
    const at = new TextDecoder('latin1').decode(bytes).indexOf('three')
    bytes[at] = 0x78
    await expect(readRun(bytes, file)).rejects.toMatchObject({ code: 'CORRUPT_FILE', details: { path: 'r.parquet', column: 'word', offset: expect.any(Number) as number } })
  })

  test('is refused when it is cut off at any byte', async () => {
    const file = writeRun()
    for (let size = 0; size < file.index.end; size += 97) {
      expect(await outcome(() => readRun(file.bytes.slice(0, size), file))).toEqual({ code: 'CORRUPT_FILE' })
    }
  })

  test('is refused when other facts are claimed for it', async () => {
    const file = writeRun()
    for (const index of [
      { ...file.index, start: -5 },
      { ...file.index, end: file.bytes.length + 1 },
      { ...file.index, start: file.index.start + 1 },
      { start: 4, end: 4, crc32: 0 },
    ]) {
      expect(await outcome(() => readRun(file.bytes, { ...file, index }))).toEqual({ code: 'CORRUPT_FILE' })
    }
  })

  test('is found by verify, wherever in the file the damage is', async () => {
    const file = writeRun()
    for (let at = 0; at < file.bytes.length; at += 7) {
      const bytes = file.bytes.slice()
      bytes[at] = (bytes[at] as number) ^ 0x10
      const verified = await outcome(async () => {
        await (await RunFileReader.open(sourceOfBytes('r.parquet', bytes), file)).verify()
        return []
      })
      expect({ at, ...verified }).toEqual({ at, code: 'CORRUPT_FILE' })
    }
  })
})
