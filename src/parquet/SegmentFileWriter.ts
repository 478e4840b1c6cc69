import type { StoredEvent } from '../model/event.ts'
import type { WrittenFile } from './written-file.ts'
export interface SegmentFileOptions {
  readonly rowGroupBytes?: number | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
}
export class SegmentFileWriter {
  readonly rows: number = 0
  readonly bytes: number = 0
  constructor(_options: SegmentFileOptions = {}) {}
  append(_event: StoredEvent): void {}
  finish(): WrittenFile { throw new Error('todo') }
}
