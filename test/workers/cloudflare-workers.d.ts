/** What is used of the module that workerd brings; users have Cloudflare's own declarations of it. */
declare module 'cloudflare:workers' {
  export abstract class DurableObject<Env = unknown> {
    protected readonly ctx: unknown
    protected readonly env: Env
    constructor(ctx: unknown, env: Env)
  }
  export abstract class WorkerEntrypoint<Env = unknown> {
    protected readonly ctx: { waitUntil(work: Promise<unknown>): void }
    protected readonly env: Env
    constructor(ctx: unknown, env: Env)
  }
}
