import { DurableObject } from 'cloudflare:workers'
import { DOSqliteBackend, type DurableObjectSql } from '../../src/storage/backends/DOSqliteBackend.ts'
import { logContract } from '../../src/testing/log-contract.ts'
import { storageContract } from '../../src/testing/storage-contract.ts'
import { answerTest } from './in-workerd.ts'

/** Each test runs inside an object of its own, on that object's SQLite. */
export class Store extends DurableObject {
  fetch(request: Request): Promise<Response> {
    const { storage } = this.ctx as { storage: DurableObjectSql }
    const make = async () => ({ backend: new DOSqliteBackend(storage), reopen: async () => new DOSqliteBackend(storage), cleanup: async () => undefined })
    return answerTest((tools) => {
      storageContract(tools, 'DOSqliteBackend in workerd', make)
      logContract(tools, 'DOSqliteBackend in workerd', make)
    }, testOf(request))
  }
}

// oxlint-disable-next-line import/no-default-export -- workerd reads the default export
export default {
  fetch(request: Request, env: { STORE: { getByName(name: string): { fetch(request: Request): Promise<Response> } } }): Promise<Response> {
    return env.STORE.getByName(testOf(request)).fetch(request)
  },
}

function testOf(request: Request): string {
  return new URL(request.url).searchParams.get('test') ?? ''
}
