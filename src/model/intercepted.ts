import type { DatabaseCollection } from './database.ts'

/** A method of a collection with its arguments. */
export interface Call {
  readonly ns: string
  readonly method: string
  readonly args: readonly unknown[]
}

/** A collection whose calls `answer` answers; the second argument carries one out on the collection itself, with these arguments. */
export function intercepted<T extends object>(collection: DatabaseCollection<T>, answer: (call: Call, carryOut: (args: readonly unknown[]) => unknown) => unknown): DatabaseCollection<T> {
  return new Proxy(collection, {
    get: (_, method: keyof DatabaseCollection) => {
      const member = collection[method]
      if (typeof member !== 'function') return member
      return (...args: unknown[]) => answer({ ns: collection.name, method, args }, (own) => (member as (...given: readonly unknown[]) => unknown).apply(collection, [...own]))
    },
  })
}
