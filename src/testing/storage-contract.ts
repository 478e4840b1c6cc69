import { systemClock } from '../base/clock.ts'
import { utf8Decode, utf8Encode } from '../base/bytes.ts'
import { isParqueDBError } from '../base/ParqueDBError.ts'
import type { ObjectInfo, StorageBackend } from '../storage/storage-backend.ts'
import { withFixture, type Fixture, type FixtureTest, type TestTools } from './test-tools.ts'

/** One store under test, empty. */
export interface StorageFixture extends Fixture {
  readonly backend: StorageBackend
  /** Another backend on what a restart would find; the first one is not used any more. */
  readonly reopen: () => Promise<StorageBackend>
  /** How many objects a long listing has: whole thousands. Default 10,000; fewer where each takes a request that is slow. */
  readonly manyObjects?: number
}

const slowTestMs = 120_000

/** Declares the tests that every StorageBackend passes, in the runtime that it is for. `make` gives an empty store for each. */
export function storageContract(tools: TestTools, name: string, make: () => Promise<StorageFixture>): void {
  const test = withFixture(tools, make)
  tools.describe(`${name} keeps the storage contract`, () => {
    objectTests(test, tools)
    rangeTests(test, tools)
    pathTests(test, tools)
    conditionTests(test, tools)
    concurrencyTests(test, tools)
    listingTests(test, tools)
    durabilityTests(test, tools)
  })
}

function objectTests(test: FixtureTest<StorageFixture>, { expect }: TestTools): void {
  test('an object is read as it was put', async ({ backend }) => {
    await backend.put('a/b.bin', Uint8Array.of(0, 255, 7))
    expect(await backend.read('a/b.bin')).toEqual(Uint8Array.of(0, 255, 7))
  })
  test('a put replaces the whole object', async ({ backend }) => {
    await backend.put('a', utf8Encode('a long first text'))
    await backend.put('a', utf8Encode('short'))
    expect(utf8Decode(await backend.read('a'))).toBe('short')
    expect((await backend.stat('a'))?.sizeBytes).toBe(5)
  })
  test('an object may be empty', async ({ backend }) => {
    await backend.put('empty', new Uint8Array(0))
    expect(await backend.read('empty')).toEqual(new Uint8Array(0))
    expect((await backend.stat('empty'))?.sizeBytes).toBe(0)
    expect(paths((await backend.list('')).objects)).toEqual(['empty'])
  })
  test('an object of several megabytes comes back byte by byte', async ({ backend }) => {
    const bytes = Uint8Array.from({ length: 5_000_001 }, (_, index) => (index * 31) ^ (index >>> 8))
    await backend.put('big', bytes)
    expect(sameBytes(await backend.read('big'), bytes)).toBe(true)
    expect(sameBytes(await backend.readRange('big', { start: 1_000_003, end: 4_999_999 }), bytes.subarray(1_000_003, 4_999_999))).toBe(true)
  })
  test('what is not there is NOT_FOUND to read and undefined to stat', async ({ backend }) => {
    await expect(backend.read('none')).rejects.toMatchObject({ code: 'NOT_FOUND', details: { path: 'none' } })
    await expect(backend.readRange('none/at/all', { start: 0, end: 1 })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await backend.stat('none')).toBe(undefined)
    expect(await backend.stat('none/at/all')).toBe(undefined)
  })
  test('a folder is not an object, and nothing is below an object', async ({ backend }) => {
    await backend.put('folder/object', Uint8Array.of(1))
    await expect(backend.read('folder')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(backend.readRange('folder', { start: 0, end: 1 })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await backend.stat('folder')).toBe(undefined)
    await expect(backend.read('folder/object/below')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await backend.stat('folder/object/below')).toBe(undefined)
    await backend.delete('folder/object/below')
    expect((await backend.read('folder/object')).length).toBe(1)
  })
  test('a deleted object is gone, and deleting what is absent is fine', async ({ backend }) => {
    await backend.put('a/b', Uint8Array.of(1))
    await backend.delete('a/b')
    await backend.delete('a/b')
    await backend.delete('never/was')
    await expect(backend.read('a/b')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect((await backend.list('')).objects).toEqual([])
    await backend.put('a/b', Uint8Array.of(2), { ifAbsent: true })
    expect(await backend.read('a/b')).toEqual(Uint8Array.of(2))
  })
  test('bytes that the caller changes after a put do not change the object', async ({ backend }) => {
    const bytes = Uint8Array.of(1, 2, 3)
    await backend.put('a', bytes)
    bytes.fill(9)
    expect(await backend.read('a')).toEqual(Uint8Array.of(1, 2, 3))
  })
  test('bytes that the caller changes after a read do not change the object', async ({ backend }) => {
    await backend.put('a', Uint8Array.of(1, 2, 3))
    const whole = await backend.read('a')
    whole.fill(9)
    const range = await backend.readRange('a', { start: 0, end: 3 })
    range.fill(9)
    expect(await backend.read('a')).toEqual(Uint8Array.of(1, 2, 3))
  })
  test('a put of a part of a larger buffer stores that part', async ({ backend }) => {
    await backend.put('a', Uint8Array.of(1, 2, 3, 4, 5).subarray(1, 4))
    expect(await backend.read('a')).toEqual(Uint8Array.of(2, 3, 4))
  })
}

function rangeTests(test: FixtureTest<StorageFixture>, { expect }: TestTools): void {
  test('a range is half-open, and short where the object ends first', async ({ backend }) => {
    await backend.put('digits', utf8Encode('0123456789'))
    const text = async (start: number, end: number): Promise<string> => utf8Decode(await backend.readRange('digits', { start, end }))
    expect(await text(0, 10)).toBe('0123456789')
    expect(await text(2, 5)).toBe('234')
    expect(await text(9, 10)).toBe('9')
    expect(await text(4, 4)).toBe('')
    expect(await text(8, 12)).toBe('89')
    expect(await text(10, 11)).toBe('')
    expect(await text(50, 60)).toBe('')
  })
  test('a range far beyond a small object costs no memory for what is not there', async ({ backend }) => {
    await backend.put('small', utf8Encode('0123456789'))
    expect((await backend.readRange('small', { start: 3, end: 2 ** 50 })).length).toBe(7)
    expect((await backend.readRange('small', { start: 2 ** 49, end: 2 ** 50 })).length).toBe(0)
  })
  test('a range that is none is INVALID_ARGUMENT', async ({ backend }) => {
    await backend.put('digits', utf8Encode('0123456789'))
    for (const [start, end] of [[-1, 3], [5, 4], [0.5, 3], [0, Number.NaN], [0, Infinity], [0, 2 ** 53]] as const) {
      await expect(backend.readRange('digits', { start, end })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
  })
}

const refusedPaths: readonly string[] = [
  '', '/', '/absolute', '..', '../a', 'a/..', 'a/../b', '.', './a', 'a/.', 'a/./b', 'a//b', 'a/', 'back\\slash', '..\\a',
  'C:', 'C:/a', 'a/b:stream', 'nul\0byte', 'a\nb', 'a\u007fb', 'a\u0085b', 'ends./a', 'ends.', 'ends ', 'ends /a', '...', ' ',
  'half\ud800', '\udc00half', 'cafe\u0301', `${'x'.repeat(201)}`, `a/${'é'.repeat(101)}`, `${'a/'.repeat(500)}a`, '.parquedb-tmp/x', 'a/.parquedb-x',
] // prettier-ignore

const acceptedPaths: readonly string[] = [
  'a', '.hidden', '..two-dots', 'a..b', '-dash', 'with space/and more', ' leading', 'per%2Fcent', 'quo\'te"', '#?*&+=~!@$^()[]{}<>|;,`',
  'caf\u00e9', '日本語/ファイル', '😀/😀', '\uffee-before-astral', 'Ω'.repeat(100), 'x'.repeat(200), `${`${'y'.repeat(198)}/`.repeat(5)}12345`, 'nul', 'con/aux.txt', '__proto__', 'constructor',
] // prettier-ignore

function pathTests(test: FixtureTest<StorageFixture>, { expect }: TestTools): void {
  test('a path that is unsafe, or not the same on every store, is INVALID_ARGUMENT everywhere', async ({ backend }) => {
    for (const path of refusedPaths) {
      const refusal = { code: 'INVALID_ARGUMENT', details: { path } }
      await expect(backend.read(path)).rejects.toMatchObject(refusal)
      await expect(backend.readRange(path, { start: 0, end: 1 })).rejects.toMatchObject(refusal)
      await expect(backend.stat(path)).rejects.toMatchObject(refusal)
      await expect(backend.put(path, Uint8Array.of(1))).rejects.toMatchObject(refusal)
      await expect(backend.delete(path)).rejects.toMatchObject(refusal)
    }
    expect((await backend.list('')).objects).toEqual([])
  })
  test('a prefix that no path can start with is INVALID_ARGUMENT', async ({ backend }) => {
    for (const prefix of ['/', '../', '..//', 'a/../', './', 'a//b', 'a\\b', 'a\0', 'C:/', 'x'.repeat(1001)]) {
      await expect(backend.list(prefix)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
  })
  test('names with spaces, signs, any script and the greatest length stay what they are', async ({ backend }) => {
    for (const path of acceptedPaths) await backend.put(path, utf8Encode(path))
    for (const path of acceptedPaths) {
      expect(utf8Decode(await backend.read(path))).toBe(path)
      expect((await backend.stat(path))?.path).toBe(path)
      expect(paths((await backend.list(path)).objects).includes(path)).toBe(true)
    }
    expect(paths((await backend.list('')).objects).toSorted()).toEqual([...acceptedPaths].toSorted())
  })
}

function conditionTests(test: FixtureTest<StorageFixture>, { expect }: TestTools): void {
  test('ifAbsent creates once and leaves the first object as it is', async ({ backend }) => {
    const { etag } = await backend.put('once', utf8Encode('first'), { ifAbsent: true })
    await expect(backend.put('once', utf8Encode('second'), { ifAbsent: true })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED', details: { path: 'once', found: etag } })
    expect(utf8Decode(await backend.read('once'))).toBe('first')
  })
  test('ifMatch replaces only the object that has the etag', async ({ backend }) => {
    const first = await backend.put('head', utf8Encode('one'))
    const second = await backend.put('head', utf8Encode('two'), { ifMatch: first.etag })
    await expect(backend.put('head', utf8Encode('three'), { ifMatch: first.etag })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED', details: { path: 'head', found: second.etag } })
    expect(utf8Decode(await backend.read('head'))).toBe('two')
  })
  test('ifMatch fails where nothing is', async ({ backend }) => {
    const { etag } = await backend.put('head', Uint8Array.of(1))
    await backend.delete('head')
    await expect(backend.put('head', Uint8Array.of(2), { ifMatch: etag })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    expect(await backend.stat('head')).toBe(undefined)
  })
  test('the etag of a put is that of stat and list', async ({ backend }) => {
    const { etag } = await backend.put('a', Uint8Array.of(1))
    expect(await backend.stat('a')).toEqual({ path: 'a', sizeBytes: 1, etag })
    expect((await backend.list('')).objects).toEqual([{ path: 'a', sizeBytes: 1, etag }])
  })
  test('the etag changes with every put of other bytes, also of the same size in the same moment', async ({ backend }) => {
    const etags = new Set<string>()
    for (let index = 0; index < 200; index++) etags.add((await backend.put('counter', Uint8Array.of(index))).etag)
    expect(etags.size).toBe(200)
  })
  test('a condition that is none is INVALID_ARGUMENT', async ({ backend }) => {
    for (const condition of [{ ifAbsent: true, ifMatch: 'x' }, { ifAbsent: false }, { ifMatch: 7 }, { ifNoneMatch: '*' }]) {
      await expect(backend.put('a', Uint8Array.of(1), condition as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    expect(await backend.stat('a')).toBe(undefined)
  })
}

function concurrencyTests(test: FixtureTest<StorageFixture>, { expect }: TestTools): void {
  const numbers = Array.from({ length: 20 }, (_, index) => index)
  test('of concurrent puts with ifAbsent exactly one wins, and its bytes are there', async ({ backend }) => {
    const outcomes = await Promise.all(numbers.map((number) => outcomeOf(backend.put('race', Uint8Array.of(number), { ifAbsent: true }))))
    const winners = numbers.filter((number) => outcomes[number] === 'done')
    expect(winners.length).toBe(1)
    expect(outcomes.filter((outcome) => outcome === 'PRECONDITION_FAILED').length).toBe(19)
    expect([...(await backend.read('race'))]).toEqual(winners)
  })
  test('of concurrent puts with one etag exactly one wins', async ({ backend }) => {
    const { etag } = await backend.put('race', Uint8Array.of(99))
    const outcomes = await Promise.all(numbers.map((number) => outcomeOf(backend.put('race', Uint8Array.of(number), { ifMatch: etag }))))
    const winners = numbers.filter((number) => outcomes[number] === 'done')
    expect(winners.length).toBe(1)
    expect([...(await backend.read('race'))]).toEqual(winners)
  })
  test('of concurrent puts without a condition one is left, whole', async ({ backend }) => {
    await Promise.all(numbers.map((number) => backend.put('race', new Uint8Array(1000 + number).fill(number))))
    const bytes = await backend.read('race')
    const number = bytes[0] ?? -1
    expect(bytes).toEqual(new Uint8Array(1000 + number).fill(number))
    expect((await backend.list('')).objects.length).toBe(1)
  })
  test('a reader sees the old object or the new one, never a part', async ({ backend }) => {
    await backend.put('swapped', new Uint8Array(300_000).fill(0))
    const writer = { done: false }
    const write = async (): Promise<void> => {
      for (let value = 1; value <= 20; value++) await backend.put('swapped', new Uint8Array(300_000 + value).fill(value))
      writer.done = true
    }
    const read = async (): Promise<void> => {
      while (!writer.done) {
        const bytes = await backend.read('swapped')
        const value = bytes[0] ?? -1
        expect(bytes.length).toBe(300_000 + value)
        expect(bytes.every((byte) => byte === value)).toBe(true)
        await systemClock.sleep(0)
      }
    }
    await Promise.all([write(), read()])
    expect((await backend.read('swapped'))[0]).toBe(20)
  })
}

function listingTests(test: FixtureTest<StorageFixture>, { expect }: TestTools): void {
  test('a listing is ordered by the UTF-8 bytes of the whole path', async ({ backend }) => {
    const ordered = ['B', 'a!', 'a-b', 'a.b', 'a/', 'a0', 'ab', 'é', '\uffee', '😀'].map((path) => (path === 'a/' ? 'a/c' : path))
    for (const path of ordered.toReversed()) await backend.put(path, Uint8Array.of(1))
    expect(paths((await backend.list('')).objects)).toEqual(ordered)
  })
  test('a prefix may end inside a name or with a slash', async ({ backend }) => {
    for (const path of ['doc/1', 'doc/12', 'doc/2', 'doc-old/1', 'docs', 'other/doc/1']) await backend.put(path, Uint8Array.of(1))
    expect(paths((await backend.list('doc')).objects)).toEqual(['doc-old/1', 'doc/1', 'doc/12', 'doc/2', 'docs'])
    expect(paths((await backend.list('doc/')).objects)).toEqual(['doc/1', 'doc/12', 'doc/2'])
    expect(paths((await backend.list('doc/1')).objects)).toEqual(['doc/1', 'doc/12'])
    expect(paths((await backend.list('doc/12')).objects)).toEqual(['doc/12'])
    expect(await backend.list('doc/3')).toEqual({ objects: [] })
    expect(await backend.list('nothing/here/')).toEqual({ objects: [] })
  })
  test('a page holds at most the limit, and its cursor goes on behind it', async ({ backend }) => {
    for (const path of ['a/1', 'a/2', 'b', 'c/1', 'c/2']) await backend.put(path, Uint8Array.of(1))
    const first = await backend.list('', { limit: 2 })
    expect(paths(first.objects)).toEqual(['a/1', 'a/2'])
    await backend.delete('a/2')
    await backend.put('a/3', Uint8Array.of(1))
    const second = await backend.list('', { limit: 2, cursor: first.cursor ?? '' })
    expect(paths(second.objects)).toEqual(['a/3', 'b'])
    const third = await backend.list('', { limit: 2, cursor: second.cursor ?? '' })
    expect(paths(third.objects)).toEqual(['c/1', 'c/2'])
    expect(third.cursor).toBe(undefined)
  })
  test('a limit outside 1 to 1,000 is INVALID_ARGUMENT', async ({ backend }) => {
    for (const limit of [0, -1, 1.5, 1001, Number.NaN]) await expect(backend.list('', { limit })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
  test(
    'many thousand objects are listed once each, in order, by pages of a thousand',
    async ({ backend, manyObjects = 10_000 }) => {
      const expected = Array.from({ length: manyObjects }, (_, index) => `many/${index % 7}/${String(index).padStart(5, '0')}`).toSorted()
      await inParallel(expected, (path) => backend.put(path, Uint8Array.of(1)))
      await backend.put('many!', Uint8Array.of(1))
      const found: string[] = []
      let pageCount = 0
      let cursor: string | undefined
      do {
        const page = await backend.list('many/', cursor === undefined ? {} : { cursor })
        found.push(...paths(page.objects))
        pageCount += 1
        cursor = page.cursor
      } while (cursor !== undefined)
      expect(pageCount).toBe(manyObjects / 1000)
      expect(found).toEqual(expected)
    },
    slowTestMs,
  )
}

function durabilityTests(test: FixtureTest<StorageFixture>, { expect }: TestTools): void {
  test('a reopened store has every put and none of the deleted', async ({ backend, reopen }) => {
    await backend.put('kept/1', utf8Encode('one'))
    await backend.put('kept/2', utf8Encode('old'))
    const { etag } = await backend.put('kept/2', utf8Encode('two'))
    await backend.put('gone', Uint8Array.of(1))
    await backend.delete('gone')
    const reopened = await reopen()
    expect(paths((await reopened.list('')).objects)).toEqual(['kept/1', 'kept/2'])
    expect(utf8Decode(await reopened.read('kept/2'))).toBe('two')
    await reopened.put('kept/2', utf8Encode('three'), { ifMatch: etag })
    expect(utf8Decode(await reopened.read('kept/2'))).toBe('three')
  })
}

function paths(objects: readonly ObjectInfo[]): string[] {
  return objects.map(({ path }) => path)
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index])
}

async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'done'
  } catch (error) {
    return isParqueDBError(error) ? error.code : String(error)
  }
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item)
  }
  await Promise.all(Array.from({ length: 32 }, worker))
}
