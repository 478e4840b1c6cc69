import { inputError } from './row.ts'

/** What a bad byte becomes where it is looked for. */
const replacement = '\ufffd'

/** A text file's chunks, decoded, without the byte order mark that it may begin with. What is not UTF-8 is VALIDATION_FAILED with its line, and what stands before it still comes. */
export async function* readText(where: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let line: number | undefined
  for await (const chunk of chunks) {
    const text = decode(decoder, chunk)
    const sound = text ?? new TextDecoder().decode(chunk).split(replacement, 1)[0] ?? ''
    yield sound
    line ??= 1
    for (let at = sound.indexOf('\n'); at >= 0; at = sound.indexOf('\n', at + 1)) line++
    if (text !== undefined) continue
    const isUtf16 = line === 1 && (chunk[0] === 0xff || chunk[0] === 0xfe)
    throw inputError(where, line, isUtf16 ? 'the file is UTF-16; convert it to UTF-8 first (iconv -f utf-16 -t utf-8)' : 'not UTF-8 text; convert the file to UTF-8 first')
  }
  if (decode(decoder) === undefined) throw inputError(where, line ?? 1, 'not UTF-8 text; convert the file to UTF-8 first')
}

/** undefined: it is not UTF-8. Without bytes: whether the end is one. */
function decode(decoder: TextDecoder, bytes?: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes, { stream: bytes !== undefined })
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}
