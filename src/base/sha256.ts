/** Round constants: the first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4). */
const roundConstants = fractionsOfRoots(64, 1 / 3)
const initialState = fractionsOfRoots(8, 1 / 2)

/** SHA-256 of `bytes`: 32 bytes. Synchronous, so that what depends on it can be replayed, and there also where a page has no crypto.subtle. */
export function sha256(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64)
  padded.set(bytes)
  padded[bytes.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 0x20000000))
  view.setUint32(padded.length - 4, (bytes.length << 3) >>> 0)
  const state = initialState.slice()
  const schedule = new Int32Array(64)
  for (let at = 0; at < padded.length; at += 64) {
    for (let index = 0; index < 16; index++) schedule[index] = view.getInt32(at + 4 * index)
    compress(state, schedule)
  }
  const digest = new Uint8Array(32)
  const out = new DataView(digest.buffer)
  state.forEach((value, index) => out.setInt32(4 * index, value))
  return digest
}

function compress(state: Int32Array, w: Int32Array): void {
  for (let t = 16; t < 64; t++) {
    const a = word(w, t - 15)
    const b = word(w, t - 2)
    w[t] = word(w, t - 16) + (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) + word(w, t - 7) + (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10))
  }
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state
  for (let t = 0; t < 64; t++) {
    const first = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + word(roundConstants, t) + word(w, t)) | 0
    const second = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0
    h = g
    g = f
    f = e
    e = (d + first) | 0
    d = c
    c = b
    b = a
    a = (first + second) | 0
  }
  const added = [a, b, c, d, e, f, g, h]
  for (let index = 0; index < 8; index++) state[index] = word(state, index) + (added[index] ?? 0)
}

function turn(value: number, bits: number): number {
  return (value >>> bits) | (value << (32 - bits))
}

function word(words: Int32Array, index: number): number {
  return words[index] as number
}

function fractionsOfRoots(count: number, exponent: number): Int32Array {
  const words = new Int32Array(count)
  let found = 0
  for (let candidate = 2; found < count; candidate++) {
    let isPrime = true
    for (let factor = 2; factor * factor <= candidate; factor++) if (candidate % factor === 0) isPrime = false
    if (isPrime) words[found++] = ((candidate ** exponent) % 1) * 0x100000000
  }
  return words
}
