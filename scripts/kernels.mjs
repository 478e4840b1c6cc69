// Puts src/parquet/kernels.wat into src/parquet/wasm-code.ts, as WebAssembly.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import wabt from 'wabt'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

const module = (await wabt()).parseWat('kernels.wat', readFileSync('src/parquet/kernels.wat', 'utf8'), { simd: true })
module.validate()
const code = Buffer.from(module.toBinary({}).buffer).toString('base64')
writeFileSync(
  'src/parquet/wasm-code.ts',
  `/** kernels.wat as \`npm run kernels\` has compiled it, in Base64. */\nexport const kernelsCode =\n  '${code}'\n`,
)
console.log(`src/parquet/wasm-code.ts: ${code.length} characters`)
