import fc from 'fast-check'
import { afterEach, expect, test, vi } from 'vitest'
import { exhaust } from '../base/exhaust.ts'
import { Arena } from './Arena.ts'
import * as withZlib from './codecs.ts'

const refusal = /of the size that its header says|than its bytes can expand to/

afterEach(() => {
  vi.unstubAllGlobals()
  vi.resetModules()
})

/** The codecs of a runtime that has zlib, and of one that has not. */
async function bothCodecs(): Promise<(typeof withZlib)[]> {
  vi.resetModules()
  vi.stubGlobal('process', { ...process, getBuiltinModule: undefined })
  const without = await import('./codecs.ts')
  const { nodeZlib } = await import('../base/node-zlib.ts')
  expect(nodeZlib).toBe(undefined)
  return [withZlib, without]
}

test('a gzip page is read alike by Node.js and by a runtime without its zlib, whoever wrote it', async () => {
  const codecs = await bothCodecs()
  const pages = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.integer({ min: 1, max: 1000 })).map(([part, times]) => Uint8Array.from({ length: part.length * times }, (_, at) => part[at % part.length] as number)))
  fc.assert(
    fc.property(pages, fc.nat(), (page, at) => {
      for (const writer of codecs) {
        const bytes = exhaust(writer.compressorOf('gzip').compress(page))
        expect(bytes.constructor).toBe(Uint8Array)
        const damaged = bytes.map((byte, index) => (index === at % (bytes.length - 8) ? byte ^ 0x55 : byte))
        for (const { decompress } of codecs) {
          expect(decompress('gzip', bytes, { size: page.length, memory: new Arena() })).toEqual(page)
          for (const size of [page.length + 1, page.length - 1]) expect(() => decompress('gzip', bytes, { size, memory: new Arena() })).toThrow(refusal)
          // What is damaged is found by the checksum before; here it must only end, and in no more bytes than were announced.
          try {
            expect(decompress('gzip', damaged, { size: page.length, memory: new Arena() })).toHaveLength(page.length)
          } catch (error) {
            expect(error).toMatchObject({ message: expect.stringMatching(refusal) as string })
          }
        }
      }
    }),
    { numRuns: 60 },
  )
})
