import { decodeBase64 } from '../model/base64.ts'
import { runtime, type Kernels } from './kernels.ts'
import { kernelsCode } from './wasm-code.ts'

/** What kernels.wat exports; its comments are the contract. Places are addresses in its memory. */
interface KernelExports {
  readonly memory: WebAssembly.Memory
  expandSnappy(input: number, inputEnd: number, out: number, outEnd: number): number
  expandDelta(at: number, end: number, count: number, value: number, out: number, isInt: number): number
  expandHybrid(at: number, end: number, count: number, width: number, greatest: number, out: number, isWide: number): number
}

const pageBytes = 65_536
/** Loads and stores of the kernels reach this far past an end. */
const slackBytes = 16
/** What a call may need of memory that is never given back; above it JavaScript does the work. */
const memoryBytesMax = 8 * 1024 * 1024

/** Loops over bytes in WebAssembly, which work in a memory of their own: what they are given is copied there, and what they make is copied from there. */
export class WasmKernels implements Kernels {
  readonly #exports: KernelExports
  #bytes: Uint8Array

  constructor() {
    const module = new WebAssembly.Module(decodeBase64(kernelsCode) as Uint8Array<ArrayBuffer>)
    this.#exports = new WebAssembly.Instance(module).exports as unknown as KernelExports
    this.#bytes = new Uint8Array(this.#exports.memory.buffer)
  }

  expandSnappy(input: Uint8Array, at: number, out: Uint8Array): boolean | undefined {
    const memory = this.#take(input, { start: at, end: input.length }, out.length)
    if (memory === undefined) return undefined
    const end = memory.outAt + out.length
    if (this.#exports.expandSnappy(0, memory.inputEnd, memory.outAt, end) !== 0) return false
    out.set(this.#bytes.subarray(memory.outAt, end))
    return true
  }

  expandDelta(input: Uint8Array, { at, value }: { at: number; value: number }, out: Int32Array | Float64Array): number | undefined {
    const isInt = out instanceof Int32Array
    const expanded = this.#expandDelta(input, { at, value, count: out.length, isInt })
    if (expanded === undefined || expanded.end === 0) return expanded?.end
    const { buffer } = this.#bytes
    out.set(isInt ? new Int32Array(buffer, expanded.outAt, out.length) : new Float64Array(buffer, expanded.outAt, out.length))
    return expanded.end
  }

  expandDeltaAt(input: Uint8Array, { at, value, count, rows }: { at: number; value: number; count: number; rows: Int32Array }, out: Float64Array): boolean {
    const expanded = this.#expandDelta(input, { at, value, count: count - 1, isInt: false })
    if (expanded === undefined || expanded.end === 0) return false
    const others = new Float64Array(this.#bytes.buffer, expanded.outAt, count - 1)
    for (let index = 0; index < rows.length; index++) {
      const row = rows[index] as number
      out[index] = row === 0 ? value : (others[row - 1] as number)
    }
    return true
  }

  expandHybrid(input: Uint8Array, { width, greatest }: { width: number; greatest: number }, out: Uint8Array | Uint16Array): boolean {
    const memory = this.#take(input, { start: 0, end: input.length }, out.byteLength)
    if (memory === undefined) return false
    const { inputEnd, outAt } = memory
    if (this.#exports.expandHybrid(0, inputEnd, out.length, width, greatest, outAt, out instanceof Uint16Array ? 1 : 0) === 0) return false
    out.set(out instanceof Uint16Array ? new Uint16Array(this.#bytes.buffer, outAt, out.length) : this.#bytes.subarray(outAt, outAt + out.length))
    return true
  }

  #expandDelta(input: Uint8Array, { at, value, count, isInt }: { at: number; value: number; count: number; isInt: boolean }): { end: number; outAt: number } | undefined {
    const memory = this.#take(input, { start: at, end: Math.min(input.length, at + count * 8 + 256) }, count * (isInt ? 4 : 8))
    if (memory === undefined) return undefined
    const end = this.#exports.expandDelta(0, memory.inputEnd, count, value, memory.outAt, isInt ? 1 : 0)
    return { end: end === 0 ? 0 : at + end, outAt: memory.outAt }
  }

  /** Copies the input in, and finds room for the output behind it. */
  #take(input: Uint8Array, { start, end }: { start: number; end: number }, outBytes: number): { inputEnd: number; outAt: number } | undefined {
    const inputEnd = end - start
    const outAt = (inputEnd + slackBytes + 7) & ~7
    const wanted = outAt + outBytes + slackBytes
    if (wanted > memoryBytesMax) return undefined
    if (wanted > this.#bytes.length) {
      this.#exports.memory.grow(Math.ceil((wanted - this.#bytes.length) / pageBytes))
      this.#bytes = new Uint8Array(this.#exports.memory.buffer)
    }
    this.#bytes.set(start === 0 && end === input.length ? input : input.subarray(start, end))
    return { inputEnd, outAt }
  }
}

/** From now on in this process, where it may make code from bytes and its processor can run it; else JavaScript goes on doing the work. */
export function useWasmKernels(): void {
  // `node --jitless` has no WebAssembly.
  if (runtime.kernels !== null || typeof WebAssembly !== 'object') return
  try {
    runtime.kernels = new WasmKernels()
  } catch (error) {
    if (!(error instanceof WebAssembly.CompileError)) throw error
  }
}
