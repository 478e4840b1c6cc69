// How everything here is timed: contestants take turns in one process, and must give the same answer.
import { deepStrictEqual } from 'node:assert/strict'

/** Until the code that is timed has been compiled, which takes V8 some hundred calls: as many rounds as this takes, at least one, are not counted. */
const warmUpMs = 4000

/**
 * Runs the contestants in turn, uncounted at first and then `rounds` times, beginning with another one each time; gives each one's median in
 * milliseconds per unit of work, by name. A contestant is { name, prepare?, run, answer?, cleanup?, count? }: only `run` is timed, it is given what
 * `prepare` gave, and `count` is how many units it does. `answer` makes of its result what must be equal among those that have an `answer`.
 */
export async function contest({ rounds, contestants }) {
  const times = new Map(contestants.map(({ name }) => [name, []]))
  // What was there before is in nobody's time.
  globalThis.gc()
  const warmUntilMs = performance.now() + warmUpMs
  let counted = 0
  for (let round = 0; counted < rounds; round++) {
    const counts = round > 0 && performance.now() >= warmUntilMs
    const answers = []
    for (let turn = 0; turn < contestants.length; turn++) {
      const contestant = contestants[(turn + round) % contestants.length]
      const ms = await takeTurn(contestant, answers)
      if (counts) times.get(contestant.name).push(ms / (contestant.count ?? 1))
    }
    if (counts) counted++
  }
  return new Map([...times].map(([name, each]) => [name, median(each)]))
}

async function takeTurn({ name, prepare, run, answer, cleanup }, answers) {
  const ready = await prepare?.()
  // What others left behind is not this one's to collect; a whole collection would go on in other threads, and in the time of whoever is next.
  globalThis.gc({ type: 'minor' })
  const startMs = performance.now()
  const result = await run(ready)
  const ms = performance.now() - startMs
  if (answer !== undefined) {
    answers.push({ name, answer: await answer(result, ready) })
    deepStrictEqual(answers.at(-1).answer, answers[0].answer, `${name} and ${answers[0].name} give different answers`)
  }
  await cleanup?.(ready)
  return ms
}

export function median(values) {
  const sorted = values.toSorted((left, right) => left - right)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
