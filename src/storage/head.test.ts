import { describe, expect, test } from 'vitest'
import { utf8Decode, utf8Encode } from '../base/bytes.ts'
import { crc32 } from '../base/crc32.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { FaultyBackend } from '../testing/FaultyBackend.ts'
import { deleteOldEpochs, encodeHead, epochPath, newestEpoch, newestSoundHead, parseHead, readHead, takeEpoch, takenMark, wipeOldHeads, type Head } from './head.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'

const headOf = (epoch: number, manifestId = 0): Head => ({ epoch, manifest: undefined, manifestId, flushedSeq: 0, logStart: 1, durableSeq: 0 })
const notFound = new ParqueDBError('NOT_FOUND', 'Gone.')
const unknown = new ParqueDBError('STORAGE_UNAVAILABLE', 'The reply was lost.', { details: { outcome: 'unknown' } })

/** Epochs from 1 on: a head, bytes that should be one, or the mark. */
async function storeOf(epochs: readonly (Head | Uint8Array | 'taken')[]): Promise<MemoryBackend> {
  const store = new MemoryBackend()
  for (const [index, content] of epochs.entries()) await store.put(epochPath(index + 1), content === 'taken' ? takenMark : content instanceof Uint8Array ? content : encodeHead(content))
  return store
}

describe('the head', () => {
  test('is in the newest epoch that has one, and other files in the folder are passed over', async () => {
    const store = await storeOf([headOf(1), headOf(2), 'taken'])
    await store.put('epoch/readme', Uint8Array.of(1))
    expect(await readHead(store)).toMatchObject({ head: { epoch: 2 }, newestEpoch: 3 })
  })
  test('is found on whatever page of the listing it is', async () => {
    const store = await storeOf([headOf(1), headOf(2), headOf(3), headOf(4), headOf(5)])
    const list = store.list.bind(store)
    store.list = (prefix, options) => list(prefix, { ...options, limit: 2 })
    expect(await readHead(store)).toMatchObject({ head: { epoch: 5 }, newestEpoch: 5 })
  })
  test('that was deleted between the listing and the reading is looked for again, ten times at most', async () => {
    const store = await storeOf([headOf(1)])
    const once = new FaultyBackend(store, [{ on: 'read', nth: 1, when: 'before', effect: { kind: 'fail', error: notFound } }])
    expect((await readHead(once)).head).toMatchObject({ epoch: 1 })
    const always = new FaultyBackend(store, [{ on: 'read', when: 'before', effect: { kind: 'fail', error: notFound } }])
    await expect(readHead(always)).rejects.toBe(notFound)
    expect(always.count('read')).toBe(10)
  })
  test('of a store that fails is not looked for again', async () => {
    const store = new FaultyBackend(await storeOf([headOf(1)]), [{ on: 'read', when: 'before', effect: { kind: 'fail' } }])
    await expect(readHead(store)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    expect(store.count('read')).toBe(1)
  })
  test.each([
    ['more than 64 KiB', new Uint8Array(64 * 1024 + 1), 'has 65537 bytes, more than a head may have'],
    ['no text', Uint8Array.of(0xff, 0xfe), 'is not text'],
    ['no line of a checksum and JSON', utf8Encode('hello\n'), 'does not have the checksum that it names'],
    ['a wrong checksum', utf8Encode(`00000000 ${utf8Decode(encodeHead(headOf(1))).slice(9)}`), 'does not have the checksum that it names'],
    ['another epoch', encodeHead(headOf(7)), 'says that it is of epoch 7'],
    ['a format that is none', withChecksum('{"epoch":1,"format":{}}'), 'names no format'],
  ])('with %s is CORRUPT_FILE', async (_, bytes, what) => {
    const refusal = { code: 'CORRUPT_FILE', message: expect.stringContaining(what) as string, details: { path: epochPath(1), offset: 0 } }
    await expect(readHead(await storeOf([bytes]))).rejects.toMatchObject(refusal)
  })
  test('of exactly 64 KiB is read', async () => {
    const base = encodeHead({ ...headOf(1), lastEventId: '' }).length
    const head = { ...headOf(1), lastEventId: 'x'.repeat(64 * 1024 - base) }
    expect((await readHead(await storeOf([encodeHead(head)]))).head).toEqual(head)
  })
  test('is given back as it was written', () => {
    expect(parseHead(encodeHead(headOf(3, 4)), 3)).toEqual({ epoch: 3, manifestId: 4, flushedSeq: 0, logStart: 1, durableSeq: 0 })
  })
})

describe('for a salvage', () => {
  test('the newest head that can be read is taken, past marks and damage, and the damage is told', async () => {
    const told: string[] = []
    const store = await storeOf([headOf(1), headOf(2), utf8Encode('rubbish'), 'taken'])
    expect(await newestSoundHead(store, ({ details }) => told.push(String(details['path'])))).toMatchObject({ epoch: 2 })
    expect(told).toEqual([epochPath(3)])
    expect(await newestSoundHead(await storeOf(['taken']), () => undefined)).toBeUndefined()
  })
  test('a store that fails is no damage', async () => {
    const store = new FaultyBackend(await storeOf([headOf(1)]), [{ on: 'read', when: 'before', effect: { kind: 'fail' } }])
    await expect(newestSoundHead(store, () => expect.unreachable())).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
  })
})

describe('an epoch', () => {
  test('is the one after the newest; with a bound, one above it as well, after the next one', async () => {
    const store = await storeOf([headOf(1), 'taken'])
    expect((await takeEpoch(store)).epoch).toBe(3)
    expect((await takeEpoch(store, 9)).epoch).toBe(10)
    expect((await store.list('epoch/')).objects.map(({ path }) => path)).toEqual([1, 2, 3, 4, 10].map(epochPath))
  })
  test('that another writer took first, or may have been taken, is left, and the next one is taken', async () => {
    const store = new FaultyBackend(new MemoryBackend(), [
      { on: 'put', nth: 1, when: 'after', effect: { kind: 'fail', error: unknown } },
      { on: 'put', nth: 2, when: 'after', effect: { kind: 'fail', error: new ParqueDBError('PRECONDITION_FAILED', 'It is there.') } },
    ])
    expect((await takeEpoch(store)).epoch).toBe(3)
  })
  test.each([
    ['fails', undefined, 1],
    ['fails as no store should', new TypeError('no'), 1],
    ['never says what became of it', unknown, 10],
  ])('cannot be taken from a store that %s', async (_, error, puts) => {
    const store = new FaultyBackend(new MemoryBackend(), [{ on: 'put', when: 'before', effect: error === undefined ? { kind: 'fail' } : { kind: 'fail', error } }])
    await expect(takeEpoch(store)).rejects.toBeInstanceOf(Error)
    expect(store.count('put')).toBe(puts)
  })
  test('that is sixteen or more before the writer\'s own is deleted, the oldest first', async () => {
    const store = await storeOf(Array.from({ length: 20 }, (_, index) => headOf(index + 1)))
    await deleteOldEpochs(store, 20)
    expect((await store.list('epoch/')).objects.map(({ path }) => path)).toEqual(Array.from({ length: 16 }, (_, index) => epochPath(index + 5)))
    expect(await newestEpoch(new MemoryBackend())).toBe(0)
  })
  test('whose manifest may have keys of what was erased loses its head, and stays taken', async () => {
    const nameless = withChecksum('{"epoch":3}')
    const store = await storeOf([headOf(1, 4), headOf(2, 5), nameless, 'taken', headOf(5, 4), headOf(6, 1)])
    const mark = await store.stat(epochPath(4))
    await wipeOldHeads(store, { epoch: 5, manifestId: 5 })
    const left = await Promise.all([1, 2, 3, 4, 5, 6].map(async (epoch) => utf8Decode(await store.read(epochPath(epoch))).length))
    expect(left).toEqual([6, encodeHead(headOf(2, 5)).length, 6, 6, encodeHead(headOf(5, 4)).length, encodeHead(headOf(6, 1)).length])
    expect(await store.stat(epochPath(4))).toEqual(mark)
  })
})

function withChecksum(json: string): Uint8Array {
  return utf8Encode(`${crc32(utf8Encode(json)).toString(16).padStart(8, '0')} ${json}\n`)
}
