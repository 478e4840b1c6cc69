/** ES2024, and in every runtime we support; the declaration is missing from TypeScript's ES2023 library. */
const nativeIsWellFormed = (String.prototype as { isWellFormed?: () => boolean }).isWellFormed

const loneSurrogate = /[\ud800-\udfff]/u

/** False for a string with a lone surrogate, which UTF-8 cannot carry and storage would therefore change. */
export function isWellFormed(text: string): boolean {
  return nativeIsWellFormed === undefined ? !loneSurrogate.test(text) : nativeIsWellFormed.call(text)
}

/** Names that reach an object's prototype instead of a field of its own. */
export const prototypeNames: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])
