import { crc32 as zlibCrc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import { crc32 } from './crc32.ts'
import { utf8Encode } from './bytes.ts'
import { seededRandom } from './random.ts'

test('is the CRC-32 of zlib, at every length and alignment', () => {
  expect(crc32(utf8Encode('123456789'))).toBe(0xcbf43926)
  const bytes = seededRandom(3).bytes(300)
  for (let start = 0; start < 9; start++) {
    for (let end = start; end <= 300; end += 7) expect(crc32(bytes.subarray(start, end))).toBe(zlibCrc32(bytes.subarray(start, end)))
  }
})

test('goes on from the checksum of what came before', () => {
  const bytes = seededRandom(4).bytes(100)
  expect(crc32(bytes.subarray(33), crc32(bytes.subarray(0, 33)))).toBe(crc32(bytes))
})
