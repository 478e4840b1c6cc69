import { describe, expect, test } from 'vitest'
import type { StoredEvent } from '../model/event.ts'
import { Overlay } from './Overlay.ts'

function event(seq: number, of: Partial<StoredEvent>): StoredEvent {
  const base = { seq, ts: seq * 10, eventId: `e${seq}`, op: 'CREATE' as const, ns: 'n', id: 'a', version: 1, after: {}, patch: undefined, actor: undefined, txId: undefined, metadata: undefined, state: undefined }
  return { ...base, ...of }
}

function filled(): Overlay {
  const overlay = new Overlay({ flushedSeq: 0, flushedTs: 0 })
  overlay.add(event(1, { after: { v: 1 } }), { bytes: 10 })
  overlay.add(event(2, { id: 'b', after: { v: 2 }, txId: 't' }), { bytes: 10 })
  overlay.add(event(3, { op: 'UPDATE', version: 2, after: undefined, patch: { set: { v: 3 } } }), { bytes: 10 })
  return overlay
}

describe('Overlay', () => {
  test('gives the newest state at or before a seq or a time', () => {
    const overlay = filled()
    const key = { ns: 'n', id: 'a' }
    expect(overlay.state(key, { seq: 3 })?.document).toEqual({ v: 3 })
    expect(overlay.state(key, { seq: 2 })?.document).toEqual({ v: 1 })
    expect(overlay.state(key, { seq: 3, asOf: { ts: 29 } })?.document).toEqual({ v: 1 })
    expect(overlay.state(key, { seq: 3, asOf: { ts: 9 } })).toBeUndefined()
  })

  test('what a flush leaves begins after it, and the old overlay stays as it was', () => {
    const overlay = filled()
    const rest = overlay.after({ flushedSeq: 2, flushedTs: 20 })
    expect([...rest.events({ from: 1, to: 9 })].map(({ seq }) => seq)).toEqual([3])
    expect(rest.state({ ns: 'n', id: 'a' }, { seq: 3 })?.document).toEqual({ v: 3 })
    expect(rest.newest({ ns: 'n', id: 'b' })).toBeUndefined()
    expect(overlay.eventCount).toBe(3)
    expect(rest.bytes).toBe(10)
  })

  test('finds events by id and by transaction', () => {
    const overlay = filled()
    expect(overlay.eventById('e3')?.seq).toBe(3)
    expect(overlay.eventsOfTx('t').map(({ seq }) => seq)).toEqual([2])
    expect(overlay.eventsOfTx('other')).toEqual([])
  })

  test('refuses a gap in seq and a step back in time', () => {
    const overlay = filled()
    expect(() => overlay.add(event(5, { id: 'c' }), { bytes: 1 })).toThrow('I3')
    expect(() => overlay.add(event(4, { id: 'c', ts: 1 }), { bytes: 1 })).toThrow('I4')
  })
})
