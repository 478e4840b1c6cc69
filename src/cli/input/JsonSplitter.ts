import { ParqueDBError } from '../../base/ParqueDBError.ts'
import { inputError } from './row.ts'

/** The text of one value in a file of many, and the line on which it begins. */
export interface Piece {
  readonly text: string
  readonly line: number
}

/** Above the 16 MiB that a document may take, with room for escapes and white space. */
const pieceCharsMax = 64 * 1024 * 1024

/** Cuts a file into pieces at its line ends, or at the top-level commas of the one array that it is. */
export type SplitMode = 'lines' | 'array'

/**
 * Cuts a text, as it comes, into the texts of single JSON values, with memory for one of them. It looks only for
 * the cuts; whether a piece is JSON is its parser's to say.
 */
export class JsonSplitter {
  readonly #where: string
  readonly #mode: SplitMode
  #carried = ''
  #line = 1
  #pieceLine = 1
  #pieceIsBlank = true
  #depth = 0
  #inString = false
  #escaped = false
  #stage: 'before' | 'inside' | 'after' = 'before'
  #commaSeen = false

  constructor(where: string, mode: SplitMode) {
    this.#where = where
    this.#mode = mode
  }

  /** The pieces that end in this part of the text. */
  push(text: string): Piece[] {
    return (this.#mode === 'lines' ? this.#lines(text) : this.#elements(text)).filter((piece) => piece.text !== '')
  }

  /** The rest; refuses a file that ends too early. */
  end(): Piece[] {
    if (this.#mode === 'lines') return this.push('\n')
    if (this.#stage === 'before') throw inputError(this.#where, this.#line, 'the file is empty; expected a JSON array of objects')
    if (this.#stage === 'inside') throw inputError(this.#where, this.#line, "the file ends inside its JSON array: ']' is missing, so it may have been cut off")
    return []
  }

  #lines(text: string): Piece[] {
    const lines = text.split('\n')
    const rest = lines.pop() ?? ''
    const pieces = lines.map((line) => {
      const piece = this.#cut(line)
      this.#pieceLine++
      return piece
    })
    this.#carry(rest)
    return pieces
  }

  #elements(text: string): Piece[] {
    const pieces: Piece[] = []
    let start = 0
    for (let at = 0; at < text.length; at++) {
      const unit = text.charAt(at)
      if (unit === '\n') this.#line++
      if (this.#inString) this.#insideString(unit)
      else if (unit <= ' ') continue
      else if (this.#stage === 'inside' && (this.#depth > 0 || (unit !== ',' && unit !== ']'))) this.#insideElement(unit)
      else {
        if (this.#stage === 'inside') pieces.push(...this.#endElement(unit, text.slice(start, at)))
        else this.#outside(unit)
        start = at + 1
      }
    }
    if (this.#stage === 'inside') this.#carry(text.slice(start))
    return pieces
  }

  #insideString(unit: string): void {
    if (this.#escaped) this.#escaped = false
    else if (unit === '\\') this.#escaped = true
    else if (unit === '"') this.#inString = false
  }

  #insideElement(unit: string): void {
    if (this.#pieceIsBlank) this.#pieceLine = this.#line
    this.#pieceIsBlank = false
    if (unit === '"') this.#inString = true
    else if (unit === '[' || unit === '{') this.#depth++
    else if ((unit === ']' || unit === '}') && this.#depth > 0) this.#depth--
  }

  #outside(unit: string): void {
    if (this.#stage === 'after') throw inputError(this.#where, this.#line, 'something follows the JSON array; one file holds one array (or is ndjson: --format ndjson)')
    if (unit !== '[') throw inputError(this.#where, this.#line, 'the file does not begin with "["; a json file is one array of objects. If it has one object a line, use --format ndjson')
    this.#stage = 'inside'
  }

  #endElement(unit: string, tail: string): Piece[] {
    const [closes, isBlank, commaSeen] = [unit === ']', this.#pieceIsBlank, this.#commaSeen]
    if (isBlank && !closes) throw inputError(this.#where, this.#line, "expected an object before ','")
    if (isBlank && commaSeen) throw inputError(this.#where, this.#line, "expected an object between ',' and ']'")
    this.#commaSeen = !closes
    if (closes) this.#stage = 'after'
    return isBlank ? [] : [this.#cut(tail)]
  }

  #carry(text: string): void {
    this.#carried += text
    if (this.#carried.length <= pieceCharsMax) return
    throw new ParqueDBError('LIMIT_EXCEEDED', `${this.#where}, line ${this.#pieceLine}: one value is longer than ${pieceCharsMax} characters; is it ${this.#mode === 'lines' ? 'ndjson, one object a line' : 'an array of objects'}?`, { details: { file: this.#where, line: this.#pieceLine, limit: pieceCharsMax } })
  }

  #cut(tail: string): Piece {
    const text = (this.#carried + tail).replace(/^[ \t\r\n]+/, '')
    this.#carried = ''
    this.#pieceIsBlank = true
    return { text, line: this.#pieceLine }
  }
}
