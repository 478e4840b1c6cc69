import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

/** Makes ids: each is greater than every one before it from the same source. */
export interface IdSource {
  next(): string
}

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const timeLength = 10
const randomLength = 16
const idsAhead = 64
/** The last two characters, which alone differ between most neighbours, by what they count. */
const endings = Array.from({ length: 32 * 32 }, (_, count) => `${alphabet[count >>> 5]}${alphabet[count & 31]}`)

/**
 * Monotonic ULIDs (26 characters of Crockford's base 32: 48 bits of milliseconds, 80 random bits).
 * Within a millisecond, and when the clock steps back, the last id is incremented, so order holds.
 */
export function ulidSource(clock: Clock, random: Random): IdSource {
  let lastMs = -1
  /** All of the last id but its ending. */
  let beginning = ''
  let ending = 0
  const digits = new Uint8Array(randomLength - 2)
  /** Randomness for some ids to come: a call of the platform costs as much as all else of an id. */
  let ahead: Uint8Array = new Uint8Array(0)
  return {
    next() {
      const nowMs = clock.nowMs()
      if (nowMs > lastMs) {
        lastMs = nowMs
        if (ahead.length === 0) ahead = random.bytes(randomLength * idsAhead)
        const bytes = ahead.subarray(0, randomLength)
        ahead = ahead.subarray(randomLength)
        for (let index = 0; index < digits.length; index++) digits[index] = (bytes[index] ?? 0) & 31
        // Half of the space stays free, so that increments within the millisecond do not run out.
        digits[0] = (digits[0] ?? 0) & 15
        ending = ((bytes[randomLength - 2] ?? 0) & 31) * 32 + ((bytes[randomLength - 1] ?? 0) & 31)
        beginning = encodeTime(lastMs) + encodeDigits(digits)
      } else if (++ending === endings.length) {
        ending = 0
        if (!increment(digits)) lastMs += 1
        beginning = encodeTime(lastMs) + encodeDigits(digits)
      }
      return `${beginning}${endings[ending]}`
    },
  }
}

function encodeDigits(digits: Uint8Array): string {
  let text = ''
  for (const digit of digits) text += alphabet[digit]
  return text
}

function encodeTime(ms: number): string {
  let text = ''
  let rest = ms
  for (let index = 0; index < timeLength; index++) {
    text = (alphabet[rest % 32] ?? '0') + text
    rest = Math.floor(rest / 32)
  }
  return text
}

/** False when all digits were at their greatest; they are zero then. */
function increment(digits: Uint8Array): boolean {
  for (let index = digits.length - 1; index >= 0; index--) {
    const digit = digits[index] ?? 0
    if (digit < 31) {
      digits[index] = digit + 1
      return true
    }
    digits[index] = 0
  }
  return false
}
