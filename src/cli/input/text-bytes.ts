import { concatBytes } from '../../base/bytes.ts'
import { inputError } from './input-error.ts'

/** The chunks of a text file without the byte order mark that it may begin with; refuses UTF-16. */
export async function* textBytes(where: string, chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let head: Uint8Array | undefined = new Uint8Array(0)
  for await (const chunk of chunks) {
    if (head === undefined) {
      yield chunk
      continue
    }
    head = concatBytes([head, chunk])
    if (head.length >= 3) {
      yield withoutMark(where, head)
      head = undefined
    }
  }
  if (head !== undefined && head.length > 0) yield withoutMark(where, head)
}

function withoutMark(where: string, head: Uint8Array): Uint8Array {
  if ((head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff)) {
    throw inputError(where, 1, 'the file is UTF-16; convert it to UTF-8 first (iconv -f utf-16 -t utf-8)')
  }
  return head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? head.subarray(3) : head
}
