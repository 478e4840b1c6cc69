import { describe, expect, test } from 'vitest'
import { toHex, utf8Encode } from '../base/bytes.ts'
import { sha256 } from '../base/sha256.ts'
import { putOnly } from '../testing/put-only.ts'
import { dataFiles, emptyManifest, eventsIn, filesOfRuns, horizonOf, openManifest, readManifest, spanOf, withKeys, withSpan, writeManifest, type FileEntry, type Manifest, type RunEntry } from './manifest.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'

const path = 'manifest/a.json'
const fileOf = (name: string, seqs: Partial<FileEntry> = {}): FileEntry => ({ path: name, sizeBytes: 1, rows: 3, minSeq: 1, maxSeq: 3, ...seqs }) as FileEntry
const runOf = (name: string): RunEntry => ({ level: 0, files: [fileOf(name)] })

async function stored(text: string, sha = toHex(sha256(utf8Encode(text)))): Promise<Manifest> {
  const store = new MemoryBackend()
  await store.put(path, utf8Encode(text))
  return readManifest(store, { path, sha256: sha })
}

describe('a manifest', () => {
  test('is read back as it was written, from its file and from the head', async () => {
    const store = new MemoryBackend()
    const manifest: Manifest = { ...emptyManifest, id: 7, runs: withKeys({}, { ['__proto__']: [runOf('r')] }), horizons: withKeys({}, { ['__proto__']: { seq: 1, ts: 2, base: [runOf('b')] } }), checkpoints: [{ seq: 1, ts: 1, runs: withKeys({}, { n: [runOf('c')] }) }] }
    const address = await writeManifest(store, manifest, 'ab')
    expect(address).toMatchObject({ path: 'manifest/00000000000000000007-ab.json', inline: { id: 7 } })
    for (const read of [await readManifest(store, address), await openManifest(store, { ...address, inline: JSON.parse(JSON.stringify(manifest)) as Manifest })]) {
      expect(filesOfRuns(read, '__proto__')).toEqual([runOf('r')])
      expect(horizonOf(read, '__proto__')).toMatchObject({ seq: 1 })
      expect([...dataFiles(read)].map(({ kind, ns, file }) => [kind, ns, file.path])).toEqual([['run', '__proto__', 'r'], ['run', 'n', 'c'], ['run', '__proto__', 'b']])
    }
    expect(await openManifest(store, undefined)).toEqual(emptyManifest)
  })
  test('of an earlier version, which knew fewer of its parts, has none of those', async () => {
    expect(await stored('{"id":1,"runs":{}}')).toEqual({ ...emptyManifest, id: 1 })
  })
  test('has nothing of a namespace that it does not name, nor of one that objects have by birth', () => {
    expect(filesOfRuns(emptyManifest, 'toString')).toEqual([])
    expect(horizonOf(emptyManifest, 'toString')).toBeUndefined()
  })
  test('with more than 16 Ki characters does not stand in the head', async () => {
    const store = new MemoryBackend()
    const length = JSON.stringify({ ...emptyManifest, segments: [fileOf('')] }).length
    const sized = (chars: number): Manifest => ({ ...emptyManifest, segments: [fileOf('x'.repeat(chars - length))] })
    expect((await writeManifest(store, sized(16 * 1024), 'a')).inline).toBeDefined()
    expect((await writeManifest(store, sized(16 * 1024 + 1), 'b')).inline).toBeUndefined()
  })
  test('that does not have the hash, is no JSON, or has more than 64 MiB is CORRUPT_FILE', async () => {
    const refusal = (what: string): object => ({ code: 'CORRUPT_FILE', message: expect.stringContaining(what) as string, details: { path, offset: 0 } })
    await expect(stored('{"id":1,"runs":{}}', '00')).rejects.toMatchObject(refusal('does not have the hash that the head names'))
    await expect(stored('nonsense')).rejects.toMatchObject(refusal('is not JSON'))
    const endless = { ...putOnly(new MemoryBackend()), readRange: async (_: string, { end }: { end: number }) => new Uint8Array(end) }
    await expect(readManifest(endless, { path, sha256: '' })).rejects.toMatchObject(refusal('is more than the 67108864 bytes that a manifest may have'))
  })
})

describe('a segment', () => {
  test('stands for the seqs of its rows, or for those that it says', () => {
    expect(spanOf(fileOf('s'))).toEqual({ from: 1, to: 3 })
    expect(spanOf(fileOf('s', { span: { from: 0, to: 9 } }))).toEqual({ from: 0, to: 9 })
    expect(eventsIn(fileOf('s', { rows: 5, mirrors: 2 } as Partial<FileEntry>))).toBe(3)
  })
  test('says which seqs only where its rows do not tell', () => {
    expect(withSpan(fileOf('s', { span: { from: 9, to: 9 } }), { from: 1, to: 3 })).toEqual(fileOf('s'))
    for (const span of [{ from: 0, to: 3 }, { from: 1, to: 4 }]) expect(withSpan(fileOf('s'), span)).toEqual(fileOf('s', { span }))
    expect(withSpan(fileOf('s', { rows: 2 }), { from: 1, to: 3 }).span).toEqual({ from: 1, to: 3 })
  })
})

test('every data file is listed once, though a checkpoint names it as well', () => {
  const manifest: Manifest = { ...emptyManifest, segments: [fileOf('s')], archived: [fileOf('a')], runs: { n: [runOf('r')] }, checkpoints: [{ seq: 1, ts: 1, runs: { n: [runOf('r'), runOf('old')] } }], horizons: { n: { seq: 1, ts: 1, base: [runOf('base')], archive: { seq: 0, ts: 0, base: [runOf('first')] } } } }
  expect([...dataFiles(manifest)].map(({ file }) => file.path)).toEqual(['a', 's', 'r', 'old', 'base', 'first'])
})
