import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import { ParqueDB } from '../db/ParqueDB.ts'
import { FsBackend } from '../storage/FsBackend.ts'

/** True when the folder holds a database: the file that each one begins with is there. */
export async function isDatabaseFolder(folder: string): Promise<boolean> {
  const facts = await stat(join(folder, 'FORMAT')).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw new ParqueDBError('STORAGE_UNAVAILABLE', `The folder ${folder} cannot be read: ${error.message}`, { details: { folder }, cause: error })
  })
  return facts?.isFile() === true
}

/** The database in a folder, to read along while another process may write. NOT_FOUND when there is none; nothing is created. */
export async function openFolderToRead(folder: string): Promise<ParqueDB> {
  if (!(await isDatabaseFolder(folder))) {
    throw new ParqueDBError('NOT_FOUND', `There is no database in the folder ${folder}. Check the path; the first write there makes one.`, { details: { folder } })
  }
  return new ParqueDB({ storage: new FsBackend(folder), readOnly: true })
}

/** The database in a folder as its one writer, made where there is none. WRITER_LOCKED on first use when another process has the role. */
export function openFolderToWrite(folder: string): ParqueDB {
  return new ParqueDB({ storage: new FsBackend(folder) })
}
