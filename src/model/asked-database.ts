import { actingAs } from './acting.ts'
import type { Acting, ActingDatabase, Database } from './database.ts'

/** Methods about a database as a whole that have one answer. */
const askedMethods = ['collections', 'shortestPath', 'importEvents', 'flush', 'compact', 'retain', 'erase', 'checkpoint', 'stats', 'verify'] as const
export type AskedMethod = (typeof askedMethods)[number]

abstract class Asking {
  abstract ask(method: AskedMethod, args: readonly unknown[]): Promise<unknown>
  abstract close(): Promise<void>

  as(who: string | Acting): ActingDatabase {
    return actingAs(this as unknown as Database, who)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  static {
    for (const method of askedMethods) {
      Object.defineProperty(this.prototype, method, {
        async value(this: Asking, ...args: unknown[]) {
          return this.ask(method, args)
        },
      })
    }
  }
}

/** A database that is elsewhere: each of these methods is one question, which `ask` puts. Also what every handle has by its other methods. */
export const AskedDatabase = Asking as unknown as abstract new () => Pick<Database, AskedMethod> & Asking
