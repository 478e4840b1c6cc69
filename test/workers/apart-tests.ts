import type { Database } from '../../src/model/database.ts'
import { codeOf } from '../../src/testing/database/observe.ts'
import type { TestTools } from '../../src/testing/test-tools.ts'

/** What holds where each collection is a partition of its own. */
export function apartTests({ test, expect }: TestTools, open: () => Database): void {
  test('with a partition for each collection a pipeline looks up in its own alone, and says so', async () => {
    const posts = open().collection('posts')
    await posts.create({ $id: 'p', of: 'posts/p' })
    const by = { localField: 'of', foreignField: '$id', as: 'x' }
    const found = await posts.aggregate([{ $lookup: { from: 'posts', ...by } }, { $project: { x: '$x.$id' } }]).toArray()
    expect(found).toEqual([{ $id: 'posts/p', x: ['posts/p'] }])
    for (const $lookup of [{ from: 'users', ...by }, { relationship: 'author', as: 'x' }]) {
      expect(await codeOf(() => posts.aggregate([{ $facet: { a: [{ $lookup }] } }]))).toBe('INVALID_ARGUMENT')
    }
  })
}
