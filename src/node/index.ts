export { FsBackend } from '../storage/FsBackend.ts'
