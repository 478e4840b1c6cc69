// What the crash trial uses of the built package.
export { ParqueDB } from '../dist/index.js'
export { FsBackend } from '../dist/node/index.js'
