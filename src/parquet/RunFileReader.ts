import type { EntityState } from '../model/entity.ts'
import type { ByteSource } from './byte-source.ts'
import type { Shape } from './shape.ts'
import type { FileFacts } from './written-file.ts'
export interface RunScanOptions {
  readonly fromId?: string | undefined
  readonly afterId?: string | undefined
  readonly beforeId?: string | undefined
  readonly signal?: AbortSignal | undefined
}
export class RunFileReader {
  readonly indexBytes: number = 0
  readonly metadata: Readonly<Record<string, string>> = {}
  static open(_source: ByteSource, _facts: FileFacts): Promise<RunFileReader> { throw new Error('todo') }
  get(_id: string): Promise<EntityState | undefined> { throw new Error('todo') }
  getMany(_sortedIds: readonly string[]): Promise<Map<string, EntityState>> { throw new Error('todo') }
  scan(_options: RunScanOptions = {}): AsyncIterable<EntityState[]> { throw new Error('todo') }
  shape(): Promise<Shape> { throw new Error('todo') }
  verify(_options?: { signal?: AbortSignal | undefined }): Promise<void> { throw new Error('todo') }
}
