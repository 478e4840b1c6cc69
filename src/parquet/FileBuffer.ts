/** Room of the first piece, and of the largest ones. */
const firstBytes = 64 * 1024
const pieceBytesMax = 1024 * 1024

/** A file that is being written, in pieces: it grows without being copied, and is put together in steps at its end. */
export class FileBuffer {
  #pieces: Uint8Array[] = []
  /** Of the last piece. */
  #room = 0
  length = 0

  append(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length) {
      if (this.#room === 0) {
        this.#room = Math.min(pieceBytesMax, Math.max(firstBytes, this.length))
        this.#pieces.push(new Uint8Array(this.#room))
      }
      const piece = this.#pieces.at(-1) as Uint8Array
      const part = bytes.subarray(at, at + this.#room)
      piece.set(part, piece.length - this.#room)
      this.#room -= part.length
      this.length += part.length
      at += part.length
    }
  }

  /** All of it. Nothing may be appended afterwards. */
  *whole(): Generator<void, Uint8Array> {
    const [first] = this.#pieces
    if (first !== undefined && this.#pieces.length === 1) return first.subarray(0, this.length)
    const whole = new Uint8Array(this.length)
    let at = 0
    for (let piece = this.#pieces.shift(); piece !== undefined; piece = this.#pieces.shift()) {
      whole.set(piece.subarray(0, this.length - at), at)
      at += piece.length
      yield
    }
    return whole
  }
}
