export { FsBackend } from '../storage/backends/FsBackend.ts'
export { listen, type Listener, type ListenOptions } from './listen.ts'
