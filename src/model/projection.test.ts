import { describe, expect, test } from 'vitest'
import { applyProjection, parseProjection, projectionFields } from './projection.ts'

const post = { $id: 'posts/a', version: 2, title: 'x', author: { name: 'n', mail: 'm' }, tags: [{ k: 1, v: 2 }, 5, { v: 3 }, [{ k: 4 }]] }

describe('applyProjection', () => {
  test.each<[unknown, unknown]>([
    [undefined, post],
    [{}, post],
    [{ title: 1 }, { $id: 'posts/a', title: 'x' }],
    [['title', 'version'], { $id: 'posts/a', version: 2, title: 'x' }],
    [{ title: true, $id: 0 }, { title: 'x' }],
    [{ $id: 1 }, { $id: 'posts/a' }],
    [{ 'author.name': 1 }, { $id: 'posts/a', author: { name: 'n' } }],
    [{ 'author.mail': 1, 'author.name': 1 }, { $id: 'posts/a', author: { name: 'n', mail: 'm' } }],
    [{ 'author.x': 1, 'title.x': 1 }, { $id: 'posts/a', author: {} }],
    [{ 'tags.k': 1 }, { $id: 'posts/a', tags: [{ k: 1 }, {}, [{ k: 4 }]] }],
    [{ $id: 0 }, { version: 2, title: 'x', author: post.author, tags: post.tags }],
    [{ tags: 0, 'author.mail': 0 }, { $id: 'posts/a', version: 2, title: 'x', author: { name: 'n' } }],
    [{ 'tags.v': false, author: 0, version: 0 }, { $id: 'posts/a', title: 'x', tags: [{ k: 1 }, 5, {}, [{ k: 4 }]] }],
    [{ title: 0, $id: 0, version: 0, tags: 0 }, { author: post.author }],
    [{ missing: 1 }, { $id: 'posts/a' }],
  ])('%j', (project, result) => {
    const before = structuredClone(post)
    const projected = applyProjection(post, parseProjection(project))
    expect(projected).toEqual(result)
    expect(post).toEqual(before)
  })

  test("keeps the document's own order, and shares what it takes whole", () => {
    const projected = applyProjection(post, parseProjection({ tags: 1, title: 1 }))
    expect(Object.keys(projected)).toEqual(['$id', 'title', 'tags'])
    expect(projected['tags']).toBe(post.tags)
  })
})

test.each<[unknown, string]>([
  [{ a: 1, b: 0 }, 'either includes or excludes'],
  [{ a: 0, b: 1 }, 'either includes or excludes'],
  [{ $id: 1, a: 0 }, 'either includes or excludes'],
  [{ a: 1, 'a.b': 1 }, 'inside another'],
  [{ 'a.b': 1, a: 1 }, 'around another'],
  [['a', 'a'], 'twice'],
  [{ a: 2 }, '1 or 0'],
  [{ a: '$b' }, '1 or 0'],
  [{ a: { $slice: 1 } }, '1 or 0'],
  [{ 'a.$': 1 }, "'$'"],
  [{ 'a..b': 1 }, 'empty segment'],
  [{ constructor: 1 }, 'prototype'],
  [[1], 'names of fields'],
  ['a', 'must be an object'],
  [null, 'must be an object'],
])('%j is refused', (project, text) => {
  expect(() => parseProjection(project)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(text) }))
})

test('an inclusion names the fields that it reads, an exclusion may read any', () => {
  expect([...(projectionFields(parseProjection({ 'a.b': 1, c: 1, $id: 0 })) ?? [])]).toEqual(['a', 'c'])
  expect(projectionFields(parseProjection({ a: 0 }))).toBe(undefined)
  expect(projectionFields(parseProjection(undefined))).toBe(undefined)
})
