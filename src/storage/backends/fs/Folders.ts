import { constants } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { hasErrno } from './storage-error.ts'

/** Folders remembered as being there; past it they are looked at again. */
const preparedCountMax = 10_000

/** Makes the folders of a database, and makes their entries durable. */
export class Folders {
  readonly #root: string
  #prepared = new Set<string>()

  constructor(root: string) {
    this.#root = root
  }

  /**
   * When it resolves, `folder` (the root or below it) is there, and so after a crash. The first time, every folder up
   * to the root's parent is synced, also one that was there: whoever made it may have died before it was durable.
   */
  async prepare(folder: string): Promise<void> {
    if (this.#prepared.has(folder)) return
    const firstMade = await mkdir(folder, { recursive: true })
    const highest = firstMade !== undefined && firstMade.length < this.#root.length ? dirname(firstMade) : dirname(this.#root)
    let current = folder
    while (current.length > this.#root.length) {
      await syncFolder(current, { followLink: false })
      current = dirname(current)
    }
    await syncFolder(this.#root, { followLink: true })
    while (current !== highest) {
      current = dirname(current)
      await syncFolder(current, { followLink: true }).catch((error: unknown) => {
        // A folder above the root may be closed to us; then the root was made, and is kept, by someone else.
        if (firstMade !== undefined || !hasErrno(error, 'EACCES')) throw error
      })
    }
    if (this.#prepared.size >= preparedCountMax) this.#prepared = new Set()
    this.#prepared.add(folder)
  }

  /** For when one turned out to be missing. */
  forget(): void {
    this.#prepared = new Set()
  }
}

/** Makes the names in a folder durable. */
export async function syncFolder(folder: string, { followLink }: { followLink: boolean }): Promise<void> {
  try {
    const handle = await open(folder, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (followLink ? 0 : (constants.O_NOFOLLOW ?? 0)))
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    // Windows neither needs nor allows it: NTFS journals names.
    if (process.platform !== 'win32' || !hasErrno(error, 'EPERM', 'EISDIR', 'EACCES')) throw error
  }
}
