import { ParqueDBError } from '../../base/ParqueDBError.ts'
import type { AppendLog } from '../../storage/append-log.ts'
import { FileLog, type AppendFile } from '../../storage/FileLog.ts'
import { validatePath, validatePrefix } from '../../storage/path-rules.ts'
import { notFound, pageLimit, parseCondition, preconditionFailed, validateRange, writerLocked } from '../../storage/request-rules.ts'
import { SharedSession } from '../../storage/SharedSession.ts'
import { sharing } from '../../storage/sharing.ts'
import type { ByteRange, ObjectInfo, OpenLogOptions, PutCondition, StorageBackend, WriterLine, WriterLock } from '../../storage/storage-backend.ts'
import { folderOf, type SimulatedFile } from './SimulatedDisk.ts'
import { SimulatedHolder } from './SimulatedHolder.ts'
import type { SimulatedProcess } from './SimulatedTime.ts'
import type { SimulatedWorld } from './SimulatedWorld.ts'

/** A process's way to the simulated disk: the steps of FsBackend, each of which takes time, may fail, and may be the last. */
export class SimulatedFolder implements StorageBackend {
  readonly kind = 'simulated'
  readonly #world: SimulatedWorld
  readonly #process: SimulatedProcess
  readonly #takeOver: boolean

  constructor(world: SimulatedWorld, process: SimulatedProcess, options: { takeOver: boolean }) {
    this.#world = world
    this.#process = process
    this.#takeOver = options.takeOver
    sharing.open = SharedSession.open
  }

  read(path: string): Promise<Uint8Array> {
    validatePath(path)
    return this.#io('read', path, () => this.#find(path).bytes.slice())
  }

  readRange(path: string, range: ByteRange): Promise<Uint8Array> {
    validatePath(path)
    validateRange(path, range)
    return this.#io('readRange', path, () => this.#find(path).bytes.slice(range.start, range.end))
  }

  stat(path: string): Promise<ObjectInfo | undefined> {
    validatePath(path)
    return this.#io('stat', path, () => {
      const file = this.#world.disk.find(path)
      return file === undefined ? undefined : describe(path, file)
    })
  }

  /** Pages may be short, and between two of them the folder changes. */
  list(prefix: string, options: { cursor?: string; limit?: number } = {}): Promise<{ objects: ObjectInfo[]; cursor?: string }> {
    validatePrefix(prefix)
    const { cursor } = options
    return this.#io('list', prefix, () => {
      const limit = Math.min(pageLimit(options.limit), this.#world.pageLimit())
      const paths = this.#world.disk.paths(prefix).filter((path) => cursor === undefined || path > cursor)
      const objects = paths.slice(0, limit).map((path) => describe(path, this.#find(path)))
      const last = objects.at(-1)
      return paths.length > limit && last !== undefined ? { objects, cursor: last.path } : { objects }
    })
  }

  async put(path: string, bytes: Uint8Array, condition?: PutCondition): Promise<{ etag: string }> {
    validatePath(path)
    const parsed = parseCondition(path, condition)
    const { disk } = this.#world
    const file = await this.#io('write', path, () => {
      this.#refuseWhenFull(path)
      this.#refuseSync(path)
      return disk.newFile(bytes.slice(), bytes.length)
    })
    await this.#io('place', path, () => {
      const found = disk.find(path)
      if (parsed.kind === 'absent' && found !== undefined) throw preconditionFailed(path, parsed, etagOf(found))
      if (parsed.kind === 'match' && (found === undefined || etagOf(found) !== parsed.etag)) throw preconditionFailed(path, parsed, found && etagOf(found))
      disk.rename(path, file)
    })
    await this.#syncFolder(path)
    return { etag: etagOf(file) }
  }

  async delete(path: string): Promise<void> {
    validatePath(path)
    const { disk } = this.#world
    await this.#io('delete', path, () => {
      if (disk.find(path) !== undefined) disk.rename(path, undefined)
    })
    await this.#syncFolder(path)
  }

  async openLog(options: OpenLogOptions): Promise<AppendLog> {
    return new FileLog({ create: (path) => this.#createFile(path), delete: (path) => this.delete(path) }, options)
  }

  async lockWriter({ share }: { share: boolean }): Promise<WriterLock> {
    const world = this.#world
    const process = this.#process
    const holder = new SimulatedHolder(process, share)
    const release = async (): Promise<void> => {
      if (world.lockHolder === holder) world.lockHolder = undefined
      holder.end()
    }
    const lock = this.#io('lock', '', () => {
      if (!this.#takeOver && world.lockHolder?.process.isAlive === true) throw writerLocked({ root: 'The simulated folder' })
      world.lockHolder = holder
      process.onDeath.add(() => holder.end())
      return { serve: (answer: Parameters<typeof holder.serve>[0]) => holder.serve(answer), release }
    })
    // A role that could not be handed out is not kept.
    lock.catch(release)
    return lock
  }

  async callWriter(): Promise<WriterLine | undefined> {
    const world = this.#world
    const holder = await this.#io('call', '', () => world.lockHolder)
    if (holder === undefined || !holder.process.isAlive) return undefined
    if (!holder.isShared) throw writerLocked({ root: 'The simulated folder' })
    return holder.line(world, this.#process)
  }

  async #createFile(path: string): Promise<AppendFile> {
    const { disk } = this.#world
    const file = await this.#io('create', path, () => {
      const found = disk.find(path)
      if (found !== undefined) throw preconditionFailed(path, { kind: 'absent' }, etagOf(found))
      const created = disk.newFile(new Uint8Array(0), 0)
      disk.rename(path, created)
      return created
    })
    await this.#syncFolder(path)
    return {
      write: async (bytes) => {
        // Readers may see a part of it, and a full disk takes a part of it.
        const half = this.#world.dice.below(bytes.length + 1)
        await this.#io('append', path, () => disk.append(file, bytes.slice(0, half)))
        await this.#io('append', path, () => {
          this.#refuseWhenFull(path)
          disk.append(file, bytes.slice(half))
        })
      },
      sync: () =>
        this.#io('sync', path, () => {
          if (this.#world.meets('sync')) {
            file.isUnwritable = true
            this.#world.hit('a sync fails')
            throw failure(`fsync of ${path} fails: EIO`)
          }
          disk.sync(file)
        }),
      close: async () => undefined,
    }
  }

  #find(path: string): SimulatedFile {
    const file = this.#world.disk.find(path)
    if (file !== undefined) return file
    this.#world.missing(this.#process, path)
    throw notFound(path)
  }

  #syncFolder(path: string): Promise<void> {
    return this.#io('syncFolder', path, () => {
      this.#refuseSync(path)
      this.#world.disk.syncFolder(folderOf(path))
    })
  }

  #refuseWhenFull(path: string): void {
    if (!this.#world.meets('full')) return
    this.#world.hit('the disk is full')
    throw failure(`${path} cannot be written: ENOSPC`)
  }

  #refuseSync(path: string): void {
    if (this.#world.meets('sync')) throw failure(`the folder of ${path} cannot be synced: EIO`)
  }

  /** One step: it takes effect at one moment, and the answer comes at a later one. */
  async #io<T>(point: string, path: string, work: () => T): Promise<T> {
    const world = this.#world
    await world.latency(this.#process)
    world.note(`${this.#process.name} ${point} ${path}`)
    if (world.meets('before')) throw failure(`${point} of ${path} fails: EIO`)
    const result = work()
    await world.latency(this.#process)
    if (world.meets('after')) {
      world.hit('an answer is lost')
      throw failure(`${point} of ${path} was done and its answer lost`)
    }
    return result
  }
}

function failure(message: string): ParqueDBError {
  return new ParqueDBError('STORAGE_UNAVAILABLE', `Simulated: ${message}.`)
}

function describe(path: string, file: SimulatedFile): ObjectInfo {
  return { path, sizeBytes: file.bytes.length, etag: etagOf(file) }
}

function etagOf(file: SimulatedFile): string {
  return String(file.version)
}
