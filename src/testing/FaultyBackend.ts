import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { AppendLog } from '../storage/append-log.ts'
import type { ByteRange, ObjectInfo, OpenLogOptions, PutCondition, StorageBackend, WriterLock } from '../storage/storage-backend.ts'
import { FaultyLog } from './FaultyLog.ts'
import type { Fault, FaultPoint, FaultyRun, Operation } from './fault.ts'

/** A backend that fails, stalls or dies where a test says; the same operations meet the same faults in every run. */
export class FaultyBackend implements StorageBackend {
  readonly kind: string
  readonly openLog?: (options: OpenLogOptions) => Promise<AppendLog>
  readonly lockWriter?: () => Promise<WriterLock>
  readonly #inner: StorageBackend
  readonly #planned: { readonly fault: Fault; matchCount: number }[]
  readonly #counts = new Map<FaultPoint, number>()
  #crashed = false

  constructor(inner: StorageBackend, faults: readonly Fault[] = []) {
    this.kind = inner.kind
    this.#inner = inner
    this.#planned = faults.map((fault) => ({ fault, matchCount: 0 }))
    const run: FaultyRun = (operation, work) => this.#run(operation, work)
    if (inner.openLog !== undefined) {
      this.openLog = (options) =>
        run({ point: 'openLog', path: options.prefix }, async () => new FaultyLog(await openInner(inner, options), { path: options.prefix, run }))
    }
    if (inner.lockWriter !== undefined) this.lockWriter = () => run({ point: 'lockWriter', path: '' }, () => lockInner(inner))
  }

  /** Plans another fault; its `nth` counts from now. */
  plan(fault: Fault): void {
    this.#planned.push({ fault, matchCount: 0 })
  }

  /** Operations that were asked for, of one kind or of all, those that failed included. */
  count(point: FaultPoint | 'any'): number {
    if (point !== 'any') return this.#counts.get(point) ?? 0
    let sum = 0
    for (const count of this.#counts.values()) sum += count
    return sum
  }

  get crashed(): boolean {
    return this.#crashed
  }

  read(path: string): Promise<Uint8Array> {
    return this.#run({ point: 'read', path }, () => this.#inner.read(path))
  }

  readRange(path: string, range: ByteRange): Promise<Uint8Array> {
    return this.#run({ point: 'readRange', path }, () => this.#inner.readRange(path, range))
  }

  stat(path: string): Promise<ObjectInfo | undefined> {
    return this.#run({ point: 'stat', path }, () => this.#inner.stat(path))
  }

  list(prefix: string, options?: { cursor?: string; limit?: number }): Promise<{ objects: ObjectInfo[]; cursor?: string }> {
    return this.#run({ point: 'list', path: prefix }, () => this.#inner.list(prefix, options))
  }

  put(path: string, bytes: Uint8Array, condition?: PutCondition): Promise<{ etag: string }> {
    return this.#run({ point: 'put', path }, () => this.#inner.put(path, bytes, condition))
  }

  delete(path: string): Promise<void> {
    return this.#run({ point: 'delete', path }, () => this.#inner.delete(path))
  }

  async #run<T>(operation: Operation, work: () => Promise<T>): Promise<T> {
    this.#counts.set(operation.point, this.count(operation.point) + 1)
    this.#refuseWhenCrashed(operation)
    const faults = this.#matching(operation)
    for (const fault of faults) if (fault.when === 'before') await this.#apply(fault, operation)
    this.#refuseWhenCrashed(operation)
    const result = await work()
    for (const fault of faults) if (fault.when === 'after') await this.#apply(fault, operation)
    this.#refuseWhenCrashed(operation)
    return result
  }

  #matching({ point, path }: Operation): Fault[] {
    const matching: Fault[] = []
    for (const planned of this.#planned) {
      const { fault } = planned
      if ((fault.on !== 'any' && fault.on !== point) || !path.startsWith(fault.path ?? '')) continue
      planned.matchCount += 1
      if (fault.nth === undefined || fault.nth === planned.matchCount) matching.push(fault)
    }
    return matching
  }

  async #apply({ when, effect }: Fault, operation: Operation): Promise<void> {
    switch (effect.kind) {
      case 'fail':
        throw effect.error ?? plannedFailure(`The ${operation.point} of '${operation.path}' fails ${when} it is done, as planned.`, operation)
      case 'stall':
        return effect.until
      case 'crash':
        this.#crashed = true
    }
  }

  #refuseWhenCrashed(operation: Operation): void {
    if (this.#crashed) throw plannedFailure(`The ${operation.point} of '${operation.path}' comes from a process that is dead, as planned.`, operation)
  }
}

function plannedFailure(message: string, operation: Operation): ParqueDBError {
  return new ParqueDBError('STORAGE_UNAVAILABLE', message, { details: { ...operation } })
}

function openInner(inner: StorageBackend, options: OpenLogOptions): Promise<AppendLog> {
  if (inner.openLog === undefined) throw new TypeError('The inner backend lost its log.')
  return inner.openLog(options)
}

function lockInner(inner: StorageBackend): Promise<WriterLock> {
  if (inner.lockWriter === undefined) throw new TypeError('The inner backend lost its lock.')
  return inner.lockWriter()
}
