/** A system as its states and the steps between them. States are plain data: equal ones have equal JSON. */
export interface Model<State> {
  readonly initial: State
  /** Every step that can be taken next, by whoever can take one. */
  readonly steps: (state: State) => Iterable<readonly [label: string, next: State]>
  /** What is wrong with a state; undefined when nothing is. */
  readonly violation: (state: State) => string | undefined
}

export interface Exploration {
  readonly stateCount: number
  /** The first violation, by a shortest sequence of steps that leads to it. */
  readonly violation: { readonly text: string; readonly trace: readonly string[] } | undefined
}

/** Visits every reachable state, nearest first, until one is wrong. Throws past `stateCountMax`: then nothing was proven. */
export function explore<State>(model: Model<State>, stateCountMax: number): Exploration {
  const cameFrom = new Map<string, { readonly key: string; readonly label: string } | undefined>()
  const queue: { readonly key: string; readonly state: State }[] = []
  const visit = (state: State, from: { key: string; label: string } | undefined): void => {
    const key = JSON.stringify(state)
    if (cameFrom.has(key)) return
    if (cameFrom.size >= stateCountMax) throw new Error(`The model has more than ${stateCountMax} states.`)
    cameFrom.set(key, from)
    queue.push({ key, state })
  }
  visit(model.initial, undefined)
  for (const { key, state } of queue) {
    const text = model.violation(state)
    if (text !== undefined) return { stateCount: cameFrom.size, violation: { text, trace: traceTo(key, cameFrom) } }
    for (const [label, next] of model.steps(state)) visit(next, { key, label })
  }
  return { stateCount: cameFrom.size, violation: undefined }
}

function traceTo(key: string, cameFrom: ReadonlyMap<string, { readonly key: string; readonly label: string } | undefined>): string[] {
  const trace: string[] = []
  for (let from = cameFrom.get(key); from !== undefined; from = cameFrom.get(from.key)) trace.unshift(from.label)
  return trace
}
