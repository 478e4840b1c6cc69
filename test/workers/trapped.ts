import type { AppendLog } from '../../src/storage/append-log.ts'
import type { StorageBackend } from '../../src/storage/storage-backend.ts'

/** What a store is asked to do, before it is done and after. */
export type Hook = (point: string, when: 'before' | 'after') => Promise<void>

/** The same store, which tells of each operation as 'put:path' before it is done and after; the hook may fail, wait, or never come back. */
export function trapped(backend: StorageBackend, hook: Hook): StorageBackend {
  const run = async <T>(point: string, work: () => Promise<T>): Promise<T> => {
    await hook(point, 'before')
    const result = await work()
    await hook(point, 'after')
    return result
  }
  const { openLog } = backend
  return {
    kind: backend.kind,
    read: (path) => run(`read:${path}`, () => backend.read(path)),
    readRange: (path, range) => run(`read:${path}`, () => backend.readRange(path, range)),
    stat: (path) => backend.stat(path),
    list: (prefix, options) => backend.list(prefix, options),
    put: (path, bytes, condition) => run(`put:${path}`, () => backend.put(path, bytes, condition)),
    delete: (path) => run(`delete:${path}`, () => backend.delete(path)),
    ...(openLog !== undefined && { openLog: async (options) => trappedLog(await openLog.call(backend, options), run) }),
  }
}

function trappedLog(log: AppendLog, run: <T>(point: string, work: () => Promise<T>) => Promise<T>): AppendLog {
  return {
    append: (frames) => run('append:', () => log.append(frames)),
    rotate: (seq) => run('rotate:', () => log.rotate(seq)),
    truncate: (seq) => run('truncate:', () => log.truncate(seq)),
    close: () => log.close(),
  }
}
