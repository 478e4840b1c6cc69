import { describe, expect, test } from 'vitest'
import { utf8Encode } from '../base/bytes.ts'
import { edgeKey } from '../model/edge.ts'
import type { EntityState } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import { decodePayload, encodeEvents, joinPayload } from './log-payload.ts'

const where = { path: 'log/x.log', offset: 31 }
const plain = { ts: 5, version: 1, after: undefined, patch: undefined, actor: undefined, txId: undefined, metadata: undefined, state: undefined }
const state: EntityState = { id: 'a', version: 2, seq: 8, createdAt: 1, createdBy: 'ada', updatedAt: 5, updatedBy: 'bob', deletedAt: undefined, document: { n: 1 } }

function roundTrip(events: readonly StoredEvent[]): StoredEvent[] {
  return decodePayload({ epoch: 1, firstSeq: 7, count: events.length, payload: joinPayload(events.map((event) => encodeEvents([event]))) }, where)
}

function decode(text: string | Uint8Array, count = 1): StoredEvent[] {
  return decodePayload({ epoch: 1, firstSeq: 1, count, payload: typeof text === 'string' ? utf8Encode(text) : text }, where)
}

describe('the events of a frame', () => {
  test('come back as they were: changes of each kind, with a snapshot and without', () => {
    const events: StoredEvent[] = [
      { ...plain, seq: 7, eventId: 'e7', op: 'UPDATE', ns: 'n', id: 'a', patch: { set: { big: 2n ** 60n } }, actor: 'bob', txId: 't', metadata: { why: new Date(3) } },
      { ...plain, seq: 8, eventId: 'e8', op: 'UPDATE', ns: 'n', id: 'a', version: 2, patch: { unset: ['x'] }, state },
      { ...plain, seq: 9, eventId: 'e9', op: 'DELETE', ns: 'n', id: 'a', version: 3, state: { ...state, version: 3, seq: 9, createdBy: undefined, updatedBy: undefined, deletedAt: 5 } },
    ]
    expect(roundTrip(events)).toEqual(events)
  })
  test.each([
    { holding: 'nothing', after: {} },
    { holding: 'what only looks like a name of the prototype', after: { prototyped: 1 } },
    { holding: 'text with what is looked for', after: { text: 'the constructor costs $5 and \\u0041' } },
    { holding: 'what is wrapped', after: { at: new Date(5), list: [1n, 'x', -0] } },
    { holding: 'nothing to unwrap', after: { deep: { deeper: [{ n: 1.5, no: null }] } } },
  ])('bring documents back exactly: $holding', ({ after }) => {
    const [event] = roundTrip([{ ...plain, seq: 7, eventId: 'e7', op: 'CREATE', ns: 'n', id: 'a', after }])
    expect(event?.after).toEqual(after)
  })
  test('come back whatever characters their names and ids have', () => {
    const odd = 'a"b\\c\n\u2028ü😀'
    const events: StoredEvent[] = [{ ...plain, seq: 7, eventId: odd, op: 'DELETE', ns: 'ünï', id: odd, version: 2, actor: odd, txId: odd }]
    expect(roundTrip(events)).toEqual(events)
  })
  test('that make an entity or an edge bring its state along', () => {
    const edge = edgeKey({ from: { ns: 'n', id: 'a' }, predicate: 'likes', to: { ns: 'm', id: 'b' } })
    const [created, linked] = roundTrip([
      { ...plain, seq: 7, eventId: 'e7', op: 'CREATE', ns: 'n', id: 'a', after: { n: 1 } },
      { ...plain, seq: 8, eventId: 'e8', op: 'REL_CREATE', ...edge, after: { since: 1 } },
    ])
    expect(created?.state).toMatchObject({ id: 'a', version: 1, seq: 7, document: { n: 1 } })
    expect(linked).toMatchObject({ ...edge, after: { since: 1 }, state: { version: 1, seq: 8 } })
  })
})

describe('a frame with a right checksum', () => {
  test.each([
    ['is not JSON', 'nonsense', 1],
    ['is not JSON', Uint8Array.of(0xff), 1],
    ['whose event count is not the header\'s', '{"fold":1}', 1],
    ['whose event count is not the header\'s', '{"fold":1,"events":[]}', 1],
  ] as const)('that %s is CORRUPT_FILE with file and offset', (what, text, count) => {
    expect(() => decode(text, count)).toThrow(expect.objectContaining({ code: 'CORRUPT_FILE', message: expect.stringContaining(what) as string, details: where }) as Error)
  })
  test.each([
    ['a lone surrogate', '{"text":"\\ud800"}'],
    ['a name of the prototype', '{"constructor":1}'],
    ['a name of the prototype', '{"inside":{"__proto__":1}}'],
    ['an operator', '{"$inc":1}'],
  ])('that holds %s is refused, as nobody could have written it', (_what, after) => {
    expect(() => decode(`{"fold":1,"events":[{"id":"e","ts":1,"op":"CREATE","ns":"n","key":"a","version":1,"after":${after}}]}`)).toThrow(expect.objectContaining({ code: 'VALIDATION_FAILED' }) as Error)
  })
  test('of a version that folds events differently is UNSUPPORTED_FORMAT', () => {
    expect(() => decode('{"fold":9,"events":[{}]}')).toThrow(expect.objectContaining({ code: 'UNSUPPORTED_FORMAT', details: { ...where, fold: 9 } }) as Error)
  })
})
