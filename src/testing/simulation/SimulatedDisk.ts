import { compareStrings } from '../../base/bytes.ts'
import type { Dice } from './Dice.ts'

const sectorBytes = 512

/** A file's content in the page cache, and how much of it a power cut leaves. */
export interface SimulatedFile {
  bytes: Uint8Array
  /** The first so many bytes are on the disk. */
  syncedBytes: number
  /** A sync has failed: the pages behind `syncedBytes` count as clean and are never written, and later syncs say that all is well. */
  isUnwritable: boolean
  version: number
}

interface NameChange {
  readonly path: string
  readonly file: SimulatedFile | undefined
}

/** What a power cut did. */
export interface PowerCut {
  readonly lostBytes: number
  readonly tornFiles: number
  readonly lostNames: number
}

/** A folder behind a page cache. Contents and names are apart, and each needs its own sync to outlive a power cut. */
export class SimulatedDisk {
  /** What processes see. */
  #names = new Map<string, SimulatedFile>()
  /** What is on the disk. */
  #durableNames = new Map<string, SimulatedFile>()
  /** Name changes that no sync of their folder has followed yet, in order. */
  #changes: NameChange[] = []
  #lastVersion = 0
  readonly #dice: Dice

  constructor(dice: Dice) {
    this.#dice = dice
  }

  find(path: string): SimulatedFile | undefined {
    return this.#names.get(path)
  }

  paths(prefix: string): string[] {
    return [...this.#names.keys()].filter((path) => path.startsWith(prefix)).toSorted(compareStrings)
  }

  /** A file without a name. */
  newFile(bytes: Uint8Array, syncedBytes: number): SimulatedFile {
    return { bytes, syncedBytes, isUnwritable: false, version: ++this.#lastVersion }
  }

  append(file: SimulatedFile, bytes: Uint8Array): void {
    const grown = new Uint8Array(file.bytes.length + bytes.length)
    grown.set(file.bytes)
    grown.set(bytes, file.bytes.length)
    file.bytes = grown
    file.version = ++this.#lastVersion
  }

  sync(file: SimulatedFile): void {
    if (!file.isUnwritable) file.syncedBytes = file.bytes.length
  }

  /** Gives a name to a file, or takes a name away. */
  rename(path: string, file: SimulatedFile | undefined): void {
    if (file === undefined) this.#names.delete(path)
    else this.#names.set(path, file)
    this.#changes.push({ path, file })
  }

  syncFolder(folder: string): void {
    this.#changes = this.#changes.filter((change) => {
      if (folderOf(change.path) !== folder) return true
      this.#makeDurable(change)
      return false
    })
  }

  /** Unsynced names come or not; unsynced bytes are cut off anywhere, or some of their sectors are zero. */
  cutPower(): PowerCut {
    let lostNames = 0
    for (const change of this.#changes) {
      if (this.#dice.chance(0.5)) this.#makeDurable(change)
      else lostNames += 1
    }
    this.#changes = []
    this.#names = new Map(this.#durableNames)
    let lostBytes = 0
    let tornFiles = 0
    for (const file of this.#names.values()) {
      const unsynced = file.bytes.length - file.syncedBytes
      if (unsynced === 0) continue
      file.bytes = this.#tear(file)
      lostBytes += unsynced
      if (file.bytes.length > file.syncedBytes) tornFiles += 1
      file.syncedBytes = file.bytes.length
      file.isUnwritable = false
    }
    return { lostBytes, tornFiles, lostNames }
  }

  #tear({ bytes, syncedBytes }: SimulatedFile): Uint8Array {
    if (this.#dice.chance(0.3)) return bytes.slice(0, syncedBytes)
    const torn = this.#dice.chance(0.5) ? bytes.slice(0, syncedBytes + this.#dice.below(bytes.length - syncedBytes + 1)) : bytes.slice()
    for (let at = syncedBytes; at < torn.length; at = (Math.floor(at / sectorBytes) + 1) * sectorBytes) {
      if (this.#dice.chance(0.4)) torn.fill(0, at, Math.min(torn.length, (Math.floor(at / sectorBytes) + 1) * sectorBytes))
    }
    return torn
  }

  #makeDurable({ path, file }: NameChange): void {
    if (file === undefined) this.#durableNames.delete(path)
    else this.#durableNames.set(path, file)
  }
}

export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}
