import { readFile } from 'node:fs/promises'
import type { PluginBuild } from 'esbuild'

/** A line of the source, and what is to stand there. */
export interface BrokenLine {
  /** Below the folder that the bundle is about. */
  readonly file: string
  readonly line: string
  readonly instead: string
}

/** Bundles the file at `path` with the line broken, everywhere that it stands. Fails where it does not. */
export function breakLine(build: PluginBuild, path: string, { file, line, instead }: BrokenLine): void {
  build.onLoad({ filter: /\.ts$/ }, async (loaded) => {
    if (loaded.path !== path) return undefined
    const source = await readFile(path, 'utf8')
    if (!source.includes(line)) throw new Error(`${file} has no ${line}`)
    return { contents: source.replaceAll(line, instead), loader: 'ts' }
  })
}
