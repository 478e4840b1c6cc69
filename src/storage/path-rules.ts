import { ParqueDBError } from '../base/ParqueDBError.ts'
import { utf8Encode } from '../base/bytes.ts'

/** Leaves room for a temporary name's additions below the 255 bytes of common file systems. */
const segmentBytesMax = 200
/** R2 and S3 take keys of 1,024 bytes. */
const pathBytesMax = 1000
/** Names that a backend keeps for itself: no object has one, and no listing shows one. */
export const reservedNamePrefix = '.parquedb-'

/** What nearly all paths are; short enough that no segment can be too long. Looked at first, because it is quick. */
const plainPath = /^(?:[\w-](?:[\w.-]*[\w-])?\/)*[\w-](?:[\w.-]*[\w-])?$/

/**
 * Refuses (INVALID_ARGUMENT, with the path and the rule) a path that is not relative, '/'-separated, and safe and
 * distinct on every store: no empty, '.' or '..' segment; no NUL or other control character, backslash or colon (a
 * drive, an NTFS stream); no segment that ends in '.' or ' ' (Windows drops them); Unicode in form NFC without lone
 * surrogates (macOS holds two forms of a name as one); segments up to 200 and paths up to 1,000 bytes of UTF-8.
 */
export function validatePath(path: string): void {
  const problem = brokenPathRule(path)
  if (problem !== undefined) throw invalidPath('path', path, problem)
}

/** As `validatePath`, for the beginning of a path: it may be empty and may end inside a segment or with '/'. */
export function validatePrefix(prefix: string): void {
  const problem = brokenTextRule(prefix) ?? brokenSegmentRule(prefix.split('/').slice(0, -1))
  if (problem !== undefined) throw invalidPath('prefix', prefix, problem)
}

/** What `validatePath` would refuse it for; undefined when it would accept it. */
export function brokenPathRule(path: string): string | undefined {
  if (typeof path === 'string' && path.length <= segmentBytesMax && plainPath.test(path)) return undefined
  return brokenTextRule(path) ?? brokenSegmentRule(path.split('/'))
}

function brokenTextRule(text: string): string | undefined {
  if (typeof text !== 'string') return 'it must be a string'
  if (text.startsWith('/')) return "it must be relative, without a leading '/'"
  if (text.includes('\\')) return "it must be separated by '/', without a backslash"
  if (text.includes(':')) return 'it must not hold a colon (a drive letter or an NTFS stream)'
  if (/\p{Cc}/u.test(text)) return 'it must not hold a control character'
  if (/\p{Cs}/u.test(text)) return 'it must not hold half of a surrogate pair'
  if (text.normalize('NFC') !== text) return 'it must be in Unicode form NFC (path.normalize())'
  if (utf8Encode(text).length > pathBytesMax) return `it must not be longer than ${pathBytesMax} bytes of UTF-8`
  return undefined
}

function brokenSegmentRule(segments: readonly string[]): string | undefined {
  for (const segment of segments) {
    if (segment === '') return 'no segment may be empty'
    if (segment === '.' || segment === '..') return `no segment may be '${segment}'`
    if (segment.endsWith('.') || segment.endsWith(' ')) return "no segment may end in '.' or ' '"
    if (segment.startsWith(reservedNamePrefix)) return `no segment may begin with '${reservedNamePrefix}', which the backend keeps for itself`
    if (utf8Encode(segment).length > segmentBytesMax) return `no segment may be longer than ${segmentBytesMax} bytes of UTF-8`
  }
  return undefined
}

function invalidPath(what: 'path' | 'prefix', text: unknown, rule: string): ParqueDBError {
  const shown = JSON.stringify(typeof text === 'string' ? text.slice(0, pathBytesMax) : String(text))
  return new ParqueDBError('INVALID_ARGUMENT', `The ${what} ${shown} is not a storage ${what}: ${rule}.`, { details: { [what]: text, rule } })
}
