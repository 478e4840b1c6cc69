import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { Miniflare, type MiniflareOptions } from 'miniflare'

/** A worker of this folder, bundled and running in workerd with the given bindings, which are options of Miniflare. Dispose of it. */
export async function startWorkerd(source: string, bindings: Readonly<Record<string, unknown>>): Promise<Miniflare> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(source, import.meta.url))],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    external: ['cloudflare:*'],
    write: false,
  })
  return new Miniflare({
    modules: [{ type: 'ESModule', path: 'worker.mjs', contents: outputFiles[0]?.text ?? '' }],
    compatibilityDate: '2026-04-01',
    cf: false,
    ...bindings,
  } as MiniflareOptions)
}

/** The worker whose requests run cases of the contract: a Durable Object for each partition, and a bucket. */
export function startDatabaseWorker(): Promise<Miniflare> {
  return startWorkerd('database-worker.ts', { durableObjects: { PARQUEDB: { className: 'Partition', useSQLite: true } }, r2Buckets: ['BUCKET'] })
}
