// How everything here is timed: contestants take turns in one process, and must give the same answer.
import { deepStrictEqual } from 'node:assert/strict'

/** Until the code that is timed has been compiled, which takes V8 some hundred calls: each contestant has so much time of its own that is not counted, one turn at least. */
const warmUpMs = 2000
/** What is quick takes more turns, as each is soon disturbed: rounds go on for this long, up to so many times what was asked for. */
const countedMs = 1000
const moreRoundsMax = 5

/**
 * Runs each contestant by itself, uncounted, and then all in turn, `rounds` times or more, beginning with another one each time; gives each one's median in
 * milliseconds per unit of work, by name. A contestant is { name, prepare?, run, answer?, cleanup?, count? }: only `run` is timed, it is given what
 * `prepare` gave, and `count` is how many units it does. `answer` makes of its result what must be equal among those that have an `answer`.
 */
export async function contest({ rounds, contestants }) {
  const times = new Map(contestants.map(({ name }) => [name, []]))
  // What was there before is in nobody's time.
  globalThis.gc()
  for (const contestant of contestants) {
    const untilMs = performance.now() + warmUpMs
    do await takeTurn(contestant, [])
    while (performance.now() < untilMs)
  }
  const startMs = performance.now()
  const goesOn = (round) => round < rounds || (round < rounds * moreRoundsMax && performance.now() - startMs < countedMs)
  for (let round = 0; goesOn(round); round++) {
    const answers = []
    for (let turn = 0; turn < contestants.length; turn++) {
      const contestant = contestants[(turn + round) % contestants.length]
      times.get(contestant.name).push((await takeTurn(contestant, answers)) / (contestant.count ?? 1))
    }
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
