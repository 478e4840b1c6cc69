// The nouns of WordNet as documents, parsed as wndb(5WN) describes its data files.
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'

/** lexnames(5WN), by number, as far as nouns go. */
const lexicographerFiles = new Map(
  ['Tops', 'act', 'animal', 'artifact', 'attribute', 'body', 'cognition', 'communication', 'event', 'feeling', 'food', 'group', 'location', 'motive']
    .concat(['object', 'person', 'phenomenon', 'plant', 'possession', 'process', 'quantity', 'relation', 'shape', 'state', 'substance', 'time'])
    .map((name, index) => [index + 3, `noun.${name}`]),
)
const groupRows = 1_000

/** Rows as an import takes them, in groups; throws with the line where the file is not as it should be. */
export async function* wordnetRows(path) {
  let rows = []
  let line = 0
  for await (const text of createInterface({ input: createReadStream(path, 'latin1'), crlfDelay: Number.POSITIVE_INFINITY })) {
    line++
    // The licence stands at the start, indented by two spaces.
    if (text.startsWith('  ')) continue
    rows.push({ line, document: parseSynset(text, line), bytes: text.length })
    if (rows.length < groupRows) continue
    yield rows
    rows = []
  }
  if (rows.length > 0) yield rows
}

/** `offset lexFile type wordCount (word lexId)… pointerCount (symbol offset type source/target)… | gloss` */
export function parseSynset(text, line) {
  const bar = text.indexOf(' | ')
  const fields = text.slice(0, bar).split(' ')
  const [offset, lexFile, type] = fields
  // Two hexadecimal digits; every word is followed by one that tells its senses apart.
  const wordCount = Number.parseInt(fields[3], 16)
  const pointerCountAt = 4 + wordCount * 2
  const pointerCount = Number(fields[pointerCountAt])
  const pointersAt = pointerCountAt + 1
  const isWhole = bar > 0 && /^\d{8}$/.test(offset) && type === 'n' && fields.length === pointersAt + pointerCount * 4
  if (!isWhole) throw new Error(`data.noun, line ${line}: not a noun as wndb(5WN) describes it`)
  return {
    $id: offset,
    category: lexicographerFiles.get(Number(lexFile)),
    words: Array.from({ length: wordCount }, (_, index) => fields[4 + index * 2].replaceAll('_', ' ')),
    gloss: text.slice(bar + 3).trim(),
    pointers: Array.from({ length: pointerCount }, (_, index) => {
      const [symbol, target, partOfSpeech] = fields.slice(pointersAt + index * 4)
      return { symbol, target, partOfSpeech }
    }),
  }
}
