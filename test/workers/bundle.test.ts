import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

/** What each door may weigh, in bytes, minified and then compressed. A Worker may have 3 MB compressed; the time that an isolate takes to begin grows with it. */
const most = { workers: [640_000, 216_000], client: [36_000, 13_000] } as const

test.each(['workers', 'client'] as const)('the bundle of parquedb/%s is no larger than it has to be', async (door) => {
  const { outputFiles } = await build({ entryPoints: [`src/${door}/index.ts`], bundle: true, minify: true, format: 'esm', platform: 'browser', target: 'es2022', external: ['cloudflare:*'], write: false })
  const [bundle] = outputFiles
  const [bytesMax, gzipBytesMax] = most[door]
  expect(bundle?.contents.length).toBeGreaterThan(10_000)
  expect(bundle?.contents.length).toBeLessThan(bytesMax)
  expect(gzipSync(bundle?.contents ?? '').length).toBeLessThan(gzipBytesMax)
})
