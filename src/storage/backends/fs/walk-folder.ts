import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { compareStrings } from '../../../base/bytes.ts'
import { brokenPathRule } from '../../path-rules.ts'
import { undefinedWhen } from './storage-error.ts'

export interface WalkBounds {
  /** Only paths that start with it; it may end inside a name. */
  readonly prefix: string
  /** Only paths greater than it. */
  readonly after: string | undefined
}

/**
 * Paths of the regular files below `root`, ordered by the UTF-8 bytes of the whole path. What no valid path names
 * (links, the backend's own folders, foreign names) is passed over. Holds one listing per level of folders. `folder`, where it begins, is '' or ends with '/'.
 */
export async function* walkFolder(root: string, bounds: WalkBounds, folder = bounds.prefix.slice(0, bounds.prefix.lastIndexOf('/') + 1)): AsyncGenerator<string, void> {
  for (const key of await sortedKeys(root, folder)) {
    if (key.endsWith('/')) {
      if (mayHoldWanted(key, bounds)) yield* walkFolder(root, bounds, key)
    } else if (key.startsWith(bounds.prefix) && (bounds.after === undefined || compareStrings(key, bounds.after) > 0)) {
      yield key
    }
  }
}

/** A folder's key ends with '/', so that keys sort as the paths below them do: 'a.b' before 'a/b' before 'a0'. */
async function sortedKeys(root: string, folder: string): Promise<string[]> {
  const keys: string[] = []
  for (const entry of (await readdir(join(root, folder), { withFileTypes: true }).catch(undefinedWhen('ENOENT', 'ENOTDIR'))) ?? []) {
    // HFS+ gives names back decomposed; paths are composed.
    const path = folder + (process.platform === 'darwin' ? entry.name.normalize('NFC') : entry.name)
    if (brokenPathRule(path) !== undefined) continue
    if (entry.isFile()) keys.push(path)
    else if (entry.isDirectory()) keys.push(`${path}/`)
  }
  return keys.toSorted(compareStrings)
}

function mayHoldWanted(key: string, { prefix, after }: WalkBounds): boolean {
  if (!key.startsWith(prefix) && !prefix.startsWith(key)) return false
  return after === undefined || after.startsWith(key) || compareStrings(key, after) > 0
}
