import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { build } from 'esbuild'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import wabt from 'wabt'
import { exhaust } from '../base/exhaust.ts'
import { crc32 } from '../base/crc32.ts'
import { byteArraysOfTexts, decodeDeltaBytes, decodeDeltaBytesAt, encodeDeltaBytes, textsOf } from './byte-arrays.ts'
import { Arena } from './Arena.ts'
import { ByteBuffer } from './ByteBuffer.ts'
import { ByteCursor } from './ByteCursor.ts'
import { decodeDelta, decodeDeltaAt, deltaMagnitudeMax, encodeDelta } from './delta-binary.ts'
import { runtime } from './kernels.ts'
import { decodeHybrid, encodeHybrid } from './rle-hybrid.ts'
import { SnappyCompressor, snappyDecompress } from './snappy.ts'
import { WasmKernels, useWasmKernels } from './WasmKernels.ts'
import { kernelsCode } from './wasm-code.ts'

const kernels = new WasmKernels()

/** What `work` gives with these kernels, or with none. */
function having<Result>(given: WasmKernels | null, work: () => Result): Result {
  const before = runtime.kernels
  runtime.kernels = given
  try {
    return work()
  } finally {
    runtime.kernels = before
  }
}

/** What a decoder gives, or says. */
function outcome<Out>(out: Out, decode: (out: Out) => unknown): Out | string {
  try {
    decode(out)
    return out
  } catch (error) {
    return String(error)
  }
}

test('the code is kernels.wat, compiled (npm run kernels)', async () => {
  const module = (await wabt()).parseWat('kernels.wat', readFileSync(new URL('kernels.wat', import.meta.url), 'utf8'), { simd: true })
  expect(Buffer.from(module.toBinary({}).buffer).toString('base64')).toBe(kernelsCode)
})

test('a process has them once somebody has said so', () => {
  expect(runtime.kernels).toBeNull()
  useWasmKernels()
  const { kernels: first } = runtime
  useWasmKernels()
  expect(first).toBeInstanceOf(WasmKernels)
  expect(runtime.kernels).toBe(first)
})

test.each([
  { flags: ['--jitless'], before: '', name: null },
  { flags: [], before: `WebAssembly.Module = function () { throw new WebAssembly.CompileError('disallowed by embedder') };`, name: null },
  { flags: [], before: '', name: 'WasmKernels' },
])('a process that may not make code from bytes goes on without them: $flags $before', async ({ flags, before, name }) => {
  const contents = `import { runtime } from './kernels.ts'; import { useWasmKernels } from './WasmKernels.ts'; ${before} useWasmKernels(); console.log(JSON.stringify(runtime.kernels?.constructor.name ?? null))`
  const { outputFiles } = await build({ stdin: { contents, resolveDir: import.meta.dirname, loader: 'ts' }, bundle: true, format: 'esm', platform: 'node', keepNames: true, write: false })
  expect(JSON.parse(execFileSync(process.execPath, [...flags, '--input-type=module', '-e', outputFiles[0]?.text ?? ''], { encoding: 'utf8' }))).toBe(name)
})

const damage = fc.option(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { freq: 3 })
/** One byte is another one, or the end is missing. */
function damaged(bytes: Uint8Array, [at, bits]: readonly [number, number]): Uint8Array {
  const copy = bytes.slice(0, bits === 255 ? at % bytes.length : bytes.length)
  const place = at % bytes.length
  if (place < copy.length) copy[place] = (copy[place] as number) ^ bits
  return copy
}

describe('a kernel and JavaScript give and refuse the same', () => {
  const parts = fc.array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 90 }), fc.integer({ min: 1, max: 60 })), { minLength: 1, maxLength: 30 })
  const pages = parts.map((pairs) => Uint8Array.from(pairs.flatMap(([part, repeats]) => new Array(repeats).fill([...part]).flat() as number[])))

  test('Snappy', () => {
    const compressor = new SnappyCompressor()
    let refused = 0
    fc.assert(
      fc.property(pages, damage, (bytes, change) => {
        const small = exhaust(compressor.compress(bytes))
        const given = change === null ? small : damaged(small, change)
        const [byKernel, byScript] = [kernels, null].map((kernel) => having(kernel, () => outcome(new Uint8Array(bytes.length), (out) => snappyDecompress(given, out))))
        if (typeof byScript === 'string') refused++
        expect(byKernel).toEqual(byScript)
        if (change === null) expect(byKernel).toEqual(bytes)
      }),
      { numRuns: 300 },
    )
    expect(refused).toBeGreaterThan(0)
  })

  test('deltas, of all values and of some', () => {
    const number = fc.oneof({ weight: 20, arbitrary: fc.integer({ min: -100, max: 1000 }) }, fc.integer(), fc.constantFrom(deltaMagnitudeMax, -deltaMagnitudeMax, 0))
    fc.assert(
      fc.property(fc.array(number, { minLength: 256, maxLength: 900 }), fc.array(fc.nat(), { maxLength: 9 }), fc.option(fc.nat(), { freq: 4 }), (numbers, places, cut) => {
        const out = new ByteBuffer()
        encodeDelta(numbers, numbers.length, out)
        // What follows is not theirs.
        const bytes = cut === null ? Uint8Array.of(...out.view(), 1, 2, 3) : out.view().slice(0, cut % out.length)
        const rows = Int32Array.from(new Set(places.map((place) => place % numbers.length))).toSorted()
        const ends: number[] = []
        const all = [kernels, null].map((kernel) =>
          having(kernel, () =>
            outcome(new Float64Array(numbers.length), (values) => {
              const cursor = new ByteCursor(bytes)
              decodeDelta(cursor, values)
              ends.push(cursor.at)
            }),
          ),
        )
        if (cut !== null) expect(all.map((each) => typeof each)).toEqual(['string', 'string'])
        else {
          expect(all).toEqual([Float64Array.from(numbers), Float64Array.from(numbers)])
          expect(ends).toEqual([out.length, out.length])
          for (const kernel of [kernels, null]) {
            const some = new Float64Array(rows.length)
            having(kernel, () => decodeDeltaAt(new ByteCursor(bytes), { count: numbers.length, rows }, some))
            expect(some).toEqual(Float64Array.from(rows, (row) => numbers[row] as number))
          }
        }
      }),
    )
  })

  test('small whole numbers, as Int32Array', () => {
    const lengths = Int32Array.from({ length: 1000 }, (_, index) => (index * 7919) % 61)
    const out = new ByteBuffer()
    encodeDelta(lengths, lengths.length, out)
    for (const kernel of [kernels, null]) {
      const back = new Int32Array(lengths.length)
      having(kernel, () => decodeDelta(new ByteCursor(out.view()), back))
      expect(back).toEqual(lengths)
    }
  })

  test('codes and levels', () => {
    const runs = fc.array(fc.tuple(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 1, max: 40 })), { minLength: 30, maxLength: 200 })
    let refused = 0
    fc.assert(
      fc.property(runs, fc.constantFrom(Uint8Array, Uint16Array), damage, (pairs, Type, change) => {
        const isWide = Type === Uint16Array
        const codes = Type.from(pairs.flatMap(([code, repeats]) => new Array<number>(repeats).fill(isWide ? code : code % 3)))
        const [width, greatest] = isWide ? [9, 300] : [2, 2]
        const out = new ByteBuffer()
        encodeHybrid(codes, { count: codes.length, width }, out)
        const given = change === null ? out.view() : damaged(out.view(), change)
        const [byKernel, byScript] = [kernels, null].map((kernel) => having(kernel, () => outcome(new Type(codes.length), (back) => decodeHybrid(given, { width, greatest }, back))))
        if (typeof byScript === 'string') refused++
        expect(byKernel).toEqual(byScript)
        if (change === null) expect(byKernel).toEqual(codes)
      }),
      { numRuns: 300 },
    )
    expect(refused).toBeGreaterThan(0)
  })
})

test('what is too large for them is expanded all the same', () => {
  const bytes = new Uint8Array(9 * 1024 * 1024).map((_, index) => index >>> 8)
  const small = exhaust(new SnappyCompressor().compress(bytes))
  expect(kernels.expandSnappy(small, 0, new Uint8Array(bytes.length))).toBeUndefined()
  expect(crc32(having(kernels, () => snappyDecompress(small, new Uint8Array(bytes.length))))).toBe(crc32(bytes))
})

test('some texts of many that share their beginnings are found without the others', () => {
  const rowsOf = (places: readonly number[], count: number): Int32Array => Int32Array.from(new Set(places.map((place) => place % count))).toSorted()
  const texts = fc.array(fc.tuple(fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 }), fc.constantFrom('', 'é', 'x')), { minLength: 1, maxLength: 120 }).map((pairs) => pairs.map((pair) => pair.join('')).toSorted())
  fc.assert(
    fc.property(texts, fc.array(fc.nat(), { minLength: 1, maxLength: 20 }), damage, (values, places, change) => {
      const out = new ByteBuffer()
      encodeDeltaBytes(byteArraysOfTexts(values), out)
      const rows = rowsOf(places, values.length)
      const options = { count: values.length, rows, sizeMax: 1e6, memory: new Arena() }
      const some = (bytes: Uint8Array): string[] => textsOf(decodeDeltaBytesAt(new ByteCursor(bytes), options), 0, rows.length)
      expect(some(out.view())).toEqual(Array.from(rows, (row) => values[row]))
      if (change === null) return
      // Damaged ones are refused, or read as those who read all of them do.
      const bytes = damaged(out.view(), change)
      const all = outcome([] as string[], (list) => list.push(...textsOf(decodeDeltaBytes(new ByteCursor(bytes), values.length, { sizeMax: 1e6, memory: new Arena() }), 0, values.length)))
      const few = outcome([] as string[], (list) => list.push(...some(bytes)))
      if (typeof all !== 'string') expect(few).toEqual(Array.from(rows, (row) => all[row]))
    }),
    { numRuns: 300 },
  )
})

test('a checksum is the same by the runtime and by ours', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), fc.integer({ min: 0, max: 0xffff_ffff }), (bytes, before) => {
      // What is short is ours.
      let own = before
      for (let at = 0; at < bytes.length; at += 100) own = crc32(bytes.subarray(at, at + 100), own)
      expect(own).toBe(crc32(bytes, before))
    }),
  )
})
