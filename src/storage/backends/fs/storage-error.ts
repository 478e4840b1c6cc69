import { messageOf, ParqueDBError } from '../../../base/ParqueDBError.ts'

/** What to do about the errors that a file system gives in practice. */
const adviceByErrno: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full: free some space and try again.',
  EDQUOT: 'The disk quota is used up: free some space and try again.',
  EFBIG: 'The file system takes no file this large.',
  EACCES: 'Give this process the right to read and write the folder.',
  EPERM: 'Give this process the right to read and write the folder.',
  EROFS: 'The file system is mounted read-only: open the database with readOnly: true, or mount it for writing.',
  EMFILE: 'This process has too many open files: raise its limit (ulimit -n).',
  ENFILE: 'The machine has too many open files: raise its limit.',
  EIO: 'The disk reports a failure: check it, and restore from a backup what does not verify.',
  ELOOP: 'It is, or lies behind, a symbolic link, which is not followed: put the real file or folder there.',
  EXDEV: 'A folder in the database is on another file system: the whole database must be on one.',
  ENOTDIR: 'A file is where a folder is needed: a folder store cannot hold both an object and others below its name.',
  EISDIR: 'A folder is where the object is to be: a folder store cannot hold both an object and others below its name.',
  ENOTEMPTY: 'A folder is where the object is to be: a folder store cannot hold both an object and others below its name.',
  ENAMETOOLONG: 'The path is too long for this file system: move the database to a folder with a shorter path.',
  ENOENT: 'A folder of the database was removed while it was in use.',
}

/** STORAGE_UNAVAILABLE with path, errno and what to do; a ParqueDBError stays itself. */
export function storageError(error: unknown, where: { operation: string; path: string }): ParqueDBError {
  if (error instanceof ParqueDBError) return error
  const errno = errnoOf(error)
  const advice = adviceByErrno[errno ?? ''] ?? 'Check the disk and the folder, then try again.'
  return new ParqueDBError('STORAGE_UNAVAILABLE', `Could not ${where.operation} ${where.path}: ${messageOf(error)}. ${advice}`, { details: { ...where, errno }, cause: error })
}

/** 'ENOENT', …; undefined for what is not an error of the system. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

export function hasErrno(error: unknown, ...errnos: readonly string[]): boolean {
  return errnos.includes(errnoOf(error) ?? '')
}

/** For catch(): such an error is undefined, every other one is thrown on. */
export function undefinedWhen(...errnos: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (!hasErrno(error, ...errnos)) throw error
  }
}
