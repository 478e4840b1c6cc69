// What `npm run coverage` and `npm run mutation` measure: the log, the manifest, commits, recovery and garbage collection, and the tests that are about them.

import { existsSync } from 'node:fs'

export const protocolFiles = [
  'EpochFence', 'FileLog', 'FollowerSession', 'Maintenance', 'Publisher', 'Rewriter', 'SharedSession', 'Staging', 'Writer', 'WriterSession',
  'frame', 'garbage', 'head', 'log-part', 'log-payload', 'log-reader', 'manifest', 'proposal', 'recover', 'repeated', 'replay',
].map((name) => `src/storage/${name}.ts`)

/** The quick ones: a mutant that one of them sees need not meet the others. */
export const quickTests = [
  'src/storage/frame.test.ts',
  'src/storage/head.test.ts',
  'src/storage/log-payload.test.ts',
  'src/storage/manifest.test.ts',
  'src/storage/garbage.test.ts',
  'src/storage/Maintenance.test.ts',
  'src/storage/FollowerSession.test.ts',
  'src/storage/SharedSession.test.ts',
  'src/storage/Writer.test.ts',
  'src/storage/log-reader.test.ts',
  'src/storage/replay.test.ts',
  'src/storage/FileLog.test.ts',
  'src/storage/EpochFence.test.ts',
  'src/storage/object-log.test.ts',
  'test/faults/recover-stores.test.ts',
]

export const slowerTests = [
  'src/storage/retention.test.ts',
  'src/storage/erasure.test.ts',
  'src/storage/checkpoints.test.ts',
  'src/storage/EventSourcedBackend.test.ts',
  'src/storage/takeover.test.ts',
  'src/storage/share.test.ts',
  'test/reopen.test.ts',
  'test/faults/recover.test.ts',
]

/** Too slow to be run for a mutant. */
export const protocolTrials = ['test/simulate.test.ts', 'test/faults/crash-points.test.ts', 'test/faults/bit-rot.test.ts', 'src/db/database-contract.test.ts', 'src/storage/FilesHead.test.ts', 'src/storage/compaction.test.ts', 'src/storage/copy-database.test.ts', 'src/storage/opening.test.ts', 'src/testing/FaultyBackend.test.ts']

const missing = [...protocolFiles, ...quickTests, ...slowerTests, ...protocolTrials].filter((path) => !existsSync(new URL(`../${path}`, import.meta.url)))
if (missing.length > 0) throw new Error(`scripts/protocol-files.mjs names what is not there: ${missing.join(', ')}`)
