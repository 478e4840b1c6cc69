import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ParqueDBError, type ErrorCode } from '../base/ParqueDBError.ts'
import { problemOf, problemResponse } from './problem.ts'

test('every code has the status that the page on errors says', () => {
  const page = readFileSync('docs/errors.md', 'utf8')
  const codes = [...page.matchAll(/^### ([A-Z_]+)$/gm)].map((match) => match[1] as ErrorCode)
  const rows = [...page.matchAll(/^\| (\d{3}) \| (.*) \|$/gm)].flatMap(([, status, names = '']) => [...names.matchAll(/`([A-Z_]+)`/g)].map((match) => [match[1], Number(status)]))
  expect(rows.toSorted()).toEqual(codes.map((code) => [code, problemOf(new ParqueDBError(code, 'x')).status]).toSorted())
})

test('a bug of ours is told without its message', async () => {
  const response = problemResponse(new Error('Broken invariant: /home/ada/data'))
  expect(await response.json()).toEqual({ type: 'about:blank', title: 'INTERNAL', status: 500, detail: 'The server failed; its log says why.' })
})
