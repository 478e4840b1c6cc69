import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'

/** A store that is gone after so many changes, as the disk of a process that was killed. */
export class DyingBackend extends MemoryBackend {
  changesLeft = Number.POSITIVE_INFINITY

  override async put(...args: Parameters<MemoryBackend['put']>): ReturnType<MemoryBackend['put']> {
    this.#change()
    return super.put(...args)
  }

  override async delete(path: string): Promise<void> {
    this.#change()
    return super.delete(path)
  }

  #change(): void {
    if (this.changesLeft-- <= 0) throw new Error('killed')
  }
}
