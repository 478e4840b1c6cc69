// Changes the code that the data's safety rests on, one small change at a time, and looks whether a test notices: see `npm run mutation -- --help`.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { appendFile, cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import ts from 'typescript'
import { protocolFiles, quickTests, slowerTests } from './protocol-files.mjs'

const { values } = parseArgs({
  options: {
    sample: { type: 'string', default: '150' },
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    anew: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(`npm run mutation -- [--sample 150] [--minutes 30] [--seed 1] [--anew] [--list]

Mutants: a condition turned over, && and || exchanged, a comparison moved by one, + and - exchanged, a statement left out, an await left out. A sample of them, the same
for the same seed, is tried one by one in a copy of the sources: the tests about that code run until one fails (the mutant is noticed) or all pass (it has survived).
Results are kept in node_modules/.cache/mutation.ndjson, and a run that is started again goes on where the last one was cut off; --anew forgets them. --list shows all
mutants and runs none.`)
  process.exit(0)
}

/** Each operator and the one that takes its place. */
const swaps = new Map([
  [ts.SyntaxKind.EqualsEqualsEqualsToken, '!=='],
  [ts.SyntaxKind.ExclamationEqualsEqualsToken, '==='],
  [ts.SyntaxKind.AmpersandAmpersandToken, '||'],
  [ts.SyntaxKind.BarBarToken, '&&'],
  [ts.SyntaxKind.LessThanToken, '<='],
  [ts.SyntaxKind.LessThanEqualsToken, '<'],
  [ts.SyntaxKind.GreaterThanToken, '>='],
  [ts.SyntaxKind.GreaterThanEqualsToken, '>'],
  [ts.SyntaxKind.PlusToken, '-'],
  [ts.SyntaxKind.MinusToken, '+'],
])

const results = resolve('node_modules/.cache/mutation.ndjson')
const copy = resolve('node_modules/.cache/mutation')
/** As they are now: whoever goes on working meanwhile changes nothing here. */
const texts = new Map(protocolFiles.map((path) => [path, ts.sys.readFile(path) ?? '']))
const mutants = protocolFiles.flatMap((path) => mutantsOf(path, texts.get(path)))
if (values.list) {
  for (const mutant of mutants) console.log(`${mutant.id}: ${mutant.from} -> ${mutant.to}`)
  process.exit(0)
}
if (values.anew) await rm(results, { force: true })
const known = new Map()
if (existsSync(results)) for (const line of (await readFile(results, 'utf8')).split('\n').filter(Boolean)) known.set(JSON.parse(line).id, JSON.parse(line))
const chosen = shuffled(mutants, Number(values.seed)).slice(0, Number(values.sample))

await makeCopy()
const untilMs = performance.now() + Number(values.minutes) * 60_000
for (const mutant of chosen) {
  if (known.has(mutant.id)) continue
  if (performance.now() > untilMs) break
  const outcome = await tryMutant(mutant)
  known.set(mutant.id, { id: mutant.id, outcome })
  await appendFile(results, `${JSON.stringify({ id: mutant.id, outcome })}\n`)
}
await rm(copy, { recursive: true, force: true })

const tried = chosen.filter(({ id }) => known.has(id)).map((mutant) => ({ ...mutant, outcome: known.get(mutant.id).outcome }))
for (const { id, from, to } of tried.filter(({ outcome }) => outcome === 'survived')) console.log(`survived  ${id}: ${from} -> ${to}`)
const count = (wanted) => tried.filter(({ outcome }) => outcome === wanted).length
const noticed = tried.length - count('survived')
console.log(
  `mutation: ${tried.length} of ${mutants.length} mutants of ${protocolFiles.length} files tried (seed ${values.seed}): ${noticed} noticed (${((100 * noticed) / tried.length).toFixed(1)} %), ` +
    `${count('hang')} of them by hanging; ${count('survived')} survived`,
)

/** Every change of one file; `start` and `end` are where its text goes. */
function mutantsOf(path, text) {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const found = []
  const add = (node, to, at = node) => {
    const line = source.getLineAndCharacterOfPosition(at.getStart()).line + 1
    const from = at.getText().replaceAll(/\s+/g, ' ').slice(0, 90)
    found.push({ id: `${path}:${line}:${at.getStart()}:${to.slice(0, 20)}`, path, start: at.getStart(), end: at.getEnd(), from, to })
  }
  const visit = (node) => {
    // An assertion holds, or there is a bug to find: no test can miss it.
    if ((ts.isCallExpression(node) && node.expression.getText() === 'assert') || (ts.isExpressionStatement(node) && node.expression.getText().startsWith('assert('))) return
    if (ts.isBinaryExpression(node) && swaps.has(node.operatorToken.kind)) add(node, swaps.get(node.operatorToken.kind), node.operatorToken)
    if ((ts.isIfStatement(node) || ts.isConditionalExpression(node)) && !ts.isBinaryExpression(node.expression ?? node.condition)) {
      const condition = node.expression ?? node.condition
      add(node, `!(${condition.getText()})`, condition)
    }
    if (ts.isExpressionStatement(node) && (ts.isCallExpression(node.expression) || ts.isAwaitExpression(node.expression) || ts.isBinaryExpression(node.expression))) add(node, ';')
    if (ts.isThrowStatement(node) || (ts.isReturnStatement(node) && node.expression === undefined)) add(node, ';')
    if (ts.isAwaitExpression(node) && ts.isExpressionStatement(node.parent)) add(node, `void ${node.expression.getText()}`)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** A copy of the sources, so that nobody meets a mutant who does not look for it. */
async function makeCopy() {
  await rm(copy, { recursive: true, force: true })
  await mkdir(copy, { recursive: true })
  for (const path of ['src', 'test', 'packages', 'scripts', 'vitest.config.ts', 'tsconfig.json', 'package.json']) await cp(path, join(copy, path), { recursive: true, filter: (from) => !from.includes('node_modules') })
  await symlink(resolve('node_modules'), join(copy, 'node_modules'))
}

/** 'noticed' by a test, or by none ending ('hang'); or 'survived'. */
async function tryMutant({ path, start, end, to }) {
  const place = join(copy, path)
  const text = texts.get(path)
  await writeFile(place, text.slice(0, start) + to + text.slice(end))
  try {
    // The file's own tests first: mostly they see it, in seconds.
    const own = quickTests.filter((test) => test === path.replace(/ts$/, 'test.ts'))
    for (const tests of [own, quickTests.filter((test) => !own.includes(test)), slowerTests]) {
      const outcome = tests.length === 0 ? 'survived' : await runTests(tests)
      if (outcome !== 'survived') return outcome
    }
    return 'survived'
  } finally {
    await writeFile(place, text)
  }
}

function runTests(tests) {
  return new Promise((done) => {
    const args = [resolve('node_modules/vitest/vitest.mjs'), 'run', '--bail=1', '--reporter=dot', '--testTimeout=20000', ...tests]
    const child = spawn(process.execPath, args, { cwd: copy, stdio: 'ignore', detached: true })
    const timer = setTimeout(() => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      done('hang')
    }, 240_000)
    child.on('exit', (code) => {
      clearTimeout(timer)
      done(code === 0 ? 'survived' : 'noticed')
    })
  })
}

function shuffled(items, seed) {
  let state = seed >>> 0
  const below = (count) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * count)
  }
  const order = [...items]
  for (let at = order.length - 1; at > 0; at--) {
    const other = below(at + 1)
    ;[order[at], order[other]] = [order[other], order[at]]
  }
  return order
}
