// What is written and asked, the same for everybody: documents, their columns, and questions in both languages.
import { readFileSync } from 'node:fs'

/** `sql` of SQLite, `duck` of DuckDB, `parquet` of hyparquet-writer. */
const text = { sql: 'TEXT', duck: 'VARCHAR', parquet: 'STRING' }
const number = { sql: 'REAL', duck: 'DOUBLE', parquet: 'DOUBLE' }
const whole = { sql: 'INTEGER', duck: 'BIGINT', parquet: 'DOUBLE' }
const flag = { sql: 'INTEGER', duck: 'BOOLEAN', parquet: 'BOOLEAN' }

/** Documents of eight fields, ids ascending. */
export function generated(count) {
  const idAt = (index) => `d${String(index).padStart(7, '0')}`
  const make = (random) => (_, index) => ({
    $id: idAt(index),
    title: `Item ${index} of ${words[random(words.length)]} ${words[random(words.length)]}`,
    category: `category-${random(20)}`,
    city: `${words[random(words.length)]}-${random(50)}`,
    rank: random(1000),
    amount: random(1_000_000) / 100,
    active: random(2) === 0,
    atMs: 1_700_000_000_000 + index * 1000 + random(1000),
  })
  return lettingGo(() => Array.from({ length: count }, make(seeded(42))), {
    name: 'documents',
    count,
    idAt,
    columns: { title: text, category: text, city: text, rank: whole, amount: number, active: flag, atMs: whole },
    equal: { filter: { rank: 500 }, where: 'rank = 500', test: ({ rank }) => rank === 500 },
    range: { filter: { amount: { $gte: 5000, $lt: 5010 } }, where: 'amount >= 5000 AND amount < 5010' },
    onePercent: { filter: { amount: { $gte: 9900 } }, where: 'amount >= 9900' },
    sortBy: 'amount',
    group: { by: 'category', sum: 'rank' },
  })
}

/** The 200,000 flights of vega-datasets, or the first of them. */
export function flights(count) {
  const idAt = (index) => `f${String(index).padStart(7, '0')}`
  const read = () => JSON.parse(readFileSync(new URL('../node_modules/vega-datasets/data/flights-200k.json', import.meta.url), 'utf8'))
  const make = () => read().slice(0, count).map(({ delay, distance, time }, index) => ({ $id: idAt(index), delay, distance, time }))
  return lettingGo(make, {
    name: 'flights',
    count,
    idAt,
    columns: { delay: whole, distance: whole, time: number },
    equal: { filter: { distance: 1452 }, where: 'distance = 1452', test: ({ distance }) => distance === 1452 },
    range: { filter: { delay: { $gte: 100, $lt: 105 } }, where: 'delay >= 100 AND delay < 105' },
    onePercent: { filter: { delay: { $gte: 110 } }, where: 'delay >= 110' },
    sortBy: 'delay',
    group: { by: 'distance', sum: 'delay' },
  })
}

/**
 * The dataset with its `documents`, made when they are asked for and kept until `letGo`: a heap of millions of objects makes each collection dear for those of
 * the contestants that live in it, and they are not what is measured.
 */
function lettingGo(make, dataset) {
  let documents
  const letGo = () => {
    documents = undefined
  }
  return Object.defineProperty({ ...dataset, letGo }, 'documents', { get: () => (documents ??= make()) })
}

/** What rows of anybody have in common, in the order of ids: an array of [id, fields in column order]. */
export function sameRows(dataset, rows) {
  const names = Object.keys(dataset.columns)
  return rows.map((row) => [idOf(row), ...names.map((name) => plain(row[name], dataset.columns[name]))]).toSorted(([left], [right]) => (left < right ? -1 : 1))
}

/** As sameRows, for many: how many, what the numbers add up to, and a few in full. */
export function digest(dataset, rows) {
  const numbers = Object.entries(dataset.columns).flatMap(([name, type]) => (type === number || type === whole ? [name] : []))
  const sums = numbers.map((name) => Math.round(rows.reduce((sum, row) => sum + Number(row[name]), 0)))
  return { count: rows.length, sums, some: sameRows(dataset, [rows[0], rows[rows.length >> 1], rows.at(-1)].filter((row) => row !== undefined)) }
}

export function sameGroups(groups) {
  return [...groups].map(([key, sum]) => `${key}: ${sum}`).toSorted()
}

function idOf({ $id, id }) {
  const given = $id ?? id
  return given.slice(given.indexOf('/') + 1)
}

function plain(value, type) {
  if (type === flag) return Boolean(value)
  return typeof value === 'bigint' ? Number(value) : value
}

function seeded(seed) {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const words = 'amber basil cedar delta ember fjord grove harbor island jasper kelp lagoon maple nectar opal prairie quartz river saffron timber umber valley willow yarrow zephyr'.split(' ')
