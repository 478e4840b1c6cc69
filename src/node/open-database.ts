import { realpath } from 'node:fs/promises'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { ParqueDB } from '../db/ParqueDB.ts'
import { copyDatabase, type CopyInput, type CopyReport } from '../storage/copy-database.ts'
import { withEventSourcing, type EventSourcedBackend } from '../storage/EventSourcedBackend.ts'
import { FsBackend } from '../storage/backends/FsBackend.ts'
import { S3Backend } from '../storage/backends/S3Backend.ts'
import type { StorageBackend } from '../storage/storage-backend.ts'

/**
 * The store at a folder, or at `s3://bucket/prefix?endpoint=…&region=…` with AWS's own environment variables: AWS_ACCESS_KEY_ID,
 * AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, and, where the URL does not say them, AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, and AWS_REGION or
 * AWS_DEFAULT_REGION. INVALID_ARGUMENT when the URL is none or a key is missing.
 */
function storageAt(location: string): StorageBackend {
  if (!/^\w[\w+.-]*:\/\//.test(location)) return new FsBackend(location)
  const refuse = (why: string): never => {
    throw new ParqueDBError('INVALID_ARGUMENT', `'${location.replace(/\/\/[^@/]*@/, '//')}' is no place of a database: ${why}. Name a folder, or s3://bucket/prefix?endpoint=https://host&region=name.`, { details: { location: 'url' } })
  }
  if (!location.startsWith('s3://') || !URL.canParse(location)) return refuse('it is no URL that begins with s3://')
  const { hostname, pathname, searchParams, username } = new URL(location)
  const unknown = [...searchParams.keys()].find((name) => name !== 'endpoint' && name !== 'region')
  if (unknown !== undefined || username !== '') return refuse(unknown === undefined ? 'keys belong in the environment' : `it has the parameter ${unknown}`)
  const env = (...names: readonly string[]): string | undefined => names.map((name) => process.env[name]).find((value) => value !== undefined && value !== '')
  const accessKeyId = env('AWS_ACCESS_KEY_ID') ?? refuse('AWS_ACCESS_KEY_ID is not set')
  const secretAccessKey = env('AWS_SECRET_ACCESS_KEY') ?? refuse('AWS_SECRET_ACCESS_KEY is not set')
  const sessionToken = env('AWS_SESSION_TOKEN')
  return new S3Backend({
    bucket: hostname,
    prefix: decodeURIComponent(pathname).replaceAll(/^\/+|\/+$/g, ''),
    endpoint: searchParams.get('endpoint') ?? env('AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'),
    region: searchParams.get('region') ?? env('AWS_REGION', 'AWS_DEFAULT_REGION'),
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
  })
}

/** True when a database is there: the object that each one begins with. */
export async function isDatabase(location: string): Promise<boolean> {
  return (await storageAt(location).stat('FORMAT')) !== undefined
}

/** The database in a folder or bucket, to read along while another process may write. NOT_FOUND when there is none; nothing is created. */
export async function openToRead(location: string): Promise<ParqueDB> {
  if (!(await isDatabase(location))) throw new ParqueDBError('NOT_FOUND', `There is no database in ${location}. Check the path; the first write there makes one.`, { details: { location } })
  return new ParqueDB({ storage: storageAt(location), readOnly: true })
}

/**
 * The database in a folder or bucket as its one writer, made where there is none. WRITER_LOCKED on first use when another process has the
 * role in a folder; in a bucket the role is taken over.
 */
export function openToWrite(location: string): ParqueDB {
  return new ParqueDB({ storage: storageAt(location) })
}

/** The event-sourced store of such a database, for who appends events with times of their own. */
export function openEngine(location: string, options: { readOnly?: boolean } = {}): EventSourcedBackend {
  return withEventSourcing(storageAt(location), options)
}

/** What lies under a name in a folder or bucket. */
export function locationBelow(location: string, name: string): string {
  const [path = '', query] = location.split('?', 2)
  return `${path.replace(/\/+$/, '')}/${path.startsWith('s3://') ? encodeURIComponent(name) : name}${query === undefined ? '' : `?${query}`}`
}

export interface CopyPlaces extends Pick<CopyInput, 'place'> {
  readonly from: string
  readonly to: string
}

/** As `copyDatabase`, between two places. INVALID_ARGUMENT where they are one. */
export async function copyBetween({ from, to, ...rest }: Pick<CopyInput, 'signal' | 'onProgress'> & CopyPlaces): Promise<CopyReport> {
  const [source, target] = await Promise.all([from, to].map((location) => realpath(location).catch(() => location.replace(/\/+(?=\?|$)/, ''))))
  if (source === target) throw new ParqueDBError('INVALID_ARGUMENT', `A database is no copy of itself: ${from} and ${to} are one place.`, { details: { from, to } })
  return copyDatabase({ ...rest, from: storageAt(from), to: storageAt(to) })
}
