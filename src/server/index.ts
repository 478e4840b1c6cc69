export type { AuthOptions, JwtAuth, KeyAuth } from './authenticate.ts'
export { createServer, type Server, type ServerLimits, type ServerOptions, type SessionDatabase } from './Server.ts'
