import { describe, expect, test } from 'vitest'
import { FaultyBackend } from '../testing/FaultyBackend.ts'
import { putOnly } from '../testing/put-only.ts'
import { withEventSourcing } from './EventSourcedBackend.ts'
import { MemoryBackend } from './backends/MemoryBackend.ts'
import { encodeFrames, soundFrames } from './frame.ts'
import { firstChain } from './log-part.ts'

const create = (id: string, text = ''): { op: 'CREATE'; target: string; after: object } => ({ op: 'CREATE', target: `n:${id}`, after: { text } })

describe('the log', () => {
  test('of which a part in the middle is missing is refused: it names the part that goes on, and the events that are gone', async () => {
    const storage = new MemoryBackend()
    const writer = withEventSourcing(putOnly(storage))
    for (const id of ['a', 'b', 'c', 'd']) await writer.appendEvent(create(id))
    await writer.close()
    const parts = (await storage.list('log/')).objects.map(({ path }) => path)
    await storage.delete(parts[1] ?? '')
    await storage.delete(parts[2] ?? '')
    const refusal = { code: 'CORRUPT_FILE', message: expect.stringContaining('misses the events 2 to 3') as string, details: { path: parts[3], offset: 0 } }
    await expect(withEventSourcing(putOnly(storage), { readOnly: true }).stats()).rejects.toMatchObject(refusal)
    await expect(withEventSourcing(putOnly(storage)).stats()).rejects.toMatchObject(refusal)
  })

  test('that holds what are no events is refused with the place of their append', async () => {
    const storage = new MemoryBackend()
    const writer = withEventSourcing(storage)
    for (const id of ['a', 'b']) await writer.appendEvent(create(id))
    const [part] = (await storage.list('log/')).objects
    const path = part?.path ?? ''
    const [first, second] = [...soundFrames(await storage.read(path), { epoch: 1, searchedBytesMax: 0 })]
    if (first === undefined || second === undefined) throw new Error('two appends are two frames')
    const { bytes } = encodeFrames([first.frame, { ...second.frame, payload: Uint8Array.of(123) }], firstChain(path))
    await storage.put(path, bytes)
    await expect(withEventSourcing(storage, { readOnly: true }).stats()).rejects.toMatchObject({ code: 'CORRUPT_FILE', details: { path, offset: second.offset } })
  })

  test('is read by parts: one of up to a megabyte by one request, a larger one piece by piece, and many in order', async () => {
    const storage = new MemoryBackend()
    const writer = withEventSourcing(putOnly(storage))
    for (let index = 0; index < 40; index++) await writer.appendEvent(create(`${index}`, index === 17 ? 'x'.repeat(1024 * 1024) : ''))
    const reading = new FaultyBackend(putOnly(storage))
    const follower = withEventSourcing(reading, { readOnly: true, followMs: 60_000 })
    const targets: string[] = []
    for await (const { target } of follower.readEvents()) targets.push(target)
    expect(targets).toEqual(Array.from({ length: 40 }, (_, index) => `n:${index}`))
    // The head and 39 parts; the large one takes two requests.
    expect([reading.count('read'), reading.count('readRange')]).toEqual([40, 2])
    await follower.close()
    await writer.close()
  })
})
