import { describe, expect, test } from 'vitest'
import { logContract } from '../../testing/log-contract.ts'
import { storageContract } from '../../testing/storage-contract.ts'
import type { StorageFixture } from '../../testing/storage-contract.ts'
import { putOnly } from '../../testing/put-only.ts'
import { writerLockContract } from '../../testing/writer-lock-contract.ts'
import { MemoryBackend } from './MemoryBackend.ts'

const tools = { describe, test, expect }

const make = async (): Promise<StorageFixture> => {
  const backend = new MemoryBackend()
  return { backend, reopen: async () => backend.clone(), cleanup: async () => undefined }
}

const makePutOnly = async (): Promise<StorageFixture> => {
  const backend = new MemoryBackend()
  return { backend: putOnly(backend), reopen: async () => putOnly(backend.clone()), cleanup: async () => undefined }
}

storageContract(tools, 'MemoryBackend', make)
logContract(tools, 'MemoryBackend', make)
storageContract(tools, 'A MemoryBackend that only puts objects', makePutOnly)
logContract(tools, 'A MemoryBackend that only puts objects', makePutOnly)
writerLockContract(tools, 'MemoryBackend', async () => {
  const backend = new MemoryBackend()
  return { backend, takeOver: async () => backend.clone({ takeOver: true }), cleanup: async () => undefined }
})

test('a clone shares nothing with its origin', async () => {
  const origin = new MemoryBackend()
  await origin.put('a', Uint8Array.of(1))
  const clone = origin.clone()
  await origin.put('a', Uint8Array.of(2))
  await clone.put('b', Uint8Array.of(3))
  expect(await clone.read('a')).toEqual(Uint8Array.of(1))
  expect(await origin.stat('b')).toBeUndefined()
})

test('a clone is a crash: the writer role is free in it', async () => {
  const origin = new MemoryBackend()
  await origin.lockWriter()
  await expect(origin.lockWriter()).rejects.toMatchObject({ code: 'WRITER_LOCKED' })
  await expect(origin.clone().lockWriter()).resolves.toBeDefined()
})
