import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { logContract } from '../testing/log-contract.ts'
import { storageContract } from '../testing/storage-contract.ts'
import type { StorageFixture } from '../testing/storage-contract.ts'
import { writerLockContract } from '../testing/writer-lock-contract.ts'
import { FsBackend } from './FsBackend.ts'

const tools = { describe, test, expect }

const make = async (): Promise<StorageFixture & { takeOver: () => Promise<FsBackend> }> => {
  const folder = await mkdtemp(join(tmpdir(), 'parquedb-'))
  const root = join(folder, 'made', 'by put')
  return {
    backend: new FsBackend(root),
    reopen: async () => new FsBackend(root),
    takeOver: async () => new FsBackend(root, { takeOver: true }),
    cleanup: () => rm(folder, { recursive: true }),
  }
}

storageContract(tools, 'FsBackend', make)
logContract(tools, 'FsBackend', make)
writerLockContract(tools, 'FsBackend', make)
