import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { coveragePoints, simulate } from 'parquedb/testing'
import { bundledSimulator } from './bundled-simulator.ts'

/** Fewer than `npm run simulate` takes: enough to meet everything once. */
const steps = 90

const turn = (): Promise<void> => setImmediate()

test('a hundred and thirty simulated worlds, in which everything fails that can, see no promise broken', { timeout: 300_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'parquedb-simulate-'))
  // Of a bundle `npm run coverage` would not know which lines were met.
  const simulator = process.env['SIMULATE_IN_PLACE'] === undefined ? await bundledSimulator(folder) : { coveragePoints, simulate }
  await rm(folder, { recursive: true })
  const hits = new Set<string>()
  for (let seed = 1; seed <= 130; seed++) {
    const { coverage, violation } = await simulator.simulate({ seed, turn, steps })
    expect(violation?.message, `replay: npm run simulate -- --seed ${seed} --steps ${steps}`).toBeUndefined()
    for (const point of Object.keys(coverage)) hits.add(point)
  }
  expect(simulator.coveragePoints.filter((point) => !hits.has(point))).toEqual([])
})

test('a seed gives the same run twice', async () => {
  for (const seed of [7, 8]) {
    const first = await simulate({ seed, turn })
    const second = await simulate({ seed, turn })
    expect(second).toEqual(first)
    expect(first.events).toBeGreaterThan(0)
  }
})

test('different seeds give different runs', async () => {
  const hashes = new Set<string>()
  for (let seed = 10; seed < 13; seed++) hashes.add((await simulate({ seed, turn })).traceHash)
  expect(hashes.size).toBe(3)
})

test.each([
  ['a guest waited for itself: it had the role, and had not been told', 77_103],
  ['a write that replaced an edge gave what the next write had made', 80_128],
])('a world in which once %s', async (_, seed) => {
  const { violation } = await simulate({ seed, turn })
  expect(violation?.message).toBeUndefined()
})
