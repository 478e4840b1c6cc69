import * as zlib from 'node:zlib'
import { decompress as zstdDecompress } from 'fzstd'
import { approximateBytes } from '../../model/values.ts'
import { readForeignParquet } from '../../parquet/read-foreign-parquet.ts'
import type { ForeignParquetOptions } from '../../parquet/read-foreign-parquet.ts'
import type { InputFile } from './InputFile.ts'
import type { Rows } from './row.ts'

type ZlibFunction = (bytes: Uint8Array, options: { maxOutputLength: number }) => Uint8Array

const decompressors: ForeignParquetOptions['decompressors'] = {
  GZIP: bounded(zlib.gunzipSync),
  BROTLI: bounded(zlib.brotliDecompressSync),
  // Node.js has its own from 22.15 on only.
  ZSTD: (bytes, size) => zstdDecompress(bytes, new Uint8Array(size)),
}

/** The output is no larger than the page's header says, which the reader has checked. */
function bounded(decompress: ZlibFunction): (bytes: Uint8Array, size: number) => Uint8Array {
  return (bytes, size) => decompress(bytes, { maxOutputLength: Math.max(1, size) })
}

/** The rows of a Parquet file of anyone's, with memory for one row group; a null is an absent field. A row's line is its number. */
export function parquetRows(file: InputFile): { readonly rows: Rows; fraction(): number } {
  let done = 0
  let total = 0
  async function* rows(): Rows {
    const source = await file.source()
    try {
      const parquet = await readForeignParquet(source, { decompressors })
      total = parquet.rowCount
      for await (const documents of parquet.rows()) {
        yield documents.map((document, index) => ({ line: done + index + 1, document, bytes: approximateBytes(document) }))
        done += documents.length
      }
    } finally {
      await source.close()
    }
  }
  return { rows: rows(), fraction: () => (total === 0 ? 0 : done / total) }
}
