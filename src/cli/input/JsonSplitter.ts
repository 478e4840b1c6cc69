import { concatBytes } from '../../base/bytes.ts'
import { ParqueDBError } from '../../base/ParqueDBError.ts'
import { inputError } from './input-error.ts'

/** The text of one value in a file of many, and the line on which it begins. */
export interface Piece {
  readonly text: string
  readonly line: number
}

/** Above the 16 MiB that a document may take, with room for escapes and white space. */
const pieceBytesMax = 64 * 1024 * 1024

const newline = 0x0a
const quote = 0x22
const comma = 0x2c
const backslash = 0x5c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/** Cuts a file into pieces at its line ends, or at the top-level commas of the one array that it is. */
export type SplitMode = 'lines' | 'array'

/**
 * Cuts bytes, as they come, into the texts of single JSON values, with memory for one of them. It looks only for
 * the cuts; whether a piece is JSON is its parser's to say.
 */
export class JsonSplitter {
  readonly #where: string
  readonly #mode: SplitMode
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  #carried: Uint8Array[] = []
  #carriedBytes = 0
  #line = 1
  #pieceLine = 1
  #pieceIsBlank = true
  #depth = 0
  #inString = false
  #escaped = false
  #stage: 'before' | 'inside' | 'after' = 'before'
  #pieces: Piece[] = []
  #commaSeen = false

  constructor(where: string, mode: SplitMode) {
    this.#where = where
    this.#mode = mode
    if (mode === 'lines') this.#stage = 'inside'
  }

  /** The pieces that end in this chunk. */
  push(bytes: Uint8Array): Piece[] {
    if (this.#mode === 'lines') this.#pushLines(bytes)
    else this.#pushArray(bytes)
    return this.#take()
  }

  /** The rest; refuses a file that ends too early. */
  end(): Piece[] {
    if (this.#mode === 'lines') {
      this.#cut(new Uint8Array(0))
      return this.#take()
    }
    if (this.#stage === 'before') throw inputError(this.#where, this.#line, 'the file is empty; expected a JSON array of objects')
    if (this.#stage === 'inside') throw inputError(this.#where, this.#line, "the file ends inside its JSON array: ']' is missing, so it may have been cut off")
    return []
  }

  #take(): Piece[] {
    const pieces = this.#pieces
    this.#pieces = []
    return pieces
  }

  #pushLines(bytes: Uint8Array): void {
    let start = 0
    for (;;) {
      const end = bytes.indexOf(newline, start)
      if (end < 0) break
      this.#cut(bytes.subarray(start, end))
      this.#pieceLine++
      start = end + 1
    }
    this.#carry(bytes.subarray(start))
  }

  #pushArray(bytes: Uint8Array): void {
    let start = 0
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0
      if (byte === newline) this.#line++
      if (this.#inString) {
        this.#insideString(byte)
        continue
      }
      if (byte <= 0x20) continue
      if (this.#stage !== 'inside') {
        this.#outside(byte)
        start = at + 1
      } else if (this.#depth === 0 && (byte === comma || byte === closeBracket)) {
        this.#endElement(byte, bytes.subarray(start, at))
        start = at + 1
      } else {
        this.#insideElement(byte)
      }
    }
    if (this.#stage === 'inside') this.#carry(bytes.subarray(start))
  }

  #insideString(byte: number): void {
    if (this.#escaped) this.#escaped = false
    else if (byte === backslash) this.#escaped = true
    else if (byte === quote) this.#inString = false
  }

  #insideElement(byte: number): void {
    if (this.#pieceIsBlank) {
      this.#pieceIsBlank = false
      this.#pieceLine = this.#line
    }
    if (byte === quote) this.#inString = true
    else if (byte === openBracket || byte === openBrace) this.#depth++
    else if ((byte === closeBracket || byte === closeBrace) && this.#depth > 0) this.#depth--
  }

  #outside(byte: number): void {
    if (this.#stage === 'after') throw inputError(this.#where, this.#line, 'something follows the JSON array; one file holds one array (or is ndjson: --format ndjson)')
    if (byte !== openBracket) {
      throw inputError(this.#where, this.#line, 'the file does not begin with "["; a json file is one array of objects. If it has one object a line, use --format ndjson')
    }
    this.#stage = 'inside'
  }

  #endElement(byte: number, tail: Uint8Array): void {
    const closes = byte === closeBracket
    if (this.#pieceIsBlank) {
      if (!closes) throw inputError(this.#where, this.#line, "expected an object before ','")
      if (this.#commaSeen) throw inputError(this.#where, this.#line, "expected an object between ',' and ']'")
    } else {
      this.#cut(tail)
    }
    this.#commaSeen = !closes
    if (closes) this.#stage = 'after'
  }

  #carry(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#carriedBytes += bytes.length
    if (this.#carriedBytes > pieceBytesMax) {
      throw new ParqueDBError('LIMIT_EXCEEDED', `${this.#where}, line ${this.#pieceLine}: one value is longer than ${pieceBytesMax} bytes; is it ${this.#mode === 'lines' ? 'ndjson, one object a line' : 'an array of objects'}?`, {
        details: { file: this.#where, line: this.#pieceLine, limit: pieceBytesMax },
      })
    }
    this.#carried.push(bytes.slice())
  }

  #cut(tail: Uint8Array): void {
    const bytes = this.#carried.length === 0 ? tail : concatBytes([...this.#carried, tail])
    this.#carried = []
    this.#carriedBytes = 0
    this.#pieceIsBlank = true
    const text = this.#decode(bytes).replace(/^[ \t\r\n]+/, '')
    if (text !== '') this.#pieces.push({ text, line: this.#pieceLine })
  }

  #decode(bytes: Uint8Array): string {
    try {
      return this.#decoder.decode(bytes)
    } catch (cause) {
      throw new ParqueDBError('VALIDATION_FAILED', `${this.#where}, line ${this.#pieceLine}: not UTF-8 text; convert the file to UTF-8 first`, {
        details: { file: this.#where, line: this.#pieceLine },
        cause,
      })
    }
  }
}
