/**
 * Loops over bytes that a runtime has in a quicker way than ours: WasmKernels, where code may be made from bytes. Each fills `out` with what the loop in
 * JavaScript would, or says that it did not: then that loop does the work, and gives the reason where there is one.
 */
export interface Kernels {
  /** Snappy's elements from `at` on; false when they do not fill `out` exactly, undefined when it is too large. */
  expandSnappy(input: Uint8Array, at: number, out: Uint8Array): boolean | undefined
  /** DELTA_BINARY_PACKED blocks from `at` on, behind a first `value`. Where they end; 0 when they are damaged, undefined when there are too many. */
  expandDelta(input: Uint8Array, first: { at: number; value: number }, out: Int32Array | Float64Array): number | undefined
  /** As expandDelta, of the values at `rows` of all `count`, of which `value` is the first; false when that was not possible. */
  expandDeltaAt(input: Uint8Array, some: { at: number; value: number; count: number; rows: Int32Array }, out: Float64Array): boolean
  /** All of an RLE and bit-packing hybrid of at most 16 bits a value; false when that was not possible, as one is over `greatest`. */
  expandHybrid(input: Uint8Array, of: { width: number; greatest: number }, out: Uint8Array | Uint16Array): boolean
}

/** What this process has, once: it changes how long an answer takes, never the answer. null: JavaScript does all the work. */
export const runtime: { kernels: Kernels | null } = { kernels: null }
