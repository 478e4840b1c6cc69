import { constants } from 'node:fs'

/** A file or a folder, whatever names it has. What a sync has made durable stands beside what programs see. */
class Inode {
  readonly number: number
  readonly entries: Map<string, Inode> | undefined
  readonly durableEntries = new Map<string, Inode>()
  bytes: Uint8Array = new Uint8Array(0)
  durableBytes: Uint8Array = this.bytes
  mtimeNs = 0n

  constructor(number: number, isFolder: boolean) {
    this.number = number
    this.entries = isFolder ? new Map() : undefined
  }

  get isDirty(): boolean {
    return this.bytes !== this.durableBytes
  }
}

/** A change of names that no sync of its folder has followed yet. A rename is one change: of the folder that it leads to. */
interface NameChange {
  readonly folder: Inode
  readonly apply: (entriesOf: (folder: Inode) => Map<string, Inode>) => void
}

/** What an unsynced file may hold after a power loss: what was synced, all, or all of its length and half of its content. */
const fates = ['synced', 'whole', 'torn'] as const

/**
 * The calls of node:fs/promises that FsBackend makes, on files in memory: contents and names are durable only by a sync of the file, or of the
 * folder. After each call that changes anything `onChange` is told; `afterPowerLoss` gives what may be found then.
 */
export class SimulatedFileSystem {
  readonly #root = new Inode(1, true)
  #inodeCount = 1
  #changes: NameChange[] = []
  readonly #openFiles: { readonly file: Inode; readonly path: string; readonly flags: number }[] = []
  onChange: ((what: string) => void) | undefined

  constructor(folders: readonly string[] = []) {
    for (const path of folders) this.#makeFolder(path)
    this.#settle()
  }

  /** What the power may leave: every subset of the name changes and every fate of unsynced files, or `most` of them picked by `pick`. */
  *afterPowerLoss({ most, pick }: { most: number; pick: (below: number) => number }): Generator<SimulatedFileSystem> {
    const dirty = this.#dirtyFiles()
    const total = 2 ** this.#changes.length * fates.length ** dirty.length
    for (let nth = 0; nth < Math.min(total, most); nth++) {
      let code = total <= most ? nth : nth === 0 ? 0 : pick(total)
      const kept = this.#changes.filter(() => {
        const isKept = code % 2 === 1
        code = Math.floor(code / 2)
        return isKept
      })
      const fateOf = new Map<Inode, (typeof fates)[number]>()
      for (const file of dirty) {
        fateOf.set(file, fates[code % fates.length] ?? 'synced')
        code = Math.floor(code / fates.length)
      }
      yield this.#image(kept, fateOf)
    }
  }

  /** As node:fs/promises has them, and those of node:fs. */
  get calls(): object {
    return {
      open: async (path: string, flags: number | string = 'r') => this.#open(path, typeof flags === 'number' ? flags : constants.O_RDWR | constants.O_CREAT | constants.O_EXCL),
      link: async (from: string, to: string) => {
        const inode = this.#find(from)
        const { folder, name } = this.#place(to)
        if (folder.entries?.has(name) === true) throw failure('EEXIST', to)
        this.#change({ folder, apply: (entriesOf) => void entriesOf(folder).set(name, inode) }, `link ${to}`)
      },
      rename: async (from: string, to: string) => {
        const inode = this.#find(from)
        const source = this.#place(from)
        const { folder, name } = this.#place(to)
        this.#change(
          {
            folder,
            apply: (entriesOf) => {
              entriesOf(source.folder).delete(source.name)
              entriesOf(folder).set(name, inode)
            },
          },
          `rename ${to}`,
        )
      },
      unlink: async (path: string) => {
        this.#find(path)
        const { folder, name } = this.#place(path)
        this.#change({ folder, apply: (entriesOf) => void entriesOf(folder).delete(name) }, `unlink ${path}`)
      },
      mkdir: async (path: string) => this.#makeFolder(path),
      lstat: async (path: string, options?: { bigint: boolean }) => statsOf(this.#find(path), options),
      realpath: async (path: string) => path,
      openSync: (path: string, flags: number) => this.#open(path, flags).fd,
      closeSync: () => undefined,
      fstatSync: (fd: number) => statsOf(this.#opened(fd).file),
      read: (fd: number, into: Uint8Array, at: number, length: number, position: number, done: (error: null, bytesRead: number, buffer: Uint8Array) => void) => {
        const bytes = this.#opened(fd).file.bytes.subarray(position, position + length)
        into.set(bytes, at)
        done(null, bytes.length, into)
      },
      writeSync: (fd: number, bytes: Uint8Array, start: number, length: number, position: number) => this.#write(fd, bytes.subarray(start, start + length), position),
      readdir: async (path: string) => {
        const { entries } = this.#find(path)
        if (entries === undefined) throw failure('ENOTDIR', path)
        return [...entries].map(([name, { entries: inside }]) => ({ name, isFile: () => inside === undefined, isDirectory: () => inside !== undefined }))
      },
    }
  }

  #open(path: string, flags: number): { fd: number } & Readonly<Record<string, unknown>> {
    const { folder, name } = this.#place(path)
    const found = folder.entries?.get(name)
    if (found !== undefined && (flags & constants.O_EXCL) !== 0) throw failure('EEXIST', path)
    if (found === undefined && (flags & constants.O_CREAT) === 0) throw failure('ENOENT', path)
    const file = found ?? new Inode(++this.#inodeCount, false)
    if (found === undefined) this.#change({ folder, apply: (entriesOf) => void entriesOf(folder).set(name, file) }, `create ${path}`)
    const fd = this.#openFiles.push({ file, path, flags }) - 1
    const sync = async (): Promise<void> => this.#sync(fd)
    return {
      fd,
      sync,
      datasync: sync,
      close: async () => undefined,
      stat: async (options?: { bigint: boolean }) => statsOf(file, options),
      utimes: async (_accessed: number, modified: number) => void (file.mtimeNs = BigInt(Math.round(modified * 1e6)) * 1000n),
      truncate: async (length: number) => {
        file.bytes = file.bytes.slice(0, length)
        this.onChange?.(`truncate ${path}`)
      },
      write: async (bytes: Uint8Array, start: number, length: number, position: number) => ({ bytesWritten: this.#write(fd, bytes.subarray(start, start + length), position) }),
    }
  }

  #sync(fd: number): void {
    const { file, path } = this.#opened(fd)
    if (file.entries === undefined) file.durableBytes = file.bytes
    else {
      for (const change of this.#changes) if (change.folder === file) change.apply((inode) => inode.durableEntries)
      this.#changes = this.#changes.filter((change) => change.folder !== file)
    }
    this.onChange?.(`sync ${path}`)
  }

  #write(fd: number, bytes: Uint8Array, position: number): number {
    const { file, path, flags } = this.#opened(fd)
    // In two parts: a program may die in the middle.
    for (const [from, to] of [[0, bytes.length >>> 1], [bytes.length >>> 1, bytes.length]] as const) {
      const next = new Uint8Array(Math.max(file.bytes.length, position + to))
      next.set(file.bytes)
      next.set(bytes.subarray(from, to), position + from)
      file.bytes = next
      this.onChange?.(`write ${path}`)
    }
    if ((flags & constants.O_DSYNC) !== 0) this.#sync(fd)
    return bytes.length
  }

  #opened(fd: number): { readonly file: Inode; readonly path: string; readonly flags: number } {
    const opened = this.#openFiles[fd]
    if (opened === undefined) throw failure('EBADF', String(fd))
    return opened
  }

  #makeFolder(path: string): string | undefined {
    let first: string | undefined
    const names = path.split('/').filter((name) => name !== '')
    names.forEach((name, index) => {
      const here = `/${names.slice(0, index + 1).join('/')}`
      const { folder } = this.#place(here)
      const found = folder.entries?.get(name)
      if (found !== undefined && found.entries === undefined) throw failure('ENOTDIR', here)
      if (found !== undefined) return
      first ??= here
      const made = new Inode(++this.#inodeCount, true)
      this.#change({ folder, apply: (entriesOf) => void entriesOf(folder).set(name, made) }, `mkdir ${here}`)
    })
    return first
  }

  #change(change: NameChange, what: string): void {
    change.apply((folder) => folder.entries ?? new Map())
    this.#changes.push(change)
    this.onChange?.(what)
  }

  #find(path: string): Inode {
    let inode = this.#root
    for (const name of path.split('/').filter((part) => part !== '')) {
      if (inode.entries === undefined) throw failure('ENOTDIR', path)
      const next = inode.entries.get(name)
      if (next === undefined) throw failure('ENOENT', path)
      inode = next
    }
    return inode
  }

  #place(path: string): { folder: Inode; name: string } {
    const at = path.lastIndexOf('/')
    const folder = this.#find(path.slice(0, at))
    if (folder.entries === undefined) throw failure('ENOTDIR', path)
    return { folder, name: path.slice(at + 1) }
  }

  #dirtyFiles(): Inode[] {
    const seen = new Set<Inode>()
    const walk = (inode: Inode): void => {
      if (seen.has(inode)) return
      seen.add(inode)
      for (const inside of [...(inode.entries?.values() ?? []), ...inode.durableEntries.values()]) walk(inside)
    }
    walk(this.#root)
    return [...seen].filter((inode) => inode.entries === undefined && inode.isDirty)
  }

  #image(kept: readonly NameChange[], fateOf: ReadonlyMap<Inode, (typeof fates)[number]>): SimulatedFileSystem {
    const entries = new Map<Inode, Map<string, Inode>>()
    const entriesOf = (folder: Inode): Map<string, Inode> => {
      const known = entries.get(folder) ?? new Map(folder.durableEntries)
      entries.set(folder, known)
      return known
    }
    for (const change of kept) change.apply(entriesOf)
    const image = new SimulatedFileSystem()
    const copies = new Map<Inode, Inode>()
    const fill = (from: Inode, to: Inode): void => {
      to.bytes = contentOf(from, fateOf.get(from) ?? 'synced')
      to.mtimeNs = from.mtimeNs
      for (const [name, inside] of from.entries === undefined ? [] : entriesOf(from)) {
        const known = copies.get(inside)
        const copy = known ?? new Inode(++image.#inodeCount, inside.entries !== undefined)
        copies.set(inside, copy)
        to.entries?.set(name, copy)
        if (known === undefined) fill(inside, copy)
      }
    }
    fill(this.#root, image.#root)
    image.#settle()
    return image
  }

  /** All that is there is durable. */
  #settle(): void {
    const walk = (inode: Inode): void => {
      inode.durableBytes = inode.bytes
      for (const [name, inside] of inode.entries ?? []) {
        inode.durableEntries.set(name, inside)
        walk(inside)
      }
    }
    walk(this.#root)
    this.#changes = []
  }
}

function contentOf(file: Inode, fate: (typeof fates)[number]): Uint8Array {
  const { bytes, durableBytes } = file
  if (fate === 'synced') return durableBytes
  const content = bytes.slice()
  if (fate === 'whole') return content
  const isNew = (byte: number, at: number): boolean => byte !== (durableBytes[at] ?? -1)
  const first = Math.max(0, bytes.findIndex(isNew))
  const middle = (first + bytes.findLastIndex(isNew) + 1) >>> 1
  for (let at = middle; at < content.length; at++) content[at] = durableBytes[at] ?? 0
  return content
}

function statsOf({ entries, bytes, number, mtimeNs }: Inode, options: { bigint: boolean } = { bigint: false }): object {
  const size = options.bigint ? BigInt(bytes.length) : bytes.length
  return { size, ino: BigInt(number), mtimeNs, mtimeMs: Number(mtimeNs / 1_000_000n), isFile: () => entries === undefined, isDirectory: () => entries !== undefined }
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}
