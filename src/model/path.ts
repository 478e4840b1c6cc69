import { ParqueDBError, type ErrorCode } from '../base/ParqueDBError.ts'
import { isWellFormed, prototypeNames } from './well-formed.ts'

/** The names, or array indexes, from a document down to a field; never empty in what users write. */
export type FieldPath = readonly string[]

/** As deep as a document may be. */
const segmentCountMax = 100
/** Deeper than any document's own; the walks along a patch's path recurse. */
const patchSegmentCountMax = 256

/**
 * A dotted path as filters, updates, sorts and projections write it: 'author.name', 'tags.0'. A field whose own name holds a
 * dot cannot be addressed this way. Fails with `code` for an empty segment, a name of the prototype, a lone surrogate, or more than 100 segments.
 */
export function parseFieldPath(text: string, code: ErrorCode = 'INVALID_ARGUMENT'): FieldPath {
  const segments = text.split('.')
  if (segments.length > segmentCountMax) throw pathError(code, text.slice(0, 80), `has more than ${segmentCountMax} segments`)
  for (const segment of segments) {
    if (segment === '') throw pathError(code, text, 'has an empty segment')
    if (prototypeNames.has(segment)) throw pathError(code, text, `names '${segment}', which would reach the prototype`)
  }
  if (!isWellFormed(text)) throw pathError(code, text, 'holds a lone surrogate, which no stored name does')
  return segments
}

/** The same for a path that is to begin at a field: INVALID_ARGUMENT for '$a', which is how expressions write it and what no field is called. */
export function parsePathOfField(text: string): FieldPath {
  if (/^\$(?!(?:id|type)$)/.test(text)) throw pathError('INVALID_ARGUMENT', text, "begins with '$', as no field does; leave that out")
  return parseFieldPath(text)
}

/** The index that a segment stands for where an array is, else undefined: '0', '12', but not '01' or '-1'. */
export function parseArrayIndex(segment: string): number | undefined {
  return /^(?:0|[1-9]\d{0,8})$/.test(segment) ? Number(segment) : undefined
}

/** A patch's key: segments joined by '.', with '.' and '\' inside a segment escaped by '\'. */
export function encodePatchPath(segments: FieldPath): string {
  return segments.map((segment) => (/[.\\]/.test(segment) ? segment.replace(/[.\\]/g, '\\$&') : segment)).join('.')
}

/** The inverse of encodePatchPath. VALIDATION_FAILED for a stray '\', a name of the prototype, or more than 256 segments. */
export function decodePatchPath(text: string): FieldPath {
  const segments = text.includes('\\') ? splitEscaped(text) : text.split('.')
  if (segments.length > patchSegmentCountMax) throw pathError('VALIDATION_FAILED', text.slice(0, 80), `has more than ${patchSegmentCountMax} segments`)
  const reaching = segments.find((segment) => prototypeNames.has(segment))
  if (reaching !== undefined) throw pathError('VALIDATION_FAILED', text, `names '${reaching}', which would reach the prototype`)
  return segments
}

function splitEscaped(text: string): string[] {
  const segments = ['']
  for (const [token] of text.matchAll(/\\[.\\]|[.\\]|[^.\\]+/g)) {
    if (token === '\\') throw pathError('VALIDATION_FAILED', text, "has a '\\' that escapes neither '.' nor '\\'")
    if (token === '.') segments.push('')
    else segments.push(`${segments.pop()}${token.replace('\\', '')}`)
  }
  return segments
}

function pathError(code: ErrorCode, path: string, problem: string): ParqueDBError {
  return new ParqueDBError(code, `The path '${path}' ${problem}.`, { details: { path } })
}
