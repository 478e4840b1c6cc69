import { utf8Decode, utf8Encode } from '../base/bytes.ts'
import { isParqueDBError, ParqueDBError, translated } from '../base/ParqueDBError.ts'
import type { Random } from '../base/random.ts'
import { probeStore } from './probe.ts'
import { undefinedWhenAbsent } from './request-rules.ts'
import type { StorageBackend } from './storage-backend.ts'

const path = 'FORMAT'
/** Raised when an older reader would misread what this one writes. */
const formatNumber = 1
const formatBytesMax = 4096
/** What a reader must understand beside the format: 'edges', relationships in log, segments and runs. */
const knownFeatures: readonly string[] = ['edges']

/** What this version writes needs of a reader: the content of FORMAT, and part of each head, so that who has read that need not ask for this. */
export const formatWritten = { format: formatNumber, minReader: formatNumber, features: knownFeatures }

/**
 * Begins a database where there is none; an older one gets the features that this writer may use, so that older versions refuse it with a
 * reason. Stores without a log of their own are tried first; themselves, for `resolving` takes for done what is refused. UNSUPPORTED_FORMAT.
 */
export async function prepareFormat(backend: StorageBackend, stores: ReadonlySet<StorageBackend>, random: Random): Promise<void> {
  const format = utf8Encode(`${JSON.stringify(formatWritten)}\n`)
  const found = await readFormat(backend)
  if (found !== undefined) return void (found.features.length === 0 && (await backend.put(path, format)))
  for (const store of stores) if (store.openLog === undefined) await probeStore(store, random)
  await backend.put(path, format, { ifAbsent: true }).catch((error: unknown) => {
    // Another writer was quicker.
    if (!isParqueDBError(error, 'PRECONDITION_FAILED')) throw error
  })
}

/** False when there is no database here; UNSUPPORTED_FORMAT when this version cannot read what is. */
export async function checkFormat(backend: StorageBackend): Promise<boolean> {
  return (await readFormat(backend)) !== undefined
}

async function readFormat(backend: StorageBackend): Promise<{ features: readonly unknown[] } | undefined> {
  // One request; the byte past the limit tells that there is more.
  const bytes = await backend.readRange(path, { start: 0, end: formatBytesMax + 1 }).catch(undefinedWhenAbsent)
  if (bytes === undefined) return undefined
  const damaged = (cause?: unknown): ParqueDBError => new ParqueDBError('CORRUPT_FILE', `${path} is damaged. Restore it from a backup; its content is one line of JSON.`, { details: { path, offset: 0 }, cause })
  if (bytes.length > formatBytesMax) throw damaged()
  const json = translated(() => JSON.parse(utf8Decode(bytes)) as Parameters<typeof isReadable>[0], damaged)
  if (!isReadable(json)) throw damaged()
  return { features: json.features as readonly unknown[] }
}

/** False for what is no format; UNSUPPORTED_FORMAT for one that this version cannot read. */
export function isReadable({ format, minReader, features }: { format?: unknown; minReader?: unknown; features?: unknown }): boolean {
  if (typeof minReader !== 'number' || !Array.isArray(features)) return false
  if (minReader > formatNumber || features.some((feature: unknown) => !knownFeatures.includes(String(feature)))) {
    throw new ParqueDBError('UNSUPPORTED_FORMAT', `This database was written in format ${String(format)} (features: ${features.join(', ') || 'none'}); this version of ParqueDB reads up to format ${formatNumber}. Use a newer version.`, { details: { path, offset: 0, format, features } })
  }
  return true
}
