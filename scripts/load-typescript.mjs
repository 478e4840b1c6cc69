// Trials run from the sources, as they are: bundled to a file inside node_modules, so that packages are found, and imported.
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The module at this path from the root of the clone. */
export async function loadTypeScript(path) {
  const outfile = join(root, 'node_modules/.cache/trials', `${process.pid}-${path.replaceAll('/', '-')}.mjs`)
  await build({ entryPoints: [join(root, path)], outfile, bundle: true, format: 'esm', platform: 'node', target: 'node20', packages: 'external', sourcemap: 'inline', logLevel: 'silent' })
  return import(pathToFileURL(outfile).href)
}
