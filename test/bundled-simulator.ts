import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { breakLine, type BrokenLine } from './broken-line.ts'
import type { coveragePoints, simulate } from 'parquedb/testing'

/** The simulator and the engine in one file, which runs several times as fast as what vitest makes of them; with a line of it broken, where one is given. */
export async function bundledSimulator(folder: string, broken?: BrokenLine): Promise<{ simulate: typeof simulate; coveragePoints: typeof coveragePoints }> {
  const outfile = join(folder, 'simulator.mjs')
  await build({
    entryPoints: ['src/testing/simulate.ts'],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    logLevel: 'silent',
    plugins: broken === undefined ? [] : [{ name: 'broken line', setup: (build) => breakLine(build, resolve('src/storage', broken.file), broken) }],
  })
  return import(pathToFileURL(outfile).href)
}
