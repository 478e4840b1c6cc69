import type { Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { systemClock } from '../base/clock.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { Server } from '../server/Server.ts'

export interface ListenOptions {
  /** Default 0: any free one. */
  readonly port?: number
  /** Default '127.0.0.1': this machine only. */
  readonly host?: string
}

export interface Listener {
  /** Where it answers, as 'http://127.0.0.1:3000'. */
  readonly url: string
  /** Takes no more requests, ends the streams, and lets what is running end, for at most 10 s. */
  close(): Promise<void>
}

const closeMsMax = 10_000
/** A client has this long for its headers, and for all of its request. Milliseconds. */
const timeouts = { headersTimeout: 20_000, requestTimeout: 60_000 }

/** Serves over HTTP/1.1 on a port of this machine; TLS is a proxy's business. INVALID_ARGUMENT where the port is not to be had. */
export async function listen(server: Pick<Server, 'fetch' | 'close'>, { port = 0, host = '127.0.0.1' }: ListenOptions = {}): Promise<Listener> {
  const http = createAdaptorServer({ fetch: server.fetch, overrideGlobalObjects: false, serverOptions: timeouts }) as HttpServer
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject)
    http.listen(port, host, resolve)
  }).catch((cause: Error) => {
    throw new ParqueDBError('INVALID_ARGUMENT', `The server cannot listen on ${host}:${port}: ${cause.message}`, { cause, details: { host, port } })
  })
  const { address, port: bound, family } = http.address() as AddressInfo
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`,
    async close() {
      const closed = new Promise((resolve) => http.close(resolve))
      server.close()
      const stopWaiting = systemClock.after(closeMsMax, () => http.closeAllConnections())
      await closed
      stopWaiting()
    },
  }
}
