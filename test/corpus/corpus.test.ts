import { afterAll, describe, expect, test } from 'vitest'
import { doors } from './corpus.ts'
import { Tally } from './Tally.ts'

describe('the corpus of hostile input', () => {
  let cases = 0
  test.each(Object.entries(doors))('%s', { timeout: 120_000 }, async (_, tryDoor) => {
    const tally = new Tally()
    await tryDoor(tally)
    cases += tally.cases
    expect(tally.wrong).toEqual([])
  })
  afterAll(() => expect(cases).toBeGreaterThan(500))
})
