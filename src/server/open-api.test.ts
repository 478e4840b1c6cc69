import { Validator } from '@seriousme/openapi-schema-validator'
import { expect, test } from 'vitest'
import { ParqueDB } from '../db/ParqueDB.ts'
import { MemoryBackend } from '../storage/backends/MemoryBackend.ts'
import { createServer } from './Server.ts'

test('the served document is valid OpenAPI 3.1 and describes every route', async () => {
  const server = createServer(new ParqueDB({ storage: new MemoryBackend() }), { auth: 'none', basePath: '/api' })
  const document = await (await server.fetch(new Request('http://server/api/openapi.json'))).json()
  const { valid, errors } = await new Validator().validate(document)
  expect(errors).toBe(undefined)
  expect(valid).toBe(true)
  const described = Object.entries<Record<string, { operationId: string }>>(document.paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`))
  expect(described.toSorted()).toEqual(server.routes.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`).toSorted())
  const ids = Object.values<Record<string, { operationId: string }>>(document.paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId))
  expect(new Set(ids).size).toBe(ids.length)
  expect(JSON.stringify(document)).not.toContain('undefined')
})
