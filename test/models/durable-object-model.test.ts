import { describe, expect, test } from 'vitest'
import { durableObjectModel, type ObjectVariant } from './durable-object-model.ts'
import { explore } from './explore.ts'

const stateCountMax = 500_000
const timeout = 60_000

test('a Durable Object that is moved, ends, hears nothing, and whose log is put back, loses and doubles nothing', { timeout }, () => {
  const found = explore(durableObjectModel('good'), stateCountMax)
  expect(found.violation).toBeUndefined()
  expect(found.stateCount).toBeGreaterThan(3000)
})

describe('the model catches', () => {
  const violationOf = (variant: ObjectVariant): string | undefined => explore(durableObjectModel(variant), stateCountMax).violation?.text

  test('a head that is replaced whatever stands there', () => {
    expect(violationOf('no-compare')).toMatch(/^D1/)
  })
  test('a log that is trimmed before the head names the file', () => {
    expect(violationOf('trim-early')).toBe('D2: the acknowledged event 1 is lost')
  })
  test('files that are deleted while an older instance may still name them', () => {
    expect(violationOf('sweep-early')).toMatch(/^D3/)
  })
  test('a swap without an answer that is taken for not done', () => {
    expect(violationOf('no-read-back')).toMatch(/^D1/)
  })
  test('a log that goes on before it was compared with the head, or from a head of another history', () => {
    expect(violationOf('look-late')).toMatch(/^D/)
  })
})
