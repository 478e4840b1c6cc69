import type { EntityState } from '../model/entity.ts'
import type { Shape } from './shape.ts'
import type { WrittenFile } from './written-file.ts'
export interface RunFileOptions {
  readonly shape: Shape
  readonly rowGroupBytes?: number | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
}
export class RunFileWriter {
  readonly rows: number = 0
  readonly bytes: number = 0
  constructor(_options: RunFileOptions) {}
  append(_state: EntityState): void {}
  finish(): WrittenFile { throw new Error('todo') }
}
