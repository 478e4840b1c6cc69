import { expect, test } from 'vitest'
import { isParqueDBError, ParqueDBError } from './ParqueDBError.ts'

test('an error survives a trip through JSON', () => {
  const error = new ParqueDBError('VERSION_CONFLICT', 'posts/a is at 3.', { details: { $id: 'posts/a', expected: 2, found: 3 } })
  const back = ParqueDBError.fromJSON(JSON.parse(JSON.stringify(error)) as ReturnType<ParqueDBError['toJSON']>)
  expect(back).toBeInstanceOf(ParqueDBError)
  expect(back).toMatchObject({ code: 'VERSION_CONFLICT', message: 'posts/a is at 3.', details: { $id: 'posts/a', expected: 2, found: 3 } })
})

test('is told apart by its code, also when it comes from another copy of the package', () => {
  const foreign = Object.assign(new Error('x'), { name: 'ParqueDBError', code: 'NOT_FOUND' })
  expect(isParqueDBError(foreign, 'NOT_FOUND')).toBe(true)
  expect(isParqueDBError(foreign, 'CLOSED')).toBe(false)
  expect(isParqueDBError(new Error('x'))).toBe(false)
  expect(isParqueDBError('NOT_FOUND')).toBe(false)
})
