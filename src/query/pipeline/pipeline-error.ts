import { limitExceeded, ParqueDBError } from '../../base/ParqueDBError.ts'

/** "In the pipeline, `stage` at 'path' `problem`." */
export function pipelineError(at: { stage: string; path?: string | undefined }, problem: string): ParqueDBError {
  const { stage, path = '' } = at
  return new ParqueDBError('INVALID_ARGUMENT', `In the pipeline, ${stage}${path === '' ? '' : ` at '${path}'`} ${problem}.`, { details: { option: 'pipeline', stage, path } })
}

/** What a stage may hold in memory, over the whole run. */
export class Holding {
  readonly #most: number
  #count = 0

  constructor(most: number) {
    this.#most = most
  }

  /** LIMIT_EXCEEDED past `sortDocumentsMax` documents or values. */
  add(count: number): void {
    this.#count += count
    if (this.#count <= this.#most) return
    // The path, as pipelineError's, says that this is of the pipeline: whatever has none is damage to the file whose columns are being read.
    throw limitExceeded({ sortDocumentsMax: this.#most }, `The pipeline would hold more than ${this.#most} documents or values in memory; match or project earlier, add a $limit, or raise limits.sortDocumentsMax.`, { path: '' })
  }
}
