import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { BrokenLine } from './broken-line.ts'
import { bundledSimulator } from './bundled-simulator.ts'

// Each rule of the commit protocol, of the graph, of retention and of erasing is switched off in turn, by changing its line in the source. The simulator must see
// every one of them broken: one that it does not see is one that nobody would miss.

interface Mutant extends BrokenLine {
  /** Where the worlds that must notice it have their database. */
  readonly home: 'folder' | 'bucket'
  readonly broken: string
}

const ofFolders: readonly Omit<Mutant, 'home'>[] = [
  {
    broken: 'the log is not synced before anybody is told',
    file: 'FileLog.ts',
    line: 'await this.#part.file.sync()',
    instead: '',
  },
  {
    broken: 'nobody looks whether another writer took over before saying that a commit is durable',
    file: 'Writer.ts',
    line: 'await fence.check()',
    instead: '',
  },
  {
    broken: 'callers are told while the sync is still under way',
    file: 'Writer.ts',
    line: 'await this.#append(commits)',
    instead: 'this.#append(commits).catch(() => undefined)',
  },
  {
    broken: 'a txId that was committed before is committed again',
    file: 'Writer.ts',
    line: 'if (repeated !== undefined) return queued.resolve(repeated)',
    instead: '',
  },
  {
    broken: 'a takeover does not copy the tail of the log',
    file: 'WriterSession.ts',
    line: 'await log.append(frames.map(({ frame }) => ({ ...frame, epoch })))',
    instead: '',
  },
  {
    broken: 'two writers can take the same epoch',
    file: 'head.ts',
    line: 'await backend.put(epochPath(epoch), takenMark, { ifAbsent: true })',
    instead: 'await backend.put(epochPath(epoch), takenMark)',
  },
  {
    broken: 'the log is deleted before the head that replaces it is published',
    file: 'Maintenance.ts',
    line: 'const { overlay } = partition\n    const job = files.job()',
    instead: 'const { overlay } = partition\n    await log.truncate(toSeq + 1)\n    const job = files.job()',
  },
  {
    broken: 'the head says that the log begins one event later than it does',
    file: 'head.ts',
    line: 'logStart: flushedSeq + 1',
    instead: 'logStart: flushedSeq + 2',
  },
  {
    broken: 'a writer that was taken over from goes on to publish and to delete',
    file: 'Publisher.ts',
    line: 'await fence.check()',
    instead: '',
  },
  {
    broken: 'dropped files are deleted while a view reads them',
    file: 'garbage.ts',
    line: 'if (dueAtMs > nowMs || file.manifestId > oldestPinned) {',
    instead: 'if (dueAtMs < 0) {',
  },
  {
    broken: 'the sweep takes what the manifest names for orphans',
    file: 'garbage.ts',
    line: '!kept.has(path) && ',
    instead: '',
  },
]

const shared = (broken: string): Omit<Mutant, 'home'> => ofFolders.find((mutant) => mutant.broken === broken) as Mutant

const ofBuckets: readonly Omit<Mutant, 'home'>[] = [
  {
    broken: 'a put of unknown outcome is taken for done',
    file: 'resolving.ts',
    line: 'if (etag === undefined) throw error',
    instead: "if (etag === undefined) return { etag: '' }",
  },
  {
    broken: 'a head is put whatever is there',
    file: 'head.ts',
    line: 'return backend.put(epochPath(head.epoch), encodeHead(head), { ifMatch })',
    instead: 'return backend.put(epochPath(head.epoch), encodeHead(head))',
  },
  {
    broken: 'a mark that another writer put is taken for the own one',
    file: 'WriterSession.ts',
    line: 'await takeEpoch(options.log ?? store)',
    instead: 'await takeEpoch(logBackend)',
  },
  shared('nobody looks whether another writer took over before saying that a commit is durable'),
  shared('a takeover does not copy the tail of the log'),
  shared('two writers can take the same epoch'),
  shared('the log is deleted before the head that replaces it is published'),
  shared('a writer that was taken over from goes on to publish and to delete'),
]

/** Of the graph, of what is taken away, and of what a follower is told. */
const ofBoth: readonly Omit<Mutant, 'home'>[] = [
  {
    broken: 'an edge is kept from where it begins only',
    file: 'Overlay.ts',
    line: 'this.#extend(far, event, { ...state, id: far.id })',
    instead: '',
  },
  {
    broken: 'edges to what is deleted are seen',
    file: '../query/hop.ts',
    line: '!isLive(state) ||',
    instead: 'state === undefined ||',
  },
  {
    broken: 'the graph of the past is that of now',
    file: '../query/hop.ts',
    line: 'view.scanRanges(walk.space, walk.ranges, of)',
    instead: 'view.scanRanges(walk.space, walk.ranges)',
  },
  {
    broken: 'a delete that cascades is a commit for each entity',
    file: '../db/delete-entities.ts',
    line: 'await session.transact(async (inner) => {',
    instead: 'await ((work) => work(session))(async (inner) => {',
  },
  {
    broken: 'deleting many says one too few',
    file: '../db/Collection.ts',
    line: "command: { kind: 'delete' } }, write)).modifiedCount",
    instead: "command: { kind: 'delete' } }, write)).modifiedCount - 1",
  },
  {
    broken: 'what restricts a delete is not looked at',
    file: '../db/delete-entities.ts',
    line: 'if (held === undefined) return',
    instead: 'return',
  },
  {
    broken: 'an edge that there may be one of is put beside the other',
    file: '../db/replace-edges.ts',
    line: 'if (isPlain) return',
    instead: 'if (isPlain || !isPlain) return',
  },
  {
    broken: 'a transaction does not heed that what it has scanned was changed',
    file: '../db/run-transaction.ts',
    line: 'reads.noteNamespace(ns)',
    instead: 'void ns',
  },
  {
    broken: 'retention does not keep the states at the new horizon',
    file: 'retention.ts',
    line: 'const base: RunEntry[] = run.files.length === 0 ? [] : [{ level: 0, ...run }]',
    instead: 'const base: RunEntry[] = []',
  },
  {
    broken: 'what is archived is put nowhere',
    file: 'retention.ts',
    line: 'if (output.archived !== undefined) archived.push(output.archived)',
    instead: '',
  },
  {
    broken: 'retention takes one event too many',
    file: 'retention.ts',
    line: 'event.seq > step.seq || !mayGo(event)',
    instead: 'event.seq > step.seq + 1 || !mayGo(event)',
  },
  {
    broken: 'an erasure leaves the archive as it is',
    file: 'erasure.ts',
    line: 'for (const file of [...manifest.archived, ...manifest.segments]) {',
    instead: 'for (const file of manifest.segments) {',
  },
  {
    broken: 'an erasure that a crash interrupted is not gone on with',
    file: 'Maintenance.ts',
    line: 'if (!this.#parts.partition.erasing.isEmpty) await this.finishErasing(this.#abort.signal)',
    instead: '',
  },
  {
    broken: 'what is being erased may be written',
    file: 'Staging.ts',
    line: 'if (!this.#partition.erasing.isEmpty) this.#partition.refuseErased(request.keys)',
    instead: '',
  },
  {
    broken: 'a past is read from a checkpoint that is after it',
    file: 'horizon.ts',
    line: 'start.seq > best.seq && !isBefore(asOf, start) ? start : best',
    instead: 'start.seq > best.seq ? start : best',
  },
  {
    broken: 'what a merge copies moves up over rows without a value',
    file: '../parquet/LeafBuilder.ts',
    line: 'if (this.rowCount < at) this.fillTo(at)',
    instead: '',
  },
  {
    broken: 'a row group is taken over whole though rows of another file belong between its own',
    file: 'merge-groups.ts',
    line: 'rule.compare(group.bound, others) < 0',
    instead: 'rule.compare(group.first, others) < 0',
  },
  {
    broken: 'a row group is taken over by a file with other columns',
    file: '../parquet/TableWriter.ts',
    line: 'return filters.ids instanceof IdHashes && layout === this.layout',
    instead: 'return filters.ids instanceof IdHashes',
  },
  {
    broken: 'a follower is content with what it knew three seconds ago',
    file: 'FollowerSession.ts',
    line: 'if (calledAtMs - this.#knownAtMs < followMs) return',
    instead: 'if (calledAtMs - this.#knownAtMs < followMs + 3000) return',
  },
]

const mutants: readonly Mutant[] = [...ofFolders.map((mutant) => ({ ...mutant, home: 'folder' as const })), ...ofBuckets.map((mutant) => ({ ...mutant, home: 'bucket' as const })), ...ofBoth.map((mutant, index) => ({ ...mutant, home: index % 2 === 0 ? ('folder' as const) : ('bucket' as const) }))]

/** Nearly all are caught by the first few worlds. */
const seedsMax = 100

test.each(mutants)('the simulator sees it in a $home when $broken', { timeout: 300_000 }, async (mutant) => {
  const folder = await mkdtemp(join(tmpdir(), 'parquedb-mutant-'))
  try {
    const broken = await bundledSimulator(folder, mutant)
    let caughtBy: number | undefined
    for (let seed = 1; seed <= seedsMax && caughtBy === undefined; seed++) {
      const { violation } = await broken.simulate({ seed, home: mutant.home, turn: () => setImmediate() })
      if (violation !== undefined) caughtBy = seed
    }
    expect(caughtBy).toBeGreaterThan(0)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
