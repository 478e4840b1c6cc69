import { parseArrayIndex, parseFieldPath } from '../path.ts'
import { systemFields } from '../system-fields.ts'
import type { ArrayFilters } from './array-filters.ts'
import { invalidUpdate } from './invalid-update.ts'
import type { UpdatePath, UpdateStep } from './parsed-update.ts'

/** A dotted path with `$[]` and `$[name]`. INVALID_UPDATE for a field that the database keeps, a bare `$`, or any other '$' name but a top-level `$type`. */
export function parseUpdatePath(text: string, operator: string, filters: ArrayFilters): UpdatePath {
  const segments = parseFieldPath(text, 'INVALID_UPDATE')
  const [top = ''] = segments
  if (systemFields.has(top)) throw invalidUpdate(operator, text, `cannot change '${top}', which the database itself keeps`)
  const steps = segments.map((segment, index): UpdateStep => {
    if (!segment.startsWith('$') || (segment === '$type' && segments.length === 1)) return { kind: 'field', name: segment, index: parseArrayIndex(segment) }
    if (index === 0) throw invalidUpdate(operator, text, `cannot start with '${segment}'`)
    if (segment === '$[]') return { kind: 'all' }
    const named = /^\$\[(.+)\]$/.exec(segment)
    if (named?.[1] !== undefined) return { kind: 'matching', name: named[1], matches: filters.use(named[1], text) }
    if (segment === '$') throw invalidUpdate(operator, text, "uses the positional '$', which does not exist here; use $[name] with arrayFilters, or $[] for all elements")
    throw invalidUpdate(operator, text, `has '${segment}', which cannot be a field's name`)
  })
  return { text, steps }
}

/** The paths of one update. Two that are equal, or one inside the other, conflict: INVALID_UPDATE, whatever the operators. */
export class PathConflicts {
  readonly #root: PathNode = newNode()
  readonly #paths: UpdatePath[] = []

  add(path: UpdatePath, operator: string): void {
    let node = this.#root
    for (const step of path.steps) {
      const name = stepName(step)
      if (node.isEnd) throw conflict(operator, path)
      let next = node.inside.get(name)
      if (next === undefined) {
        next = newNode()
        node.inside.set(name, next)
      }
      node = next
    }
    if (node.isEnd || node.inside.size > 0) throw conflict(operator, path)
    node.isEnd = true
    this.#checkAllElements(path, operator)
    this.#paths.push(path)
  }

  /** 'a.$[]' also meets 'a.0' and 'a.$[x]', under other names. */
  #checkAllElements(path: UpdatePath, operator: string): void {
    const isWide = hasAll(path)
    for (const other of this.#paths) {
      if ((isWide || hasAll(other)) && overlap(path, other)) throw conflict(operator, path)
    }
  }
}

interface PathNode {
  isEnd: boolean
  readonly inside: Map<string, PathNode>
}

function newNode(): PathNode {
  return { isEnd: false, inside: new Map() }
}

function stepName(step: UpdateStep): string {
  switch (step.kind) {
    case 'field':
      return step.name
    case 'all':
      return '$[]'
    case 'matching':
      return `$[${step.name}]`
  }
}

function hasAll(path: UpdatePath): boolean {
  return path.steps.some((step) => step.kind === 'all')
}

function overlap(left: UpdatePath, right: UpdatePath): boolean {
  const shorter = Math.min(left.steps.length, right.steps.length)
  return left.steps.slice(0, shorter).every((step, index) => {
    const other = right.steps[index]
    return other !== undefined && (stepName(step) === stepName(other) || (step.kind === 'all' && isElement(other)) || (other.kind === 'all' && isElement(step)))
  })
}

function isElement(step: UpdateStep): boolean {
  return step.kind !== 'field' || step.index !== undefined
}

function conflict(operator: string, path: UpdatePath): Error {
  return invalidUpdate(operator, path.text, 'conflicts with another path of the same update, which is equal to it, inside it or around it')
}
