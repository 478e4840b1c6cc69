import { describe, expect, test } from 'vitest'
import { decide, type Command, type CommandContext } from './decide.ts'
import type { EntityState } from './entity.ts'
import { parseUpdate } from './update/parse-update.ts'

const key = { ns: 'posts', id: 'a' }
const context: CommandContext = { key, nowMs: 5000, actor: 'ada', metadata: { via: 'test' } }
const addressed = { ns: 'posts', id: 'a', actor: 'ada', metadata: { via: 'test' } }

const live: EntityState = {
  id: 'a',
  version: 3,
  seq: 30,
  createdAt: 1000,
  createdBy: 'bob',
  updatedAt: 2000,
  updatedBy: undefined,
  deletedAt: undefined,
  document: { title: 'one', views: 1 },
}
const tombstone: EntityState = { ...live, version: 4, deletedAt: 3000, document: {} }

const create: Command = { kind: 'create', document: { title: 'new' } }
const update = (operators: object, orCreate = false): Command => ({ kind: 'update', update: parseUpdate(operators), orCreate })
const replace = (document: { title: string }, rest: { orCreate?: boolean; fields?: Record<string, string | Date> } = {}): Command => ({
  kind: 'replace',
  document,
  fields: rest.fields ?? {},
  orCreate: rest.orCreate ?? false,
})

describe('a command gives the events that carry it out', () => {
  test.each<[string, EntityState | undefined, Command, object[]]>([
    ['create of nothing', undefined, create, [{ op: 'CREATE', after: { title: 'new' } }]],
    ['create of a deleted entity', tombstone, create, [{ op: 'CREATE', after: { title: 'new' } }]],
    ['update', live, update({ $inc: { views: 2 }, $currentDate: { at: true } }), [{ op: 'UPDATE', patch: { set: { views: 3, at: new Date(5000) } } }]],
    ['update that changes nothing', live, update({ $set: { title: 'one' }, $setOnInsert: { x: 1 } }), []],
    ['upsert of nothing', undefined, update({ $inc: { views: 2 }, $setOnInsert: { x: 1 } }, true), [{ op: 'CREATE', after: { views: 2, x: 1 } }]],
    ['upsert of a deleted entity', tombstone, update({ $set: { x: 1 } }, true), [{ op: 'CREATE', after: { x: 1 } }]],
    ['replace', live, replace({ title: 'two' }), [{ op: 'UPDATE', patch: { set: { title: 'two' }, unset: ['views'] } }]],
    ['replace with its current fields', live, replace({ title: 'one' }, { fields: { createdAt: new Date(1000), createdBy: 'bob' } }), [{ op: 'UPDATE', patch: { unset: ['views'] } }]],
    ['replace of nothing with upsert', undefined, replace({ title: 'two' }, { orCreate: true }), [{ op: 'CREATE', after: { title: 'two' } }]],
    ['delete', live, { kind: 'delete' }, [{ op: 'DELETE' }]],
    ['delete of nothing', undefined, { kind: 'delete' }, []],
    ['delete of a deleted entity', tombstone, { kind: 'delete' }, []],
    ['restore', tombstone, { kind: 'restore', document: { title: 'one' } }, [{ op: 'UPDATE', patch: { set: { title: 'one' } } }]],
    ['restore of an empty document', tombstone, { kind: 'restore', document: {} }, [{ op: 'UPDATE', patch: {} }]],
    ['restore of a live entity', live, { kind: 'restore', document: { title: 'old' } }, []],
    ['revert', live, { kind: 'revert', document: { title: 'old' } }, [{ op: 'UPDATE', patch: { set: { title: 'old' }, unset: ['views'] } }]],
    ['revert to what it is', live, { kind: 'revert', document: { title: 'one', views: 1 } }, []],
    ['revert of a deleted entity', tombstone, { kind: 'revert', document: { title: 'old' } }, [{ op: 'UPDATE', patch: { set: { title: 'old' } } }]],
  ])('%s', (_name, state, command, events) => {
    expect(decide(state, command, context)).toEqual(events.map((event) => ({ ...event, ...addressed })))
  })
})

describe('a command is refused', () => {
  test.each<[string, EntityState | undefined, Command]>([
    ['ALREADY_EXISTS', live, create],
    ['NOT_FOUND', undefined, update({ $set: { x: 1 } })],
    ['NOT_FOUND', tombstone, update({ $set: { x: 1 } })],
    ['NOT_FOUND', undefined, replace({ title: 'two' })],
    ['NOT_FOUND', undefined, { kind: 'restore', document: {} }],
    ['NOT_FOUND', undefined, { kind: 'revert', document: {} }],
    ['INVALID_UPDATE', live, update({ $inc: { title: 1 } })],
    ['VALIDATION_FAILED', live, replace({ title: 'two' }, { fields: { createdAt: new Date(1) } })],
    ['VALIDATION_FAILED', live, replace({ title: 'two' }, { fields: { updatedBy: 'eve' } })],
  ])('with %s', (code, state, command) => {
    expect(() => decide(state, command, context)).toThrow(expect.objectContaining({ code }))
  })

  test.each<[EntityState | undefined, Command, number | 'absent', number | 'absent']>([
    [live, update({ $set: { x: 1 } }), 2, 3],
    [live, update({ $set: { x: 1 } }, true), 'absent', 3],
    [live, { kind: 'delete' }, 4, 3],
    [undefined, { kind: 'delete' }, 1, 'absent'],
    [undefined, update({ $set: { x: 1 } }), 1, 'absent'],
    [tombstone, replace({ title: 'x' }, { orCreate: true }), 4, 'absent'],
    [tombstone, { kind: 'restore', document: {} }, 3, 4],
    [live, { kind: 'restore', document: {} }, 'absent', 3],
  ])('with VERSION_CONFLICT and both versions (case %#)', (state, command, expected, found) => {
    const details = { $id: 'posts/a', expected, found }
    expect(() => decide(state, command, { ...context, expectedVersion: expected })).toThrow(expect.objectContaining({ code: 'VERSION_CONFLICT', details }))
  })

  test.each<[EntityState | undefined, Command, number | 'absent', number]>([
    [live, { kind: 'delete' }, 3, 1],
    [undefined, update({ $set: { x: 1 } }, true), 'absent', 1],
    [tombstone, update({ $set: { x: 1 } }, true), 'absent', 1],
    [tombstone, { kind: 'restore', document: {} }, 4, 1],
    [tombstone, { kind: 'restore', document: {} }, 'absent', 1],
    [tombstone, { kind: 'delete' }, 'absent', 0],
  ])('not when the expected version is there (case %#)', (state, command, expectedVersion, eventCount) => {
    expect(decide(state, command, { ...context, expectedVersion }).length).toBe(eventCount)
  })
})
