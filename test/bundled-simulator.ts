import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { expect } from 'vitest'
import type { coveragePoints, simulate } from 'parquedb/testing'

/** A line of the source, and what is to stand there. */
export interface BrokenLine {
  /** Below src/storage. */
  readonly file: string
  readonly line: string
  readonly instead: string
}

/** The simulator and the engine in one file, which runs several times as fast as what vitest makes of them; with a line of it broken, where one is given. */
export async function bundledSimulator(folder: string, broken?: BrokenLine): Promise<{ simulate: typeof simulate; coveragePoints: typeof coveragePoints }> {
  const path = broken && resolve('src/storage', broken.file)
  const outfile = join(folder, 'simulator.mjs')
  await build({
    entryPoints: ['src/testing/simulate.ts'],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    logLevel: 'silent',
    plugins: [
      {
        name: 'broken line',
        setup(build) {
          build.onLoad({ filter: /\.ts$/ }, async (loaded) => {
            if (broken === undefined || loaded.path !== path) return undefined
            const source = await readFile(path, 'utf8')
            expect(source, `the line that is to be broken in ${broken.file}`).toContain(broken.line)
            return { contents: source.replaceAll(broken.line, broken.instead), loader: 'ts' }
          })
        },
      },
    ],
  })
  return import(pathToFileURL(outfile).href)
}
