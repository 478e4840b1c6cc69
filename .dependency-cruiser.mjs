// The architecture as a table: each folder of src lists every folder it may import. docs/architecture.md shows the same
// table, and test/tidy.test.ts compares the two. A folder that is not listed here may not exist.
export const mayImport = {
  base: [],
  model: ['base'],
  parquet: ['base', 'model'],
  storage: ['base', 'model', 'parquet'],
  query: ['base', 'model', 'parquet', 'storage'],
  db: ['base', 'model', 'parquet', 'storage', 'query'],
  server: ['base', 'model', 'db'],
  client: ['base', 'model'],
  workers: ['base', 'model', 'storage', 'query', 'db', 'server'],
  node: ['base', 'model', 'storage', 'db', 'server', 'client'],
  cli: ['base', 'model', 'parquet', 'db', 'node', 'server'],
  testing: ['base', 'model', 'storage', 'db'],
}
/** `src/index.ts`, the main door. */
const mainMayImport = ['base', 'model', 'storage', 'query', 'db']

const test = '\\.test\\.ts$'
/** FsBackend and its parts: the only place below `node` that may see Node.js. */
const fsBackend = '^src/storage/backends/(FsBackend\\.ts$|fs/)'
const folders = (names) => `^src/(${names.join('|')})/`

const onlyBelow = Object.entries(mayImport).map(([folder, allowed]) => ({
  name: `${folder}-imports-only-below`,
  severity: 'error',
  from: { path: `^src/${folder}/`, pathNot: test },
  to: { path: '^src/', pathNot: folders([folder, ...allowed]) },
}))

export default {
  forbidden: [
    ...onlyBelow,
    {
      name: 'main-door-imports-the-database',
      severity: 'error',
      from: { path: '^src/[^/]+$' },
      to: { path: '^src/', pathNot: folders(mainMayImport) },
    },
    {
      name: 'every-folder-is-listed',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: folders(Object.keys(mayImport)) },
      to: {},
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '^cloudflare:' } },
    { name: 'workerd-in-workers-only', severity: 'error', from: { path: '^src/', pathNot: '^src/workers/' }, to: { path: '^cloudflare:' } },
    {
      name: 'parquet-owns-hyparquet',
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/parquet/|${test}` },
      to: { path: 'node_modules/(hyparquet|hysnappy)' },
    },
    {
      name: 'node-builtins-at-the-edge',
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/(cli|node)/|${fsBackend}|${test}` },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'fs-backend-comes-through-the-node-door',
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/node/|${fsBackend}|${test}` },
      to: { path: fsBackend },
    },
    {
      name: 'the-engine-knows-no-backend',
      severity: 'error',
      from: { path: '^src/storage/', pathNot: `^src/storage/(backends/|index\\.ts$)|${test}` },
      to: { path: '^src/storage/backends/' },
    },
    {
      name: 'runtime-dependencies-only',
      severity: 'error',
      from: { path: '^src/', pathNot: test },
      to: { dependencyTypes: ['npm-dev'] },
    },
    {
      name: 'code-never-imports-tests',
      severity: 'error',
      from: { pathNot: test },
      to: { path: test },
    },
    {
      name: 'facade-uses-the-doors-only',
      severity: 'error',
      from: { path: '^packages/' },
      to: { path: '^src/', pathNot: '^src/[^/]+/index\\.ts$' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['types', 'import', 'default'] },
  },
}
