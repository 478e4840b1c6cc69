import { describe, expect, test } from 'vitest'
import { crc32 } from '../base/crc32.ts'
import { toHex } from '../base/bytes.ts'
import type { LogFrame } from './append-log.ts'
import { decodeFrame, encodeFrames, frameSizeAt } from './frame.ts'

const one: LogFrame = { epoch: 3, firstSeq: 0x1_0000_0002, count: 5, payload: Uint8Array.of(0xaa, 0xbb) }
const two: LogFrame = { epoch: 3, firstSeq: 0x1_0000_0007, count: 1, payload: new Uint8Array(0) }

describe('encodeFrames', () => {
  test('lays a frame out as the format says', () => {
    const { bytes, chain } = encodeFrames([one], 0x01020304)
    const covered = ['03000000', '0200000001000000', '05000000', '04030201', 'aabb'].join('')
    const crc = crc32(Uint8Array.from(covered.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)))
    const crcField = toHex(Uint8Array.of(crc, crc >>> 8, crc >>> 16, crc >>> 24))
    expect(toHex(bytes)).toBe(`02000000${crcField}${covered}`)
    expect(chain).toBe(crc)
  })
  test('chains each frame to the crc32 of the one before, and marks what one append wrote together', () => {
    const { bytes, chain } = encodeFrames([one, two], 7)
    const first = decodeFrame(bytes, 0)
    const second = decodeFrame(bytes, 30)
    expect(first).toMatchObject({ frame: one, chain: 7, sizeBytes: 30, continuesAppend: false })
    expect(second).toMatchObject({ frame: two, chain: first?.crc, crc: chain, sizeBytes: 28, continuesAppend: true })
    const next = decodeFrame(encodeFrames([two], chain).bytes, 0)
    expect(next).toMatchObject({ chain, continuesAppend: false })
  })
  test('refuses a payload over 64 MiB and says how large it is', () => {
    const frame = { epoch: 1, firstSeq: 9, count: 2, payload: new Uint8Array(64 * 1024 * 1024 + 1) }
    expect(() => encodeFrames([frame], 0)).toThrow(
      expect.objectContaining({ code: 'LIMIT_EXCEEDED', details: { firstSeq: 9, count: 2, payloadBytes: 67_108_865, payloadBytesMax: 67_108_864 } }),
    )
  })
  test.each([
    ['an epoch of 0', { ...one, epoch: 0 }],
    ['an epoch over 32 bits', { ...one, epoch: 2 ** 32 }],
    ['no events', { ...one, count: 0 }],
    ['a count over 31 bits', { ...one, count: 2 ** 31 }],
    ['seq 0', { ...one, firstSeq: 0 }],
    ['a seq past the safe integers', { ...one, firstSeq: Number.MAX_SAFE_INTEGER }],
  ])('takes %s for a bug', (_, frame) => {
    expect(() => encodeFrames([frame], 0)).toThrow('Broken invariant')
  })
})

describe('decodeFrame', () => {
  const { bytes } = encodeFrames([one, two], 7)

  test('gives nothing for a frame that is cut anywhere', () => {
    for (let end = 0; end < 30; end++) expect(decodeFrame(bytes.subarray(0, end), 0)).toBeUndefined()
    expect(decodeFrame(bytes.subarray(0, 30), 0)?.frame).toEqual(one)
  })
  test('gives nothing for a frame with any one bit flipped', () => {
    for (let bit = 0; bit < 30 * 8; bit++) {
      const flipped = bytes.slice()
      flipped[bit >>> 3] = (flipped[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
      expect(decodeFrame(flipped, 0)).toBeUndefined()
    }
  })
  test('gives nothing for zeros', () => {
    expect(decodeFrame(new Uint8Array(100), 0)).toBeUndefined()
  })
  test('reads at an offset within a larger buffer', () => {
    const padded = new Uint8Array(100)
    padded.set(bytes, 20)
    expect(decodeFrame(padded.subarray(5), 15)?.frame).toEqual(one)
    expect(decodeFrame(padded.subarray(5), 45)?.frame).toEqual(two)
  })
})

test('frameSizeAt gives nothing for a length over the limit', () => {
  const bytes = new Uint8Array(28)
  new DataView(bytes.buffer).setUint32(0, 64 * 1024 * 1024, true)
  expect(frameSizeAt(bytes, 0)).toBe(67_108_892)
  new DataView(bytes.buffer).setUint32(0, 64 * 1024 * 1024 + 1, true)
  expect(frameSizeAt(bytes, 0)).toBeUndefined()
})
