/** What a contract needs of a test runner; Vitest's `{ describe, test, expect }` is it, and so are Jest's. */
export interface TestTools {
  describe(name: string, body: () => void): void
  test(name: string, body: () => Promise<void>, timeoutMs?: number): void
  expect(value: unknown): {
    toBe(expected: unknown): void
    toEqual(expected: unknown): void
    readonly rejects: { toMatchObject(expected: object): Promise<void>; toThrow(message: string): Promise<void> }
  }
}

/** What each test gets of its own. */
export interface Fixture {
  readonly cleanup: () => Promise<void>
}

export type FixtureTest<F extends Fixture> = (name: string, body: (fixture: F) => Promise<void>, timeoutMs?: number) => void

/** A `test` that makes the body's fixture and cleans up after it, also when it failed. */
export function withFixture<F extends Fixture>(tools: TestTools, make: () => Promise<F>): FixtureTest<F> {
  return (name, body, timeoutMs) =>
    tools.test(
      name,
      async () => {
        const fixture = await make()
        try {
          await body(fixture)
        } finally {
          await fixture.cleanup()
        }
      },
      timeoutMs,
    )
}
