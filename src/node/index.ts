export { FsBackend } from '../storage/FsBackend.ts'
export { listen, type Listener, type ListenOptions } from './listen.ts'
