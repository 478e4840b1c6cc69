import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

// eslint-disable-next-line import/no-default-export -- vitest reads the default export
export default defineConfig({
  resolve: {
    alias: [
      { find: /^@parquedb\/storage$/, replacement: source('packages/storage/src/index.ts') },
      { find: /^parquedb$/, replacement: source('src/index.ts') },
      { find: /^parquedb\/(\w+)$/, replacement: `${source('src')}/$1/index.ts` },
    ],
  },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})
