import { describe, expect, test } from 'vitest'
import { edgeKey, edgeRange, parseEdgeKey } from './edge.ts'
import { Relations, type SchemaInput } from './relations.ts'

test('a relationship is known by both of its names', () => {
  const relations = new Relations({ posts: { author: '-> users.posts', tags: '-> tags[]' }, users: { posts: '<- posts.author[]' } })
  expect(relations.of('posts', 'author', undefined)).toMatchObject({ predicate: 'author', direction: 'out', far: 'users', isMany: false, isManyBack: true })
  expect(relations.of('users', 'posts', undefined)).toMatchObject({ predicate: 'author', direction: 'in', far: 'posts', isMany: true, isManyBack: false })
  expect(relations.of('tags', 'posts', undefined)).toMatchObject({ predicate: 'posts', direction: 'out', far: undefined, isMany: true })
  expect(new Relations({ posts: { author: '-> users.wrote' } }).of('users', 'wrote', undefined)).toMatchObject({ predicate: 'author', direction: 'in', far: 'posts' })
})

describe('a schema is refused', () => {
  test.each<{ schema: unknown; says: string }>([
    { schema: { posts: { author: 'users' } }, says: 'posts.author must be written as' },
    { schema: { posts: { author: '<- users' } }, says: 'must name the relationship' },
    { schema: { posts: { 'a.b': '-> users' } }, says: 'without' },
    { schema: { users: { posts: '<- posts.author[]' } }, says: "posts declares no 'author'" },
    { schema: { posts: { author: '-> people' }, users: { posts: '<- posts.author[]' } }, says: 'that points at people' },
    { schema: { posts: { author: '-> users.written' }, users: { posts: '<- posts.author[]' } }, says: "calls its other side 'written'" },
    { schema: { posts: { author: '-> users.posts' }, users: { posts: '-> posts[]' } }, says: "is declared as '-> posts[]'" },
    { schema: { posts: { author: { rel: '-> users', onDelete: 'drop' } } }, says: 'onDelete' },
    { schema: { posts: { author: { rel: '-> users', cascade: true } } }, says: "unknown option 'cascade'" },
    { schema: { posts: { a: '-> users' }, users: { p: { rel: '<- posts.a', onDelete: 'cascade' } } }, says: "the other side of a '->'" },
  ])('$says', ({ schema, says }) => {
    expect(() => new Relations(schema as SchemaInput)).toThrow(says)
  })
})

test('the key of an edge comes back, and stands within the range of its near end alone, whatever the ids hold', () => {
  const ids = ['a', 'a\0', 'a\0b', 'a\u0001', 'a/b', '\0', 'b']
  for (const near of ids) {
    for (const far of ids) {
      const ends = { from: { ns: 'x', id: near }, predicate: 'p', to: { ns: 'y', id: far } }
      for (const direction of ['out', 'in'] as const) expect(parseEdgeKey(edgeKey(ends, direction))).toEqual(ends)
      const { id } = edgeKey(ends)
      for (const other of ids) {
        for (const predicate of ['p', undefined]) {
          const { fromId, beforeId } = edgeRange({ ns: 'x', id: other }, predicate)
          expect(id >= fromId && id < beforeId).toBe(other === near)
        }
      }
    }
  }
})
