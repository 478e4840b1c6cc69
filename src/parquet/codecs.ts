import { gunzipSync, gzipSync } from 'fflate'
import { nodeZlib } from '../base/node-zlib.ts'
import type { Arena } from './Arena.ts'
import { malformed } from './malformed.ts'
import { SnappyCompressor, snappyDecompress } from './snappy.ts'

/** How the pages of a file are compressed that are smaller so. gzip takes a fifth to two fifths less room, and several times as long. */
export type Codec = 'snappy' | 'gzip'

/** Has one caller at a time; works in steps. */
export interface Compressor {
  compress(input: Uint8Array): Generator<void, Uint8Array>
}

/** Above this gzip gains little and takes much longer. */
const gzipLevel = 4
/** The longest copy of Snappy: 64 bytes from three. Of DEFLATE: 258 from two bits. */
const ratioMax: Readonly<Record<Codec, number>> = { snappy: 22, gzip: 1040 }
const gzipBytesMin = 18
/** The smallest buffer that zlib takes. */
const gunzipBytesMin = 64

export function compressorOf(codec: Codec): Compressor {
  return codec === 'snappy' ? new SnappyCompressor() : { compress: gzip }
}

/** Without a time: the same values are the same bytes, in one runtime. */
function* gzip(bytes: Uint8Array): Generator<void, Uint8Array> {
  yield
  return nodeZlib === undefined ? gzipSync(bytes, { level: gzipLevel, mtime: 0 }) : plain(nodeZlib.gzipSync(bytes, { level: gzipLevel }))
}

/** The decompressed bytes in `memory`, which must be exactly `size`; CORRUPT_FILE otherwise, before anything is allocated that the bytes cannot fill. */
export function decompress(codec: Codec, bytes: Uint8Array, { size, memory }: { size: number; memory: Arena }): Uint8Array {
  if (size > bytes.length * ratioMax[codec]) throw malformed('a page announces more than its bytes can expand to')
  if (codec === 'snappy') return snappyDecompress(bytes, memory.array(Uint8Array, size))
  const isRight = bytes.length >= gzipBytesMin && new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - 4, true) === size
  const out = isRight ? gunzip(bytes, { size, memory }) : undefined
  if (out?.length !== size) throw malformed('a compressed page is no gzip of the size that its header says')
  return out
}

function gunzip(bytes: Uint8Array, { size, memory }: { size: number; memory: Arena }): Uint8Array | undefined {
  try {
    // Room for one more byte: filled to the end, it would ask for another buffer.
    return nodeZlib === undefined ? gunzipSync(bytes, { out: memory.array(Uint8Array, size) }) : plain(nodeZlib.gunzipSync(bytes, { maxOutputLength: size + 1, chunkSize: Math.max(gunzipBytesMin, size + 1) }))
  } catch {
    return undefined
  }
}

/** Not a Buffer, whose `slice` copies nothing. */
function plain({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length)
}
