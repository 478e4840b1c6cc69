import type { EntityKey } from '../model/entity.ts'
import type { StoredEvent } from '../model/event.ts'
import type { ByteSource } from './byte-source.ts'
import type { FileFacts } from './written-file.ts'
export interface SegmentScanOptions {
  readonly ns?: string | undefined
  readonly fromId?: string | undefined
  readonly afterId?: string | undefined
  readonly beforeId?: string | undefined
  readonly fromSeq?: number | undefined
  readonly toSeq?: number | undefined
  readonly fromTs?: number | undefined
  readonly toTs?: number | undefined
  readonly signal?: AbortSignal | undefined
}
export class SegmentFileReader {
  readonly indexBytes: number = 0
  readonly metadata: Readonly<Record<string, string>> = {}
  static open(_source: ByteSource, _facts: FileFacts): Promise<SegmentFileReader> { throw new Error('todo') }
  /** From memory alone: false only when the file surely has no event of the key. */
  mayContainKey(_key: EntityKey): boolean { throw new Error('todo') }
  entityEvents(_key: EntityKey, _range: { fromSeq?: number | undefined; toSeq?: number | undefined } = {}): Promise<StoredEvent[]> { throw new Error('todo') }
  eventsAsOf(_key: EntityKey, _asOf: { seq?: number | undefined; ts?: number | undefined }): Promise<StoredEvent[]> { throw new Error('todo') }
  /** Events whose eventId or txId is `id`, in key order. */
  findById(_id: string): Promise<StoredEvent[]> { throw new Error('todo') }
  scan(_options: SegmentScanOptions = {}): AsyncIterable<StoredEvent[]> { throw new Error('todo') }
  verify(_options?: { signal?: AbortSignal | undefined }): Promise<void> { throw new Error('todo') }
}
