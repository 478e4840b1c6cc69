import { parseArrayIndex, type FieldPath } from '../path.ts'
import { isObject, ownField, type Value } from '../values.ts'

export type ValueTest = (value: Value | undefined) => boolean

/**
 * A path's segments from one on, ready to walk. MongoDB's rules: where an array stands before the end of the path, the walk goes on in each of its
 * elements that is an object, and, when the next segment is a whole number, in the element at that index.
 */
interface Step {
  readonly name: string
  readonly index: number | undefined
  readonly next: Step | undefined
}

/**
 * Compiles `path` to a function that is true when `test` holds for some value at the path: each element of an array at its end, and the array
 * itself. `undefined` stands for a field that is absent; an array without objects has nothing at all inside.
 * An element that the path names by index is taken as it is. The empty path is the root itself, as it is.
 */
export function someAtPath(path: FieldPath, test: ValueTest): ValueTest {
  return compileWalk(path, (value) => (Array.isArray(value) ? value.some(test) || test(value) : test(value)), test)
}

/** Like someAtPath, but an array at the end of the path is taken as a whole only. */
export function someWholeAtPath(path: FieldPath, test: ValueTest): ValueTest {
  return compileWalk(path, test, test)
}

/** `atField` tests what a path ends on by name, `atIndex` what it ends on by an array's index. */
function compileWalk(path: FieldPath, atField: ValueTest, atIndex: ValueTest): ValueTest {
  const [name] = path
  if (name === undefined) return atIndex
  if (path.length === 1) return (root) => atField(isObject(root) ? ownField(root, name) : undefined)
  const walkFrom = (container: Value | undefined, step: Step): boolean => {
    if (Array.isArray(container)) return walkArray(container, step)
    if (!isObject(container)) return atField(undefined)
    const value = ownField(container, step.name)
    return step.next === undefined ? atField(value) : walkFrom(value, step.next)
  }
  const walkArray = (elements: readonly Value[], step: Step): boolean => {
    for (const element of elements) if (isObject(element) && walkFrom(element, step)) return true
    const element = step.index === undefined ? undefined : elements[step.index]
    if (element === undefined) return false
    if (step.next === undefined) return atIndex(element)
    return (isObject(element) || Array.isArray(element)) && walkFrom(element, step.next)
  }
  const first = path.reduceRight<Step | undefined>((next, each) => ({ name: each, index: parseArrayIndex(each), next }), undefined) as Step
  return (root) => walkFrom(root, first)
}
