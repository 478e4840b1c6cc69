export { ParqueDBClient } from './ParqueDBClient.ts'
export type { ParqueDBClientOptions } from './Transport.ts'
