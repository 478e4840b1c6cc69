import { ParqueDBError } from '../base/ParqueDBError.ts'

/** Partitions that a token may name. */
const partitionsMax = 1000

/** What a session has seen, as text: the newest seq of each partition. */
export function encodeToken(seqs: ReadonlyMap<string, number>): string {
  return [...seqs].map(([partition, seq]) => `${partition}:${seq}`).join(',')
}

/** INVALID_ARGUMENT for what is not one. */
export function decodeToken(token: unknown): Map<string, number> {
  if (token === undefined || token === '') return new Map()
  const parts = typeof token === 'string' ? token.split(',').map((part) => /^([\w%+-]+):(\d{1,16})$/.exec(part)) : []
  if (parts.length === 0 || parts.length > partitionsMax || parts.includes(null)) throw new ParqueDBError('INVALID_ARGUMENT', 'The token is not one that a database gave.', { details: { option: 'token' } })
  return new Map(parts.map((match) => [match?.[1] ?? '', Number(match?.[2])]))
}
