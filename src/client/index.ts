export { ParqueDBClient, type ParqueDBClientOptions } from './ParqueDBClient.ts'
