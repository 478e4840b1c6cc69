import { describe, expect, test } from 'vitest'
import { doors } from './corpus.ts'
import { Tally } from './Tally.ts'

describe('the corpus of hostile input', () => {
  let cases = 0
  for (const { name, run } of doors.filter(({ shared }) => shared === undefined)) {
    test(`input at a door: ${name}`, { timeout: 120_000 }, async () => {
      const tally = new Tally()
      await run(tally)
      cases += tally.cases
      expect(tally.wrong).toEqual([])
    })
  }
  test('has at least 500 cases of our own', () => expect(cases).toBeGreaterThanOrEqual(500))
})
