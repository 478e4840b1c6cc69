/** Our own bug, never the caller's: `invariant` is the text of the rule that does not hold, e.g. 'I3: the log has no gaps'. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new Error(`Broken invariant: ${invariant}. This is a bug in ParqueDB; please report it.`)
}
