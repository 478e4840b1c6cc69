/** What is used of the module that workerd brings; users have Cloudflare's own declarations of it. */
declare module 'cloudflare:workers' {
  /** Keeps the request that is under way alive until the work has ended. */
  export function waitUntil(work: Promise<unknown>): void
  export abstract class DurableObject<Env = unknown> {
    protected readonly ctx: unknown
    protected readonly env: Env
    constructor(ctx: unknown, env: Env)
  }
  /** What a caller in another Worker may call the methods of. */
  export abstract class RpcTarget {
    protected readonly isTarget?: true
  }
  export abstract class WorkerEntrypoint<Env = unknown> {
    protected readonly ctx: { waitUntil(work: Promise<unknown>): void }
    protected readonly env: Env
    constructor(ctx: unknown, env: Env)
  }
}
