import { isParqueDBError } from '../../base/ParqueDBError.ts'
import { ParqueDB } from '../../db/ParqueDB.ts'
import type { EngineStats } from '../../storage/engine.ts'
import type { EngineOptions } from '../../storage/engine-options.ts'
import { Violation, type Oracle, type Reader } from './Oracle.ts'
import { SimulatedBucket } from './SimulatedBucket.ts'
import { SimulatedFolder } from './SimulatedFolder.ts'
import type { SimulatedProcess } from './SimulatedTime.ts'
import { calm, type SimulatedWorld } from './SimulatedWorld.ts'
import { schema } from './workload.ts'

/** Whatever is asked for comes within this time, or it hangs. */
const patienceMs = 600_000
const openAttempts = 4

/** A process that has the database open. */
export interface Node extends Reader {
  readonly db: ParqueDB
  readonly process: SimulatedProcess
  /** Rejects when the process dies. */
  readonly gone: Promise<never>
  readonly die: () => void
  /** What was begun and has not ended; none of it rejects. */
  readonly underWay: Set<Promise<void>>
  /** Ends with the read that was begun last: reads of one process are in order, so that none may be older than the one before. */
  lastRead: Promise<void>
  epoch: number
  /** It takes no more writes. */
  isBroken: boolean
}

/** What happens to work of a process that died. */
export class Gone extends Error {}

/** The processes of one run: the newest writer, former ones that do not know it yet, and followers. */
export class Cluster {
  zombies: Node[] = []
  followers: Node[] = []
  /** Write through the owner; when it is gone, one of them may become a writer by itself. */
  guests: Node[] = []
  readonly #world: SimulatedWorld
  readonly #oracle: Oracle
  readonly #options: EngineOptions
  readonly #isShared: boolean
  #count = 0
  #owner: Node | undefined

  constructor(parts: { world: SimulatedWorld; oracle: Oracle; options: EngineOptions; isShared: boolean }) {
    this.#isShared = parts.isShared
    this.#world = parts.world
    this.#oracle = parts.oracle
    this.#options = parts.options
  }

  /** The newest writer, until it has left the role, or a guest that had it before takes an epoch after all. In a bucket there is no role to leave. */
  get owner(): Node | undefined {
    if (this.#world.home === 'bucket') return this.#owner
    const newest = this.#world.disk.paths('epoch/').at(-1)
    const isNewest = this.#owner !== undefined && Number(newest?.slice('epoch/'.length)) === this.#owner.epoch
    return isNewest && this.#world.lockHolder?.process === this.#owner?.process ? this.#owner : undefined
  }

  /** Opens a writer until that succeeds; the former one, if it lives, is a zombie from then on. */
  async openOwner(how: { takeOver: boolean; mayDie: boolean }): Promise<Node> {
    if (this.#owner !== undefined) this.zombies.push(this.#owner)
    this.#owner = undefined
    for (let attempt = 1; ; attempt++) {
      if (attempt === openAttempts) this.#world.weather = calm
      const node = this.#start('writer', how.takeOver || attempt > 1)
      const isDoomed = how.mayDie && attempt === 1 && this.#world.dice.chance(0.2)
      if (isDoomed) this.#dieSoon(node)
      if (await this.#finishOpening(node)) {
        this.#owner = node
        return node
      }
      if (attempt > 2 * openAttempts) throw new Violation('The database does not open though nothing fails')
    }
  }

  /** Two processes take over at the same time: the one with the newer epoch has it. */
  async race(): Promise<void> {
    if (this.#owner !== undefined) this.zombies.push(this.#owner)
    this.#owner = undefined
    const nodes = [this.#start('writer', true), this.#start('writer', true)]
    const opened = await Promise.all(nodes.map((node) => this.#finishOpening(node)))
    const living = nodes.filter((_, index) => opened[index]).toSorted((left, right) => left.epoch - right.epoch)
    if (living.length === 2) {
      this.#world.hit('two writers open at once')
      if (living[0]?.epoch === living[1]?.epoch) throw new Violation(`Two writers have the epoch ${living[0]?.epoch}`)
    }
    this.#owner = living.pop()
    this.zombies.push(...living)
    if (this.#owner === undefined) await this.openOwner({ takeOver: true, mayDie: false })
  }

  async openFollower(): Promise<void> {
    const node = this.#start('follower', false)
    if (await this.#finishOpening(node)) this.followers.push(node)
  }

  async openGuest(): Promise<void> {
    const node = this.#start('guest', false)
    if (!(await this.#finishOpening(node))) return
    this.guests.push(node)
  }

  get all(): Node[] {
    return [...this.zombies, ...this.followers, ...this.guests, ...(this.#owner === undefined ? [] : [this.#owner])]
  }

  /** Waits for work of a process; `Gone` when it dies first. */
  async within<T>(node: Node, work: Promise<T>): Promise<T> {
    const late = this.#world.time.wait(patienceMs).then(() => {
      throw new Violation(`${node.name} hangs`)
    })
    late.catch(() => undefined)
    return Promise.race([work, node.gone, late])
  }

  async drain(node: Node): Promise<void> {
    await Promise.all(node.underWay)
  }

  /** Ends a process in good order, if it can. */
  async close(node: Node): Promise<void> {
    const stats = await this.#stats(node)
    if (stats !== undefined) this.noteWork(stats)
    try {
      await this.within(node, node.db.close())
    } catch (error) {
      if (!(error instanceof Gone) && !isParqueDBError(error)) throw error
    }
    this.kill(node)
  }

  kill(node: Node): void {
    node.process.isAlive = false
    for (const end of node.process.onDeath) end()
    node.die()
    if (this.#owner === node) this.#owner = undefined
    this.zombies = this.zombies.filter((other) => other !== node)
    this.followers = this.followers.filter((other) => other !== node)
    this.guests = this.guests.filter((other) => other !== node)
  }

  cutPower(): void {
    for (const node of this.all) this.kill(node)
    const { lostBytes, tornFiles, lostNames } = this.#world.disk.cutPower()
    this.#world.lockHolder = undefined
    this.#world.note(`power cut: ${lostBytes} bytes and ${lostNames} names lost, ${tornFiles} files torn`)
    if (lostBytes > 0) this.#world.hit('a power cut loses unsynced bytes')
    if (tornFiles > 0) this.#world.hit('a power cut tears a file at a sector')
    if (lostNames > 0) this.#world.hit('a power cut loses a name')
  }

  /** Coverage of what goes on in the background; Violation when something broke there. */
  noteWork({ background, open }: EngineStats): void {
    if (background.lastError?.startsWith('Broken invariant') === true) throw new Violation(background.lastError)
    if (background.lastError !== undefined) this.#world.hit('background work failed')
    if (background.flushes > 0) this.#world.hit('a flush')
    if (background.compactions > 0) this.#world.hit('a merge')
    if (open.replayedEvents > 0) this.#world.hit('opening replays the log')
  }

  #start(kind: 'writer' | 'follower' | 'guest', takeOver: boolean): Node {
    const world = this.#world
    const name = `${kind}${++this.#count}`
    const process: SimulatedProcess = { name, isAlive: true, frozenUntilMs: 0, skewMs: world.dice.below(2000) - 1000, onDeath: new Set() }
    const random = world.dice.child().source
    const storage = world.home === 'folder' ? new SimulatedFolder(world, process, { takeOver }) : new SimulatedBucket(world, process, random)
    const db = new ParqueDB({ ...this.#options, storage, schema, clock: world.time.clockOf(process), random, readOnly: kind === 'follower', share: kind === 'guest' || (kind === 'writer' && this.#isShared) })
    let die = (): void => undefined
    const gone = new Promise<never>((_resolve, reject) => {
      die = () => reject(new Gone(`${name} died`))
    })
    gone.catch(() => undefined)
    return { name, seq: 0, db, process, gone, die, underWay: new Set(), lastRead: Promise.resolve(), epoch: 0, isBroken: false }
  }

  #dieSoon(node: Node): void {
    void this.#world.time.wait(this.#world.dice.below(30)).then(() => {
      if (node.epoch !== 0 || !node.process.isAlive) return
      this.#world.hit('a process dies while it opens')
      this.kill(node)
    })
  }

  async #finishOpening(node: Node): Promise<boolean> {
    try {
      const stats = await this.within(node, node.db.stats())
      node.epoch = stats.epoch
      if (stats.role === 'guest') this.#world.hit('a guest opens')
      this.#world.note(`${node.name} opened: epoch ${stats.epoch}, ${stats.lastSeq} events, ${stats.open.tornBytes} torn bytes`)
      if (stats.open.tornBytes > 0 && !stats.readOnly) this.#world.hit('a torn tail is cut off')
      // What was read back once is there for every later writer.
      if (stats.role === 'writer' && stats.lastSeq < this.#oracle.lastSeq) throw new Violation(`${node.name} opened at seq ${stats.lastSeq}, and ${this.#oracle.lastSeq} had been read`)
      if (stats.role !== 'guest' || node.name.startsWith('guest')) return true
      // It was to be the writer, and found a guest that is.
      this.guests.push(node)
      return false
    } catch (error) {
      this.#world.note(`${node.name} does not open: ${String(error)}`)
      this.kill(node)
      if (isParqueDBError(error, 'WRITER_LOCKED')) this.#world.hit('a second writer is locked out')
      if (error instanceof Gone || (isParqueDBError(error) && openingErrors.has(error.code))) return false
      throw error
    }
  }

  async #stats(node: Node): Promise<EngineStats | undefined> {
    try {
      return await this.within(node, node.db.stats())
    } catch (error) {
      if (error instanceof Gone || isParqueDBError(error)) return undefined
      throw error
    }
  }
}

/** NOT_FOUND: a follower comes before there is a database, or before the file that it wants. */
const openingErrors = new Set(['WRITER_LOCKED', 'WRITER_FENCED', 'STORAGE_UNAVAILABLE', 'NOT_FOUND'])
