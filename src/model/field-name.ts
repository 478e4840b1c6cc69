/** Names that reach an object's prototype instead of a field of its own. */
export const prototypeNames: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])
