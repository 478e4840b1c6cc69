import { expect, test } from 'vitest'
import { damages, emptyTally, readAll, smallDatabase, tryDamage, verifyFinds } from './bit-rot.ts'

// Every 307th damage of `npm run bit-rot`, which tries all of them.
const every = 307

test('a damaged database gives the right answer or says which file is damaged, and where', { timeout: 300_000 }, async () => {
  const files = await smallDatabase()
  const expected = await readAll(files, { readOnly: true })
  const tally = emptyTally()
  for (const damage of damages(files, every)) await tryDamage(files, damage, { expected, tally, nowMs: () => 0 })
  expect(tally.violations).toEqual([])
  expect(tally.refused).toBeGreaterThan(500)
})

test('verify finds damage of every kind in every file that is in use', async () => {
  const files = await smallDatabase()
  const newest = [...files.keys()].filter((path) => path.startsWith('manifest/')).toSorted().at(-1) ?? ''
  const inUse = new RegExp(`^(events|archive|entities|edges|log)/|^epoch/0*3$|^${newest}$`)
  const missed: string[] = []
  let count = 0
  for (const damage of damages(files, every)) {
    if (!inUse.test(damage.path)) continue
    count++
    if (!(await verifyFinds(files, damage))) missed.push(`${damage.path}, ${damage.what}`)
  }
  expect(missed).toEqual([])
  expect(count).toBeGreaterThan(80)
})
