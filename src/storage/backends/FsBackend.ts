import { closeSync, constants, fstatSync, lstatSync, openSync, type BigIntStats } from 'node:fs'
import { link, lstat, open, readdir, realpath, rename, unlink } from 'node:fs/promises'
import { dirname, join, resolve, toNamespacedPath } from 'node:path'
import { ParqueDBError } from '../../base/ParqueDBError.ts'
import { systemRandom } from '../../base/random.ts'
import { toHex } from '../../base/bytes.ts'
import { useWasmKernels } from '../../parquet/WasmKernels.ts'
import type { AppendLog } from '../append-log.ts'
import { FileLog, type AppendFile } from '../FileLog.ts'
import { appendFile, writesAreSynced } from './fs/append-file.ts'
import { Folders, syncFolder } from './fs/Folders.ts'
import { Gate } from './Gate.ts'
import { errnoOf, hasErrno, storageError, undefinedWhen } from './fs/storage-error.ts'
import { readUpTo, writeAll } from './fs/transfer.ts'
import { walkFolder } from './fs/walk-folder.ts'
import { callWriterSocket, holdWriterSocket } from './fs/writer-socket.ts'
import { reservedNamePrefix, validatePath, validatePrefix } from '../path-rules.ts'
import { SharedSession } from '../SharedSession.ts'
import { sharing } from '../sharing.ts'
import { assertCondition, notFound, pageLimit, parseCondition, preconditionFailed, validateRange, type ParsedCondition } from '../request-rules.ts'
import type { ByteRange, ObjectInfo, OpenLogOptions, PutCondition, StorageBackend, WriterLine, WriterLock } from '../storage-backend.ts'

/** Below the root; what a crash leaves in it is removed by the next writer. */
const temporaryFolder = `${reservedNamePrefix}tmp`
/** Whoever locks cannot know whether a writer that took over, or was taken over, is still at work: it leaves it what is younger. */
const temporaryAgeMsMax = 60 * 60 * 1000
/** A whole object is one allocation; larger ones are read by ranges. */
const readBytesMax = 1024 * 1024 * 1024
/** Up to here a range is allocated as asked; past it only after a look at the object's size. */
const uncheckedRangeBytesMax = 1024 * 1024
/** Objects of a page looked at together. */
const statCountMax = 16
/** Operations with a file open; more wait. Node.js works on four at a time, and a process may open some 1,000 files. */
const openFileCountMax = 64

interface WrittenFile {
  readonly temporary: string
  readonly etag: string
}

/** Links are not followed, and a pipe cannot make an open wait. Windows has neither flag. */
const readFlags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/**
 * Objects as files in a folder.
 *
 * A put writes a temporary file, syncs it, and links or renames it to its name, then syncs the folder: a reader in any
 * process, and a crash, see the old object or the new one. `ifAbsent` is atomic between processes and machines.
 * `ifMatch` is atomic only within this instance, since a rename cannot compare: processes that race create objects
 * with `ifAbsent` instead. Bytes given to `put` must not change before it resolves.
 * Symbolic links below the root are not followed. A folder cannot hold both `a` and `a/b`.
 */
export class FsBackend implements StorageBackend {
  readonly kind = 'fs'
  readonly #root: string
  readonly #takeOver: boolean
  readonly #folders: Folders
  readonly #openFiles = new Gate(openFileCountMax)
  /** The last commit on each path that has one under way. */
  readonly #commits = new Map<string, Promise<void>>()
  #lastMtimeUs = 0

  /**
   * `root` is made when something is first put. `takeOver`: `lockWriter` succeeds though another process holds the
   * role; for a folder shared by machines or containers, where liveness cannot be seen and only the fence decides.
   */
  constructor(root: string, options: { takeOver?: boolean } = {}) {
    if (typeof root !== 'string' || root === '' || root.includes('\0')) throw new ParqueDBError('INVALID_ARGUMENT', `FsBackend needs the path of a folder, not ${JSON.stringify(root)}.`, { details: { root } })
    this.#root = resolve(root)
    this.#takeOver = options.takeOver ?? false
    this.#folders = new Folders(this.#root)
    // Whoever has folders is Node.js, which may make code from bytes, and whose processes may share one.
    useWasmKernels()
    sharing.open = SharedSession.open
  }

  async read(path: string): Promise<Uint8Array> {
    return this.#withFile(path, async (file) => {
      const stats = fstatSync(file)
      if (!stats.isFile()) throw notFound(path)
      const { size } = stats
      if (size > readBytesMax) throw tooLarge(path, size)
      return readUpTo(file, { start: 0, end: size })
    })
  }

  async readRange(path: string, range: ByteRange): Promise<Uint8Array> {
    validateRange(path, range)
    return this.#withFile(path, async (file) => {
      if (range.end - range.start <= uncheckedRangeBytesMax) return readUpTo(file, range)
      const end = Math.min(range.end, fstatSync(file).size)
      if (end - range.start > readBytesMax) throw tooLarge(path, end - range.start)
      return readUpTo(file, { start: Math.min(range.start, end), end })
    })
  }

  /** In the calling thread: the kernel answers in microseconds, handing it to another takes thirty times as long, and each commit waits for two. */
  stat(path: string): Promise<ObjectInfo | undefined> {
    // Each commit looks for a file that is not there: an error for that would cost more than looking.
    return this.#stat(path, (location) => lstatSync(location, { bigint: true, throwIfNoEntry: false }))
  }

  async #stat(path: string, look: (location: string) => BigIntStats | undefined | Promise<BigIntStats>): Promise<ObjectInfo | undefined> {
    const location = this.#locate(path)
    try {
      const found = await look(location)
      return found?.isFile() === true ? { path, sizeBytes: Number(found.size), etag: etagOf(found) } : undefined
    } catch (error) {
      if (hasErrno(error, ...absence)) return undefined
      throw storageError(error, { operation: 'look at', path })
    }
  }

  async list(prefix: string, options: { cursor?: string; limit?: number } = {}): Promise<{ objects: ObjectInfo[]; cursor?: string }> {
    validatePrefix(prefix)
    const limit = pageLimit(options.limit)
    const paths: string[] = []
    const objects: ObjectInfo[] = []
    try {
      for await (const path of walkFolder(this.#root, { prefix, after: options.cursor })) if (paths.push(path) > limit) break
      const page = paths.slice(0, limit)
      for (let at = 0; at < page.length; at += statCountMax) objects.push(...(await this.#statAll(page.slice(at, at + statCountMax))))
      return paths.length > limit ? { objects, cursor: page[limit - 1] as string } : { objects }
    } catch (error) {
      throw storageError(error, { operation: 'list', path: prefix })
    }
  }

  async put(path: string, bytes: Uint8Array, condition?: PutCondition): Promise<{ etag: string }> {
    const target = this.#locate(path)
    const parsed = parseCondition(path, condition)
    try {
      return await this.#openFiles.run(async () => {
        await this.#folders.prepare(dirname(target))
        await this.#folders.prepare(join(this.#root, temporaryFolder))
        return this.#putFile(path, bytes, parsed)
      })
    } catch (error) {
      if (hasErrno(error, ...absence)) this.#folders.forget()
      throw storageError(error, { operation: 'put', path })
    }
  }

  async delete(path: string): Promise<void> {
    const target = this.#locate(path)
    try {
      await this.#openFiles.run(() =>
        this.#commit(path, async () => {
          await unlinkIfThere(target)
          await this.#syncFolderOf(target)
        }),
      )
    } catch (error) {
      if (!hasErrno(error, ...absence)) throw storageError(error, { operation: 'delete', path })
    }
  }

  async openLog(options: OpenLogOptions): Promise<AppendLog> {
    return new FileLog({ create: (path) => this.#createAppendFile(path), delete: (path) => this.delete(path) }, options)
  }

  /** The role ends with `release` or with the process. Also removes what puts cut short by a crash have left more than an hour ago. */
  async lockWriter(options: { share?: boolean } = {}): Promise<WriterLock> {
    try {
      await this.#folders.prepare(this.#root)
      const lock = await holdWriterSocket({ root: await realpath(this.#root), takeOver: this.#takeOver, share: options.share ?? false })
      await this.#removeTemporaries().catch(async (error: unknown) => {
        await lock.release()
        throw error
      })
      return lock
    } catch (error) {
      throw storageError(error, { operation: 'lock', path: this.#root })
    }
  }

  async callWriter(): Promise<WriterLine | undefined> {
    try {
      return await callWriterSocket({ root: await realpath(this.#root) })
    } catch (error) {
      throw storageError(error, { operation: 'call the writer of', path: this.#root })
    }
  }

  #locate(path: string): string {
    validatePath(path)
    return toNamespacedPath(join(this.#root, path))
  }

  /** Opened in the calling thread, as `stat` looks: a read is half as long then. */
  async #withFile<T>(path: string, use: (file: number) => Promise<T>): Promise<T> {
    const location = this.#locate(path)
    try {
      return await this.#openFiles.run(async () => {
        const file = openSync(location, readFlags)
        try {
          return await use(file)
        } finally {
          closeSync(file)
        }
      })
    } catch (error) {
      // The last two: a folder, or a pipe, is where the object would be.
      if (hasErrno(error, ...absence, 'EISDIR', 'ESPIPE')) throw notFound(path, error)
      throw storageError(error, { operation: 'read', path })
    }
  }

  /** An object that is deleted meanwhile is left out. */
  async #statAll(paths: readonly string[]): Promise<ObjectInfo[]> {
    const found = await Promise.all(paths.map((path) => this.#stat(path, (location) => lstat(location, { bigint: true }))))
    return found.filter((info) => info !== undefined)
  }

  async #putFile(path: string, bytes: Uint8Array, condition: ParsedCondition): Promise<{ etag: string }> {
    const temporary = join(this.#root, temporaryFolder, `${process.pid}-${toHex(systemRandom.bytes(12))}`)
    try {
      const etag = await this.#writeTemporary(temporary, bytes)
      await this.#commit(path, () => this.#place({ temporary, etag }, path, condition))
      return { etag }
    } finally {
      await unlinkIfThere(temporary)
    }
  }

  async #writeTemporary(temporary: string, bytes: Uint8Array): Promise<string> {
    const file = await open(temporary, 'wx')
    try {
      await writeAll(file, bytes)
      const mtimeSeconds = this.#nextMtimeUs() / 1_000_000
      await file.utimes(mtimeSeconds, mtimeSeconds)
      await file.sync()
      return etagOf(await file.stat({ bigint: true }))
    } finally {
      await file.close()
    }
  }

  /** Each put gets a time of its own, so that its etag differs from every former one, also where the system's file times are coarse. */
  #nextMtimeUs(): number {
    const nowUs = Math.floor((performance.timeOrigin + performance.now()) * 1000)
    this.#lastMtimeUs = Math.max(nowUs, this.#lastMtimeUs + 1)
    return this.#lastMtimeUs
  }

  /** One commit on a path at a time. */
  async #commit(path: string, work: () => Promise<void>): Promise<void> {
    const before = this.#commits.get(path)
    const done = before === undefined ? work() : before.then(work, work)
    this.#commits.set(path, done)
    try {
      await done
    } finally {
      if (this.#commits.get(path) === done) this.#commits.delete(path)
    }
  }

  async #place(written: WrittenFile, path: string, condition: ParsedCondition): Promise<void> {
    const target = this.#locate(path)
    if (condition.kind === 'match') assertCondition(path, condition, (await this.stat(path))?.etag)
    if (condition.kind === 'absent') await this.#linkNew(written, path)
    else await rename(written.temporary, target)
    await this.#syncFolderOf(target)
  }

  async #linkNew({ temporary, etag }: WrittenFile, path: string): Promise<void> {
    try {
      await link(temporary, this.#locate(path))
    } catch (error) {
      if (hasErrno(error, 'EEXIST')) {
        const found = (await this.stat(path))?.etag
        // A network file system may do it, lose the answer, try again by itself, and find what it made.
        if (found === etag) return
        throw preconditionFailed(path, { kind: 'absent' }, found)
      }
      if (!hasErrno(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) throw error
      const message = `The file system of ${this.#root} has no hard links, by which objects are created once only. Put the database on one that has them (not FAT or exFAT).`
      throw new ParqueDBError('STORAGE_UNAVAILABLE', message, { details: { path, errno: errnoOf(error) }, cause: error })
    }
  }

  async #createAppendFile(path: string): Promise<AppendFile> {
    const target = this.#locate(path)
    try {
      await this.#folders.prepare(dirname(target))
      const file = await open(target, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (writesAreSynced ? constants.O_DSYNC : 0))
      await this.#syncFolderOf(target)
      return appendFile(file, path)
    } catch (error) {
      if (hasErrno(error, 'EEXIST')) throw preconditionFailed(path, { kind: 'absent' }, (await this.stat(path))?.etag)
      throw storageError(error, { operation: 'create', path })
    }
  }

  #syncFolderOf(target: string): Promise<void> {
    const folder = dirname(target)
    return syncFolder(folder, { followLink: folder === this.#root })
  }

  async #removeTemporaries(): Promise<void> {
    const folder = join(this.#root, temporaryFolder)
    const youngestMs = Date.now() - temporaryAgeMsMax
    for (const name of (await readdir(folder).catch(undefinedWhenAbsent)) ?? []) {
      const temporary = join(folder, name)
      const stats = await lstat(temporary).catch(undefinedWhenAbsent)
      if (stats !== undefined && stats.mtimeMs < youngestMs) await unlinkIfThere(temporary)
    }
  }
}

/** Changes with every put (a new file at a time of its own) and with every append (the size). */
function etagOf(stats: BigIntStats): string {
  return `${stats.ino.toString(36)}-${stats.size.toString(36)}-${stats.mtimeNs.toString(36)}`
}

async function unlinkIfThere(location: string): Promise<void> {
  await unlink(location).catch(undefinedWhenAbsent)
}
/** Also when a file is where a folder of the path would be: then nothing is below it. */
const absence = ['ENOENT', 'ENOTDIR']
const undefinedWhenAbsent = undefinedWhen(...absence)

function tooLarge(path: string, sizeBytes: number): ParqueDBError {
  return new ParqueDBError('LIMIT_EXCEEDED', `${path} has ${sizeBytes} bytes; ${readBytesMax} are read at once. Read it by ranges.`, { details: { path, sizeBytes, sizeBytesMax: readBytesMax } })
}
