import { expect, test } from 'vitest'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import { ParqueDB } from './ParqueDB.ts'

test.each([0, 1500])('createMany commits nothing behind a batch that is refused, here for document %i of 8,000', async (index) => {
  await using db = new ParqueDB({ storage: new MemoryBackend() })
  const posts = db.collection('posts')
  await posts.create({ $id: `p${index}` })
  const documents = Array.from({ length: 8000 }, (_, at) => ({ $id: `p${at}` }))
  const createdCount = index - (index % 1000)
  await expect(posts.createMany(documents)).rejects.toMatchObject({ code: 'ALREADY_EXISTS', details: { index, createdCount } })
  expect(await posts.count()).toBe(createdCount + 1)
})

test('linkMany commits nothing behind a batch that is refused', async () => {
  await using db = new ParqueDB({ storage: new MemoryBackend() })
  const posts = db.collection('posts')
  await posts.create({ $id: 'a' })
  const edges = Array.from({ length: 5000 }, (_, at) => ({ from: at === 0 ? 'absent' : 'a', predicate: 'tags', to: `tags/${at}` }))
  await expect(posts.linkMany(edges)).rejects.toMatchObject({ code: 'NOT_FOUND', details: { index: 0, edgeCount: 0, changedCount: 0 } })
  expect(await db.stats()).toMatchObject({ lastSeq: 1 })
})
