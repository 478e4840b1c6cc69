import { systemClock, type Clock } from '../base/clock.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { systemRandom, type Random } from '../base/random.ts'
import { checkFlag } from '../model/check-options.ts'
import type { RetentionOptions, RetentionPolicy } from '../model/database-options.ts'
import type { Codec } from '../parquet/codecs.ts'
import { defaultRowGroupBytes } from '../parquet/TableWriter.ts'
import type { StorageBackend } from './storage-backend.ts'

/** How an event-sourced backend behaves. Every field has a documented default; an unknown one is INVALID_ARGUMENT. */
export interface EngineOptions {
  /** An entity's events between two snapshots of it, at most: what a reconstruction folds. Default 100. */
  readonly autoSnapshotThreshold?: number
  /** Entity states kept from data files, least recently used out first. Default 1,000; 0 for none. */
  readonly maxCachedEntities?: number
  /** Memory for row groups that queries and point reads have read, with their decoded columns. Default 64 MiB; 0 for none. */
  readonly maxCachedColumnBytes?: number
  /** How long a cached state may serve. Default: until it is pushed out. */
  readonly cacheTtlMs?: number
  /** Another backend for the log and the epochs; default: the same one. */
  readonly log?: StorageBackend
  /** When the log is turned into Parquet in the background, whichever comes first; while more writes are waiting, at three times as many events or bytes. */
  readonly flush?: {
    /** Default 20,000 events. */
    readonly eventsMax?: number
    /** Log bytes. Default 16 MiB. */
    readonly bytesMax?: number
    /** Age of the oldest unflushed event, checked at commits. Default 10 minutes. */
    readonly ageMsMax?: number
  }
  readonly compaction?: {
    /** Merge runs in the background. Default true. */
    readonly background?: boolean
    /** Runs of one size class that are merged into one. Default 4, at least 2. */
    readonly fanIn?: number
    /**
     * How the pages of merged files are compressed: 'gzip' takes a fifth less room for states and a third less for history than 'snappy'. Scans then take a tenth to a third more
     * of the processor, and the merge that changes the codec three times as much. What a flush writes is Snappy until it is merged. Default: what the
     * merged files have, gzip where one of them is gzip.
     */
    readonly codec?: Codec
    /** With `schedule`: rows that one `maintain()` merges before it asks for another; the merge goes on there. Default: all. */
    readonly sliceRowsMax?: number
  }
  /** What becomes of old events, and where. Default: all are kept. */
  readonly retention?: RetentionOptions
  /** When states are kept as they are, so that queries about the past start there; looked at with each flush. Default: only when `checkpoint()` is called. */
  readonly checkpoints?: {
    readonly everyMs?: number
    readonly everyEvents?: number
    /** The newest ones that stay, 1 to 64. Default 8. */
    readonly keep?: number
  }
  /** How long a file that no manifest names stays for readers in other processes. Default 60,000. */
  readonly graceMs?: number
  /** A follower: it takes no writer role, writes are READ_ONLY, and reads are at most `followMs` behind the writer. Default false. */
  readonly readOnly?: boolean
  /**
   * Several processes of this machine and user write: the first has the writer role, the others send it what they decide, and one of them takes over when it
   * ends. All of them need it. Default false.
   */
  readonly share?: boolean
  /** How old a follower's view may be when a read begins. Default 100; 0 with `share`. */
  readonly followMs?: number
  /**
   * Also keeps the head with the files when `log` is another backend, replaced by compare-and-swap: so that readers who see the files alone have what is flushed. Only
   * one log at a time may publish there. Default false.
   */
  readonly headWithFiles?: boolean
  /** Called with the time (milliseconds) at which `maintain()` is wanted next: flushes and merges are then done by that, and by nothing else. Default: they are done by themselves. */
  readonly schedule?: (atMs: number) => void
  /** What a row group of a data file takes, and so what a point read fetches: larger ones scan faster, smaller ones are fetched sooner. Default 64 KiB, at most 16 MiB. */
  readonly rowGroupBytes?: number
  /** Sparse indexes of data files kept in memory. Default 64 MiB. */
  readonly indexBytesMax?: number
  readonly clock?: Clock
  readonly random?: Random
}

/** All of them, where there are no defaults also undefined. */
export type ResolvedOptions = Readonly<ReturnType<typeof resolveOptions>>

/** Fills in the defaults; INVALID_ARGUMENT names the option that is unknown or out of its range. */
export function resolveOptions(options: EngineOptions) {
  const resolved = {
    autoSnapshotThreshold: wholeNumber(options.autoSnapshotThreshold, { name: 'autoSnapshotThreshold', fallback: 100, least: 1 }),
    maxCachedEntities: wholeNumber(options.maxCachedEntities, { name: 'maxCachedEntities', fallback: 1000, least: 0 }),
    maxCachedColumnBytes: wholeNumber(options.maxCachedColumnBytes, { name: 'maxCachedColumnBytes', fallback: 64 * 1024 * 1024, least: 0 }),
    cacheTtlMs: wholeNumber(options.cacheTtlMs, { name: 'cacheTtlMs', fallback: Number.POSITIVE_INFINITY, least: 0 }),
    log: options.log,
    flush: {
      eventsMax: wholeNumber(options.flush?.eventsMax, { name: 'flush.eventsMax', fallback: 20_000, least: 1 }),
      bytesMax: wholeNumber(options.flush?.bytesMax, { name: 'flush.bytesMax', fallback: 16 * 1024 * 1024, least: 1 }),
      ageMsMax: wholeNumber(options.flush?.ageMsMax, { name: 'flush.ageMsMax', fallback: 600_000, least: 0 }),
    },
    compaction: {
      background: options.compaction?.background === undefined || checkFlag(options.compaction.background, 'compaction.background'),
      fanIn: wholeNumber(options.compaction?.fanIn, { name: 'compaction.fanIn', fallback: 4, least: 2 }),
      codec: codecOf(options.compaction?.codec),
      sliceRowsMax: wholeNumber(options.compaction?.sliceRowsMax, { name: 'compaction.sliceRowsMax', fallback: Number.POSITIVE_INFINITY, least: 1 }),
    },
    retention: resolveRetention(options.retention ?? {}),
    checkpoints: {
      everyMs: wholeNumber(options.checkpoints?.everyMs, { name: 'checkpoints.everyMs', fallback: Number.POSITIVE_INFINITY, least: 1 }),
      everyEvents: wholeNumber(options.checkpoints?.everyEvents, { name: 'checkpoints.everyEvents', fallback: Number.POSITIVE_INFINITY, least: 1 }),
      keep: Math.min(wholeNumber(options.checkpoints?.keep, { name: 'checkpoints.keep', fallback: 8, least: 1 }), checkpointsMax),
    },
    graceMs: wholeNumber(options.graceMs, { name: 'graceMs', fallback: 60_000, least: 0 }),
    readOnly: checkFlag(options.readOnly, 'readOnly'),
    share: sharing(options),
    followMs: wholeNumber(options.followMs, { name: 'followMs', fallback: options.share === true ? 0 : 100, least: 0 }),
    headWithFiles: checkFlag(options.headWithFiles, 'headWithFiles'),
    schedule: options.schedule,
    rowGroupBytes: wholeNumber(options.rowGroupBytes, { name: 'rowGroupBytes', fallback: defaultRowGroupBytes, least: 1, most: 16 * 1024 * 1024 }),
    indexBytesMax: wholeNumber(options.indexBytesMax, { name: 'indexBytesMax', fallback: 64 * 1024 * 1024, least: 1 }),
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
  } satisfies { readonly [Name in keyof EngineOptions]-?: unknown }
  refuseUnknown(options, { known: Object.keys(resolved), where: '' })
  for (const name of ['flush', 'compaction', 'checkpoints'] as const) refuseUnknown(options[name] ?? {}, { known: Object.keys(resolved[name]), where: `${name}.` })
  return resolved
}

/** Each is in every manifest. */
const checkpointsMax = 64
const retentionEveryMsMin = 3_600_000

/** The defaults of retention; INVALID_ARGUMENT. */
export function resolveRetention(options: RetentionOptions) {
  const { namespaces = {}, everyMs, ...policy } = options
  const parsed = Object.keys(policy).length === 0 ? undefined : parsePolicy(policy, 'retention.')
  const ofNamespaces = Object.entries(namespaces).map(([ns, one]) => [ns, parsePolicy(one, `retention.namespaces.${ns}.`)] as const)
  const ages = [parsed, ...ofNamespaces.map(([, one]) => one)].map((one) => one?.maxAge ?? Number.POSITIVE_INFINITY)
  const often = Math.min(...ages) / 100
  const fallback = often === Number.POSITIVE_INFINITY ? retentionEveryMsMin : Math.max(retentionEveryMsMin, Math.round(often))
  return { policy: parsed, namespaces: Object.fromEntries(ofNamespaces), everyMs: wholeNumber(everyMs, { name: 'retention.everyMs', fallback, least: 0 }) }
}

function parsePolicy(policy: Partial<RetentionPolicy>, where: string): RetentionPolicy {
  refuseUnknown(policy, { known: ['maxAge', 'maxEvents', 'mode'], where })
  const { mode } = policy
  if (mode !== 'keep' && mode !== 'archive' && mode !== 'drop') throw new ParqueDBError('INVALID_ARGUMENT', `The option ${where}mode must be 'keep', 'archive' or 'drop'.`, { details: { option: `${where}mode` } })
  for (const name of ['maxAge', 'maxEvents'] as const) wholeNumber(policy[name], { name: where + name, fallback: 0, least: 0 })
  return { ...policy, mode }
}

function refuseUnknown(options: object, rule: { known: readonly string[]; where: string }): void {
  if (typeof options !== 'object' || options === null) throw new ParqueDBError('INVALID_ARGUMENT', `The options${rule.where === '' ? '' : ` ${rule.where.slice(0, -1)}`} must be an object.`)
  const unknown = Object.keys(options).find((name) => !rule.known.includes(name))
  if (unknown !== undefined) throw new ParqueDBError('INVALID_ARGUMENT', `There is no option '${rule.where}${unknown}'. Known here: ${rule.known.join(', ')}.`, { details: { option: rule.where + unknown } })
}

function wholeNumber(value: number | undefined, rule: { name: string; fallback: number; least: number; most?: number }): number {
  const { fallback, least, most = Number.POSITIVE_INFINITY } = rule
  if (value === undefined) return fallback
  if ((value === Number.POSITIVE_INFINITY || Number.isSafeInteger(value)) && value >= least && value <= most) return value
  throw new ParqueDBError('INVALID_ARGUMENT', `The option ${rule.name} must be a whole number, at least ${least}${most === Number.POSITIVE_INFINITY ? '' : ` and at most ${most}`}; it is ${String(value)}.`, { details: { option: rule.name } })
}

function sharing({ share, readOnly }: EngineOptions): boolean {
  if (share === true && readOnly === true) throw new ParqueDBError('INVALID_ARGUMENT', 'The options share and readOnly exclude each other: one shares the writing, the other has none.', { details: { option: 'share' } })
  return checkFlag(share, 'share')
}

function codecOf(codec: Codec | undefined): Codec | undefined {
  if (codec === undefined || codec === 'snappy' || codec === 'gzip') return codec
  throw new ParqueDBError('INVALID_ARGUMENT', "The option compaction.codec must be 'snappy' or 'gzip'.", { details: { option: 'compaction.codec' } })
}

/** Names of all engine options: what a caller that passes some of them on has to know. */
export const engineOptionNames: readonly string[] = Object.keys(resolveOptions({}))
