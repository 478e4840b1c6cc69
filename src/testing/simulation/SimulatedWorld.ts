import { BucketContent } from './BucketContent.ts'
import { Dice } from './Dice.ts'
import { SimulatedDisk } from './SimulatedDisk.ts'
import type { SimulatedHolder } from './SimulatedHolder.ts'
import { SimulatedTime, type SimulatedProcess } from './SimulatedTime.ts'

/** The ways in which a step of the disk may fail, and how often each does. */
export type Weather = Readonly<Record<'before' | 'after' | 'sync' | 'full', number>>

export const calm: Weather = { before: 0, after: 0, sync: 0, full: 0 }
/** One step in so many takes long. */
const slowOdds = 200
/** Lines of the trace that are kept for the report of a failure. */
const keptLines = 400

/** Everything outside of the engine: time, chance, the disk and its weather, and a record of what happened. */
export class SimulatedWorld {
  readonly dice: Dice
  readonly time: SimulatedTime
  /** Where the database is: on the disk, or in the bucket. */
  readonly home: 'folder' | 'bucket'
  readonly disk: SimulatedDisk
  readonly bucket = new BucketContent()
  readonly coverage = new Map<string, number>()
  lockHolder: SimulatedHolder | undefined
  weather: Weather = calm
  readonly #ioDice: Dice
  #traceHash = 0x811c9dc5
  #lines: string[] = []

  constructor({ seed, turn, home }: { seed: number; turn: () => Promise<void>; home: 'folder' | 'bucket' }) {
    this.home = home
    this.dice = new Dice(seed)
    this.#ioDice = this.dice.child()
    this.time = new SimulatedTime(this.dice.child(), turn)
    this.disk = new SimulatedDisk(this.dice.child())
  }

  get traceHash(): string {
    return (this.#traceHash >>> 0).toString(16).padStart(8, '0')
  }

  get lastLines(): readonly string[] {
    return this.#lines
  }

  /** Counts a coverage point. */
  hit(point: string): void {
    this.coverage.set(point, (this.coverage.get(point) ?? 0) + 1)
  }

  /** Adds to the trace, whose hash two runs of a seed share. */
  note(line: string): void {
    const text = `${Math.round((this.time.nowMs - 1_700_000_000_000) * 1000) / 1000} ${line}`
    // FNV-1a, of UTF-16 units.
    for (let at = 0; at < text.length; at++) this.#traceHash = Math.imul(this.#traceHash ^ text.charCodeAt(at), 0x01000193)
    this.#lines.push(text)
    if (this.#lines.length > 2 * keptLines) this.#lines = this.#lines.slice(-keptLines)
  }

  latency(process: SimulatedProcess): Promise<void> {
    return this.time.wait(this.#ioDice.below(slowOdds) === 0 ? this.#ioDice.below(2000) : 0, process)
  }

  meets(danger: keyof Weather): boolean {
    return this.weather[danger] > 0 && this.#ioDice.chance(this.weather[danger])
  }

  /** Objects on a page of a listing, at most. */
  pageLimit(): number {
    return this.#ioDice.chance(0.2) ? 1 + this.#ioDice.below(4) : 1000
  }

  /** A process looked for a file that is not there. */
  missing(process: SimulatedProcess, path: string): void {
    if (process.name.startsWith('follower') && path !== 'FORMAT') this.hit('a reader races garbage collection')
  }
}
