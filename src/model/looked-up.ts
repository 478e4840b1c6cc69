import { isPlainObject } from './parse-document.ts'

/** The collections besides its own that a pipeline reads, whether it is a right one or not; undefined stands for any, as relationships lead anywhere. */
export function namespacesLookedUp(pipeline: unknown): (string | undefined)[] {
  if (Array.isArray(pipeline)) return pipeline.flatMap((stage: unknown) => namespacesLookedUp(stage))
  if (!isPlainObject(pipeline)) return []
  return Object.entries(pipeline).flatMap(([name, operand]) => {
    if (name !== '$lookup') return namespacesLookedUp(operand)
    return [isPlainObject(operand) && typeof operand['from'] === 'string' ? operand['from'] : undefined]
  })
}
