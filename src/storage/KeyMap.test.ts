import { expect, test } from 'vitest'
import { KeyMap } from './KeyMap.ts'

test('the same id in two namespaces is two entities', () => {
  const map = new KeyMap<number>()
  map.set({ ns: 'posts', id: 'a' }, 1)
  map.set({ ns: 'users', id: 'a' }, 2)
  map.delete({ ns: 'posts', id: 'a' })
  map.delete({ ns: 'nobody', id: 'a' })
  expect([map.get({ ns: 'posts', id: 'a' }), map.get({ ns: 'users', id: 'a' })]).toEqual([undefined, 2])
})

test('a key whose value is undefined is there', () => {
  const map = new KeyMap<number | undefined>()
  map.set({ ns: 'posts', id: 'a' }, undefined)
  expect([map.has({ ns: 'posts', id: 'a' }), map.has({ ns: 'posts', id: 'b' }), map.has({ ns: 'users', id: 'a' })]).toEqual([true, false, false])
  map.clear()
  expect(map.has({ ns: 'posts', id: 'a' })).toBe(false)
})
