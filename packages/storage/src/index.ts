export * from 'parquedb/storage'
export { FsBackend } from 'parquedb/node'
