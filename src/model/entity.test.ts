import { describe, expect, test } from 'vitest'
import { formatEntityId, formatTarget, parseEntityId, parseTarget, validateNamespace } from './entity.ts'

const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' })

describe('parseEntityId', () => {
  test.each([
    ['abc', 'abc'],
    ['posts/abc', 'abc'],
    ['a/b', 'a/b'],
    ['posts/a/b', 'a/b'],
    ['posts/posts/a', 'posts/a'],
    ['postscript/a', 'postscript/a'],
    ['a b:$é\u0000😀', 'a b:$é\u0000😀'],
  ])("takes '%s' of posts for the id '%s'", (input, id) => {
    expect(parseEntityId(input, 'posts')).toBe(id)
  })

  test.each([[''], ['posts/'], ['x\ud800'], ['é'.repeat(513)], [5], [null], [undefined], [{}]])('refuses %j', (input) => {
    expect(() => parseEntityId(input, 'posts')).toThrow(invalid)
  })

  test('accepts exactly 1,024 bytes', () => {
    expect(parseEntityId('é'.repeat(512), 'posts')).toHaveLength(512)
  })
})

describe('validateNamespace', () => {
  test.each(['posts', 'Ünï-cödé', 'a.b', 'a b', 'é'.repeat(60), '..'])("accepts '%s'", (ns) => {
    expect(validateNamespace(ns)).toBe(ns)
  })

  test.each(['', 'a/b', 'a:b', 'a\u0000', 'a\n', '$a', 'é'.repeat(61), 'a\udc00', 5, undefined])('refuses %j', (ns) => {
    expect(() => validateNamespace(ns)).toThrow(invalid)
  })
})

test('an id and a target are formatted, and a target is parsed at its first colon', () => {
  expect(formatEntityId({ ns: 'posts', id: 'a/b' })).toBe('posts/a/b')
  expect(formatTarget({ ns: 'posts', id: 'a:b' })).toBe('posts:a:b')
  expect(parseTarget('posts:a:b')).toEqual({ ns: 'posts', id: 'a:b' })
})

test.each(['posts', ':a', 'posts:', 'a/b:c', 5, undefined])('the target %j is refused', (target) => {
  expect(() => parseTarget(target)).toThrow(invalid)
})
