import type { TestTools } from '../../src/testing/test-tools.ts'

/*
 * A contract suite that runs whole in workerd: there its tests are collected by name, here in Node Vitest declares the same names and has each one run by a request.
 * The suites use little of a test runner, so what they need of `expect` is below.
 */

export type Suite = (tools: TestTools) => void
type Bodies = ReadonlyMap<string, () => Promise<void>>

/** The tests that a suite declares, by their names with those of the groups around them. */
export function collectTests(suite: Suite): Bodies {
  const bodies = new Map<string, () => Promise<void>>()
  const groups: string[] = []
  suite({
    describe(name, body) {
      groups.push(name)
      body()
      groups.pop()
    },
    test(name, body) {
      bodies.set([...groups, name].join(' > '), body)
    },
    expect: expectation,
  })
  return bodies
}

/** In workerd: runs the one test that is asked for and tells what failed. */
export async function answerTest(suite: Suite, name: string): Promise<Response> {
  const body = collectTests(suite).get(name)
  if (body === undefined) return new Response(`There is no test '${name}'.`, { status: 404 })
  try {
    await body()
    return new Response('passed')
  } catch (error) {
    return new Response(error instanceof Error ? (error.stack ?? String(error)) : String(error), { status: 500 })
  }
}

function expectation(value: unknown): ReturnType<TestTools['expect']> {
  return {
    toBe: (expected) => must(Object.is(value, expected), value, 'is not', expected),
    toEqual: (expected) => must(equals(value, expected), value, 'does not equal', expected),
    rejects: {
      toMatchObject: async (expected) => {
        const error = await rejectionOf(value)
        must(matches(error, expected), error, 'does not match', expected)
      },
      toThrow: async (message) => {
        const error = await rejectionOf(value)
        must(error instanceof Error && error.message.includes(message), error, 'does not say', message)
      },
    },
  }
}

async function rejectionOf(value: unknown): Promise<unknown> {
  return (typeof value === 'function' ? (value as () => Promise<unknown>)() : (value as Promise<unknown>)).then(
    (resolved) => Promise.reject(new Error(`It resolved, to ${show(resolved)}.`)),
    (error: unknown) => error,
  )
}

function must(holds: boolean, value: unknown, says: string, expected: unknown): void {
  if (!holds) throw new Error(`${show(value)} ${says} ${show(expected)}`)
}

/** As Vitest's toEqual: properties that are undefined do not count, nor do prototypes. */
function equals(left: unknown, right: unknown): boolean {
  if (Object.is(left, right)) return true
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  if (left instanceof Date || right instanceof Date) return left instanceof Date && right instanceof Date && left.getTime() === right.getTime()
  if (Array.isArray(left) !== Array.isArray(right) || left instanceof Uint8Array !== right instanceof Uint8Array) return false
  if ((Array.isArray(left) || left instanceof Uint8Array) && left.length !== (right as unknown[]).length) return false
  if (left instanceof Map && right instanceof Map) return equals([...left], [...right])
  if (left instanceof Set && right instanceof Set) return equals([...left], [...right])
  if (left instanceof Error && right instanceof Error) return left.message === right.message
  const keys = new Set([...Object.keys(left), ...Object.keys(right)])
  return [...keys].every((key) => equals((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key]))
}

function matches(value: unknown, expected: unknown): boolean {
  if (typeof expected !== 'object' || expected === null || expected instanceof Date || Array.isArray(expected)) return equals(value, expected)
  return typeof value === 'object' && value !== null && Object.entries(expected).every(([key, inner]) => matches((value as Record<string, unknown>)[key], inner))
}

function show(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message} ${JSON.stringify(value)}`
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? `${inner}n` : inner))?.slice(0, 2000) ?? String(value)
}
