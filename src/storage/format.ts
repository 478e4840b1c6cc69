import { utf8Decode, utf8Encode } from '../base/bytes.ts'
import { isParqueDBError, ParqueDBError } from '../base/ParqueDBError.ts'
import type { StorageBackend } from './storage-backend.ts'

const path = 'FORMAT'
/** Raised when an older reader would misread what this one writes. */
const formatNumber = 1
const formatBytesMax = 4096

/** Creates FORMAT in an empty place. One that is there already is left as it is. */
export async function createFormat(backend: StorageBackend): Promise<void> {
  try {
    await backend.put(path, utf8Encode(`${JSON.stringify({ format: formatNumber, minReader: formatNumber, features: [] })}\n`), { ifAbsent: true })
  } catch (error) {
    if (!isParqueDBError(error, 'PRECONDITION_FAILED')) throw error
  }
}

/** False when there is no database here; UNSUPPORTED_FORMAT when this version cannot read what is. */
export async function checkFormat(backend: StorageBackend): Promise<boolean> {
  const info = await backend.stat(path)
  if (info === undefined) return false
  const damaged = (cause?: unknown): ParqueDBError => new ParqueDBError('CORRUPT_FILE', `${path} is damaged. Restore it from a backup; its content is one line of JSON.`, { details: { path, offset: 0 }, cause })
  if (info.sizeBytes > formatBytesMax) throw damaged()
  let json: { format?: unknown; minReader?: unknown; features?: unknown }
  try {
    json = JSON.parse(utf8Decode(await backend.read(path))) as typeof json
  } catch (cause) {
    throw isParqueDBError(cause) ? cause : damaged(cause)
  }
  const { minReader, features } = json
  if (typeof minReader !== 'number' || !Array.isArray(features)) throw damaged()
  if (minReader > formatNumber || features.length > 0) {
    throw new ParqueDBError('UNSUPPORTED_FORMAT', `This database was written in format ${String(json.format)} (features: ${features.join(', ') || 'none'}); this version of ParqueDB reads up to format ${formatNumber}. Use a newer version.`, { details: { path, offset: 0, format: json.format, features } })
  }
  return true
}
