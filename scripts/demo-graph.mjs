// All of WordNet as a graph: its synsets with their pointers as edges, parsed as wndb(5WN) describes its data files.
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const files = { n: 'data.noun', v: 'data.verb', a: 'data.adj', r: 'data.adv' }
/** wninput(5WN). */
const relationships = new Map(Object.entries({
  '!': 'antonym', '@': 'hypernym', '@i': 'instance hypernym', '~': 'hyponym', '~i': 'instance hyponym', '#m': 'member holonym', '#s': 'substance holonym', '#p': 'part holonym',
  '%m': 'member meronym', '%s': 'substance meronym', '%p': 'part meronym', '=': 'attribute', '+': 'derivation', ';c': 'topic', '-c': 'topic member', ';r': 'region', '-r': 'region member',
  ';u': 'usage', '-u': 'usage member', '*': 'entailment', '>': 'cause', '^': 'see also', '$': 'verb group', '&': 'similar to', '<': 'participle', '\\': 'pertainym',
}))

/** `{ id, words, gloss, pointers: [{ relationship, to, words }] }`, file by file. `words`: which word points at which, '0000' for all. */
export async function* synsets(folder) {
  for (const [part, file] of Object.entries(files)) {
    for await (const text of createInterface({ input: createReadStream(join(folder, file), 'latin1'), crlfDelay: Number.POSITIVE_INFINITY })) {
      // The licence stands at the start, indented by two spaces.
      if (!text.startsWith('  ')) yield parseSynset(text, part)
    }
  }
}

function parseSynset(text, part) {
  const bar = text.indexOf(' | ')
  const fields = text.slice(0, bar).split(' ')
  const wordCount = Number.parseInt(fields[3], 16)
  const pointersAt = 5 + wordCount * 2
  return {
    id: part + fields[0],
    words: Array.from({ length: wordCount }, (_, index) => fields[4 + index * 2].replaceAll('_', ' ')),
    gloss: text.slice(bar + 3).trim(),
    pointers: Array.from({ length: Number(fields[pointersAt - 1]) }, (_, index) => {
      const [symbol, offset, to, words] = fields.slice(pointersAt + index * 4)
      const relationship = relationships.get(symbol)
      if (relationship === undefined) throw new Error(`${text.slice(0, 40)}: the pointer ${symbol} is not one of wninput(5WN)`)
      return { relationship, to: to + offset, words }
    }),
  }
}

/** Documents to create, each with its edges: of several pointers between the same two, one edge that lists them. Of the synsets of the plain graph. */
export async function* documentsOf(folder, plain) {
  for await (const { id, words, gloss } of synsets(folder)) {
    if (!plain.words.has(id)) continue
    const $link = {}
    for (const [name, of] of grouped(plain.edges.get(id), ({ relationship }) => relationship)) {
      $link[name] = [...grouped(of, ({ to }) => to)].map(([to, same]) => ({ to: `synsets/${to}`, data: { words: same.map((pointer) => pointer.words) } }))
    }
    yield { $id: id, words, gloss, $link }
  }
}

/** The plain files in memory, as the answers are checked against. */
export class PlainGraph {
  words = new Map()
  edges = new Map()
  pointerCount = 0

  static async read(folder) {
    const graph = new PlainGraph()
    for await (const { id, words, pointers } of synsets(folder)) {
      graph.words.set(id, words)
      graph.edges.set(id, pointers)
      graph.pointerCount += pointers.length
    }
    return graph
  }

  /** These synsets alone, with what goes between them. */
  only(ids) {
    const graph = new PlainGraph()
    for (const id of ids) {
      graph.words.set(id, this.words.get(id))
      graph.edges.set(id, this.edges.get(id).filter(({ to }) => ids.has(to)))
      graph.pointerCount += graph.edges.get(id).length
    }
    return graph
  }

  /** The noun whose first word this is. */
  noun(word) {
    return [...this.words].find(([id, words]) => id.startsWith('n') && words[0] === word)[0]
  }

  /** Synsets from one to `depth` edges away, and how far each is. */
  reach(from, { names, depth }) {
    const found = new Map([[from, 0]])
    for (const [id, far] of found) {
      if (far >= depth) continue
      for (const { relationship, to } of this.edges.get(id)) if (names.includes(relationship) && !found.has(to)) found.set(to, far + 1)
    }
    return found
  }
}

function grouped(items, keyOf) {
  const groups = new Map()
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item])
  return groups
}
