import { ParqueDBError } from '../../base/ParqueDBError.ts'

/** "In the update, $inc on 'path' `problem`." */
export function invalidUpdate(operator: string, path: string, problem: string): ParqueDBError {
  const where = path === '' ? operator : `${operator} on '${path}'`
  return new ParqueDBError('INVALID_UPDATE', `In the update, ${where} ${problem}.`, { details: { operator, path } })
}
