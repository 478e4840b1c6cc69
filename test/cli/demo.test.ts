import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseSynset } from '../../scripts/demo-wordnet.mjs'

const root = resolve(import.meta.dirname, '../..')
const run = promisify(execFile)
let folder = ''

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'parquedb-demo-'))
  await run(process.execPath, ['scripts/build.mjs'], { cwd: root })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('the demo does what it says, in place of an earlier one', { timeout: 300_000 }, async () => {
  const db = join(folder, 'db')
  mkdirSync(db)
  writeFileSync(join(db, '.parquedb-demo'), '')
  writeFileSync(join(db, 'of-an-earlier-one'), '')
  const { stdout } = await run(process.execPath, ['scripts/demo.mjs', db, '--quick'], { cwd: root })
  expect(stdout).toContain('flights: 200,000\n')
  expect(stdout).toContain('nouns: 82,192\n')
  expect(stdout).toContain('films rated 8.5 or better: 48\n')
  expect(stdout).toContain('dog < canine < carnivore')
  expect(stdout).toContain('dog < domestic animal < animal')
  expect(stdout).toContain('dog - domestic animal - domestic cat - cat\n')
  expect(stdout).toMatch(/damage in \d+ files with 286,206 events: 0\n/)
  expect(stdout).toMatch(/\nDone in /)
  expect(readdirSync(db)).not.toContain('of-an-earlier-one')
})

test('the demo leaves a folder alone that it did not make', async () => {
  const mine = mkdtempSync(join(folder, 'mine-'))
  writeFileSync(join(mine, 'thesis.txt'), 'mine')
  await expect(run(process.execPath, ['scripts/demo.mjs', mine], { cwd: root })).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('is not empty and no demo made it') })
  expect(readdirSync(mine)).toEqual(['thesis.txt'])
})

test('a line of WordNet becomes a document with its words and pointers', () => {
  const line = "00571609 04 n 02 dog_paddle 0 crawl a 002 @ 00571103 n 0000 + 00694095 v 0101 | an elementary stroke; \"like | a dog\"  "
  expect(parseSynset(line, 1)).toEqual({
    $id: '00571609',
    category: 'noun.act',
    words: ['dog paddle', 'crawl'],
    gloss: 'an elementary stroke; "like | a dog"',
    pointers: [
      { symbol: '@', target: '00571103', partOfSpeech: 'n' },
      { symbol: '+', target: '00694095', partOfSpeech: 'v' },
    ],
  })
  expect(() => parseSynset(line.replace(' 002 ', ' 003 '), 7)).toThrow('data.noun, line 7: not a noun')
})
