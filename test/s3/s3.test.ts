import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ParqueDB, type ParqueDBOptions } from 'parquedb'
import { S3Backend, withEventSourcing, type S3Options } from 'parquedb/storage'
import { databaseContract, logContract, storageContract, type StorageFixture } from 'parquedb/testing'
import { systemClock, type Clock } from '../../src/base/clock.ts'
import { bucket, credentials } from './credentials.ts'
import { S3Server } from './s3-server.ts'

const server = new S3Server()
let endpoint: string
let stores = 0
beforeAll(async () => {
  endpoint = await server.start()
})
afterAll(() => server.stop())

/** Time passes at once, so that no test waits for a retry. */
const hastyClock: Clock = { ...systemClock, sleep: () => systemClock.sleep(0) }
const s3 = (prefix: string, options: Partial<S3Options> = {}): S3Backend => new S3Backend({ endpoint, bucket, region: server.region, credentials, prefix, clock: hastyClock, ...options })

const make = async (): Promise<StorageFixture> => {
  const prefix = `stores/${++stores}`
  return { backend: s3(prefix), reopen: async () => s3(prefix), manyObjects: 3000, cleanup: async () => undefined }
}
storageContract({ describe, test, expect }, 'S3Backend', make)
logContract({ describe, test, expect }, 'S3Backend', make)

databaseContract({ describe, test, expect }, 'ParqueDB over S3Backend', async () => {
  const storage = s3(`stores/${++stores}`)
  const open = (options: Omit<ParqueDBOptions, 'storage'> = {}): ParqueDB => new ParqueDB({ storage, ...options })
  let db = open()
  return {
    db,
    reopen: async (options) => {
      await db.close()
      db = open(options)
      return db
    },
    cleanup: () => db.close(),
  }
})

describe('a request to S3 that goes wrong', () => {
  const store = (options: Partial<S3Options> = {}): S3Backend => s3(`stores/${++stores}`, options)
  const slowDown = { kind: 'answer', status: 503, code: 'SlowDown' } as const

  test('is repeated where that is harmless: 503, 429, 500, a broken connection, a lost reply', async () => {
    const backend = store()
    server.plan('PUT', 'a', slowDown, { kind: 'broken' }, { kind: 'lost reply' }, { kind: 'answer', status: 500, code: 'InternalError' })
    await backend.put('a', Uint8Array.of(1))
    server.plan('GET', 'a', slowDown, { kind: 'answer', status: 429, code: 'TooManyRequests' }, { kind: 'broken' })
    expect(await backend.read('a')).toEqual(Uint8Array.of(1))
    server.plan('DELETE', 'a', { kind: 'lost reply' })
    await backend.delete('a')
    expect(await backend.stat('a')).toBeUndefined()
  })
  test('is given up after six attempts, with the status and the code of the store', async () => {
    const backend = store()
    server.plan('GET', 'never', slowDown, slowDown, slowDown, slowDown, slowDown, slowDown)
    await expect(backend.read('never')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { status: 503, s3Code: 'SlowDown', path: 'never', store: 's3' } })
    await expect(backend.read('never')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
  test('a put with a condition is repeated when the store says that it did nothing: 409 and 429', async () => {
    const backend = store()
    server.plan('PUT', 'once', { kind: 'answer', status: 409, code: 'ConditionalRequestConflict' }, { kind: 'answer', status: 429, code: 'TooManyRequests' })
    await backend.put('once', Uint8Array.of(1), { ifAbsent: true })
    await expect(backend.put('once', Uint8Array.of(2), { ifAbsent: true })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
  })
  test.each([{ mishap: slowDown }, { mishap: { kind: 'lost reply' } }, { mishap: { kind: 'broken' } }] as const)('a put with a condition that meets $mishap.kind has an unknown outcome, and is not repeated', async ({ mishap }) => {
    const backend = store()
    server.plan('PUT', 'once', mishap)
    const before = server.requests.filter((line) => line.startsWith('PUT')).length
    await expect(backend.put('once', Uint8Array.of(1), { ifAbsent: true })).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { outcome: 'unknown' } })
    expect(server.requests.filter((line) => line.startsWith('PUT')).length).toBe(before + 1)
  })
  test('one that is never answered ends after thirty seconds', async () => {
    const due: (() => void)[] = []
    const backend = store({ clock: { ...hastyClock, after: (ms, task) => (expect(ms).toBe(30_000), due.push(task), () => undefined) } })
    server.plan('PUT', 'silent', { kind: 'silent' })
    const putting = backend.put('silent', Uint8Array.of(1), { ifAbsent: true })
    putting.catch(() => undefined)
    while (!server.requests.some((line) => line.endsWith('silent'))) await systemClock.sleep(1)
    for (const task of due) task()
    await expect(putting).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { outcome: 'unknown' } })
  })
  test('is not repeated when that is of no use: wrong keys, wrong region, no such bucket', async () => {
    const before = server.requests.length
    await expect(store({ credentials: { ...credentials, secretAccessKey: 'wrong' } }).stat('a')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { status: 403, permanent: true } })
    await expect(store({ region: 'elsewhere' }).read('a')).rejects.toMatchObject({ details: { s3Code: 'AuthorizationHeaderMalformed' } })
    await expect(store({ bucket: 'other-bucket' }).read('a')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { s3Code: 'NoSuchBucket' } })
    expect(server.requests.length).toBe(before + 3)
  })
  test('credentials may come anew for each request', async () => {
    let asked = 0
    const backend = store({ credentials: async () => (asked++, credentials) })
    await backend.put('a', Uint8Array.of(1))
    await backend.read('a')
    expect(asked).toBe(2)
  })
  test('an endpoint, a bucket or a prefix that is none is INVALID_ARGUMENT', () => {
    for (const options of [{ endpoint: 'ftp://host' }, { endpoint: 'host' }, { endpoint: 'http://host?x' }, { bucket: 'a/b' }, { bucket: '' }]) expect(() => store(options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(() => s3('../elsewhere')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})

test('a database in S3 loses and doubles nothing when puts of its protocol meet every mishap', async () => {
  const storage = s3(`stores/${++stores}`)
  const engine = withEventSourcing(storage, { clock: hastyClock })
  const mishaps = [{ kind: 'lost reply' }, { kind: 'broken' }, { kind: 'answer', status: 503, code: 'SlowDown' }, { kind: 'answer', status: 409, code: 'ConditionalRequestConflict' }] as const
  await engine.appendEvent({ op: 'CREATE', target: 'n:first', after: {} })
  for (const [index, mishap] of mishaps.entries()) {
    for (const key of ['/log/', '/epoch/', '/manifest/', '/events/', '/entities/']) server.plan('PUT', key, mishap)
    await engine.appendEvent({ op: 'CREATE', target: `n:${index}`, after: {} })
    await engine.flush()
  }
  await engine.close()
  const again = withEventSourcing(storage, { clock: hastyClock })
  const found: string[] = []
  for await (const { target } of again.readEvents()) found.push(target)
  expect(found).toEqual(['n:first', 'n:0', 'n:1', 'n:2', 'n:3'])
  expect((await again.verify({ deep: true })).problems).toEqual([])
  await again.close()
})
