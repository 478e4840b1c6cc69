interface ArrayType<Values> {
  readonly BYTES_PER_ELEMENT: number
  new (length: number): Values
  new (buffer: ArrayBuffer, at: number, length: number): Values
}

/** What one buffer may hold; above it arrays are allocated one by one. */
const bufferBytesMax = 8 * 1024 * 1024

/**
 * Arrays for decoded values, not cleared: who asks for one fills it. They are parts of one buffer, for what is used at once and not kept, as memory outside
 * of the heap is dear to allocate and presses the collector; all are void after the next `reset`. An arena that is never reset gives arrays of their own.
 */
export class Arena {
  #buffer = new ArrayBuffer(0)
  #used = 0
  /** What was asked for since the last reset. */
  #wanted = 0

  /** Takes everything back; what did not fit before will from now on. */
  reset(): void {
    if (this.#wanted > this.#buffer.byteLength && this.#buffer.byteLength < bufferBytesMax) this.#buffer = new ArrayBuffer(Math.min(bufferBytesMax, this.#wanted * 2))
    this.#used = 0
    this.#wanted = 0
  }

  array<Values>(type: ArrayType<Values>, length: number): Values {
    const bytes = (length * type.BYTES_PER_ELEMENT + 7) & ~7
    this.#wanted += bytes
    if (this.#used + bytes > this.#buffer.byteLength) return new type(length)
    this.#used += bytes
    return new type(this.#buffer, this.#used - bytes, length)
  }
}
