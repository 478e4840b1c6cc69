import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readlink, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { logContract } from '../../testing/log-contract.ts'
import { storageContract } from '../../testing/storage-contract.ts'
import type { StorageFixture } from '../../testing/storage-contract.ts'
import { writerLockContract } from '../../testing/writer-lock-contract.ts'
import { FsBackend } from './FsBackend.ts'

const tools = { describe, test, expect }

const make = async (): Promise<StorageFixture & { takeOver: () => Promise<FsBackend> }> => {
  const parent = await mkdtemp(join(tmpdir(), 'parquedb-'))
  const root = join(parent, 'made', 'by put')
  return {
    backend: new FsBackend(root),
    reopen: async () => new FsBackend(root),
    takeOver: async () => new FsBackend(root, { takeOver: true }),
    cleanup: () => rm(parent, { recursive: true }),
  }
}

storageContract(tools, 'FsBackend', make)
logContract(tools, 'FsBackend', make)
writerLockContract(tools, 'FsBackend', make)

const one = Uint8Array.of(1)
const onWindows = process.platform === 'win32'
let folder = ''
let root = ''
let backend = new FsBackend('.')

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parquedb-'))
  root = join(folder, 'db')
  backend = new FsBackend(root)
})
afterEach(() => rm(folder, { recursive: true }))

const pathsOf = async (store: FsBackend): Promise<string[]> => (await store.list('')).objects.map(({ path }) => path)

describe('the root', () => {
  test.each([[''], ['a\0b'], [undefined], [7]])('must be the path of a folder, not %j', (bad) => {
    expect(() => new FsBackend(bad as string)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
  test('is not made by reading', async () => {
    expect(await backend.list('')).toEqual({ objects: [] })
    await expect(backend.read('a')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await backend.delete('a')
    expect(existsSync(root)).toBe(false)
  })
  test('may be a symbolic link to a folder', async () => {
    await mkdir(join(folder, 'real'))
    await symlink(join(folder, 'real'), root)
    await backend.put('a/b', one)
    expect(await readFile(join(folder, 'real', 'a', 'b'))).toEqual(Buffer.of(1))
  })
  test('that is a file is STORAGE_UNAVAILABLE, and what to do is said', async () => {
    await writeFile(root, 'a file')
    await expect(backend.put('a', one)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { path: 'a' } })
    await expect(backend.lockWriter()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
  })
})

describe('files that are not objects', () => {
  test.skipIf(onWindows)('a symbolic link is neither read, listed nor written through', async () => {
    const outside = join(folder, 'outside')
    await writeFile(outside, 'secret')
    await backend.put('kept', one)
    await symlink(outside, join(root, 'link'))
    await symlink(folder, join(root, 'up'))
    const refusal = { code: 'STORAGE_UNAVAILABLE', details: { path: 'link', errno: 'ELOOP' } }
    await expect(backend.read('link')).rejects.toMatchObject(refusal)
    await expect(backend.readRange('link', { start: 0, end: 6 })).rejects.toMatchObject(refusal)
    expect(await backend.stat('link')).toBeUndefined()
    expect(await pathsOf(backend)).toEqual(['kept'])
    await expect(backend.put('link', one, { ifAbsent: true })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    await backend.put('link', one)
    expect(await backend.read('link')).toEqual(one)
    expect(await readFile(outside, 'utf8')).toBe('secret')
    await expect(backend.put('up/outside', one)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { path: 'up/outside' } })
    expect(await readFile(outside, 'utf8')).toBe('secret')
    await backend.delete('up')
    expect(existsSync(folder)).toBe(true)
  })
  test.skipIf(onWindows)('a pipe does not make a reader wait', async () => {
    await backend.put('kept', one)
    execFileSync('mkfifo', [join(root, 'pipe')])
    expect(await pathsOf(backend)).toEqual(['kept'])
    expect(await backend.stat('pipe')).toBeUndefined()
    await expect(backend.read('pipe')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(backend.readRange('pipe', { start: 0, end: 1 })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
  test.skipIf(onWindows)('names that no path can have are passed over by a listing', async () => {
    await backend.put('kept', one)
    for (const name of ['ends.', 'with:colon', 'cafe\u0301', 'back\\slash', 'new\nline']) await writeFile(join(root, name), 'x')
    await mkdir(join(root, 'folder.'))
    await writeFile(join(root, 'folder.', 'inside'), 'x')
    await writeFile(Buffer.concat([Buffer.from(`${root}/not-utf8-`), Buffer.of(0xff)]), 'x')
    expect(await pathsOf(backend)).toEqual(['kept'])
  })
  test('an object and others below its name do not go together in a folder', async () => {
    await backend.put('a', one)
    await expect(backend.put('a/b', one)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { path: 'a/b' } })
    await backend.put('c/d', one)
    await expect(backend.put('c', one)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { path: 'c' } })
    await expect(backend.put('c', one, { ifAbsent: true })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    expect(await pathsOf(backend)).toEqual(['a', 'c/d'])
  })
})

describe('what a crash in a put leaves', () => {
  const leftover = (): string => join(root, '.parquedb-tmp', '1-cut-short')

  test.each([false, true])('is not listed, and a writer removes it once it is an hour old, as another may be at work until then (takeOver: %s)', async (takeOver) => {
    await backend.put('kept', one)
    await writeFile(leftover(), 'young')
    await writeFile(`${leftover()}-old`, 'old')
    const old = new Date(Date.now() - 2 * 60 * 60 * 1000)
    await utimes(`${leftover()}-old`, old, old)
    expect(await pathsOf(backend)).toEqual(['kept'])
    const lock = await new FsBackend(root, { takeOver }).lockWriter()
    expect(readdirSync(join(root, '.parquedb-tmp'))).toEqual(['1-cut-short'])
    await lock.release()
  })
  test('is nothing when the put could clean up, also when it failed', async () => {
    await backend.put('a', one, { ifAbsent: true })
    await expect(backend.put('a', one, { ifAbsent: true })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    await expect(backend.put('a', one, { ifMatch: 'other' })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
    await expect(backend.put('a/b', one)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    expect(readdirSync(join(root, '.parquedb-tmp'))).toEqual([])
    expect(readdirSync(root)).toEqual(['.parquedb-tmp', 'a'])
  })
})

test('a folder that was removed while in use fails one put clearly and is made again by the next', async () => {
  await backend.put('a/b', one)
  await rm(root, { recursive: true })
  await expect(backend.put('a/c', one)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', details: { path: 'a/c', errno: 'ENOENT' } })
  await backend.put('a/c', one)
  expect(await pathsOf(backend)).toEqual(['a/c'])
})

test('an object written by another process between two looks has another etag', async () => {
  await backend.put('head', one)
  const before = await backend.stat('head')
  await new FsBackend(root).put('head', Uint8Array.of(2))
  const after = await backend.stat('head')
  expect(after?.etag).not.toBe(before?.etag)
  await expect(backend.put('head', one, { ifMatch: before?.etag ?? '' })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' })
})

test.runIf(process.platform === 'linux')('no operation leaves a file open', async () => {
  const openFiles = (): string[] => readdirSync('/proc/self/fd')
  const inRoot = async (): Promise<string[]> => {
    const targets = await Promise.all(openFiles().map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')))
    return targets.filter((target) => target.startsWith(folder))
  }
  for (let index = 0; index < 20; index++) {
    await backend.put(`a/${index}`, one)
    await backend.read(`a/${index}`)
    await backend.readRange(`a/${index}`, { start: 0, end: 9 })
    await backend.put('a', one).catch(() => undefined)
    await backend.read('a').catch(() => undefined)
    await backend.put(`a/${index}`, one, { ifAbsent: true }).catch(() => undefined)
    await backend.delete(`a/${index}`)
  }
  expect(await inRoot()).toEqual([])
  const log = await backend.openLog({ prefix: 'log', epoch: 1 })
  await log.append([{ epoch: 1, firstSeq: 1, count: 1, payload: one }])
  await log.rotate(2)
  expect(await inRoot()).toEqual([])
  await log.append([{ epoch: 1, firstSeq: 2, count: 1, payload: one }])
  expect((await inRoot()).length).toBe(1)
  await log.close()
  expect(await inRoot()).toEqual([])
})
