import type { Clock } from '../base/clock.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { EventStream } from '../model/database.ts'
import { toExtendedJson } from '../model/ejson.ts'
import type { Value } from '../model/values.ts'
import { pageOf } from './invoke.ts'
import type { Call } from './perform.ts'
import { lines, serverSentEvents, streamOf } from './streams.ts'

export interface Responding {
  readonly clock: Clock
  readonly heartbeatMs: number
  readonly idleMsMax: number
  readonly controller: AbortController
  /** Told when a stream has ended. */
  readonly onEnd: () => void
}

/** The answer to a call whose method gave `result`; `isStream` when it goes on after this. */
export async function respond(call: Call, result: unknown, run: Responding): Promise<{ response: Response; isStream: boolean }> {
  const { gives } = call.route.operation
  const wantsLines = (call.request.headers.get('accept') ?? '').includes('application/x-ndjson')
  if (gives === 'live') {
    const { events, seq } = result as { events: EventStream; seq: number }
    return stream(serverSentEvents(events, { seq }, run), 'text/event-stream', run)
  }
  if (gives === 'events' || (gives === 'page' && wantsLines)) return stream(lines(result as AsyncIterable<unknown>), 'application/x-ndjson', run)
  return { response: await whole(call, result), isStream: false }
}

async function whole(call: Call, result: unknown): Promise<Response> {
  const { gives } = call.route.operation
  if (gives === 'nothing') return new Response(null, { status: 204 })
  if (gives === 'entity' || gives === 'found') return entityResponse(call, result)
  // Of plain JSON values, and some that are not there.
  if (gives === 'object') return Response.json(result)
  if (gives !== 'page') return json({ [gives]: gives === 'items' ? (result as unknown[]).map((item) => item ?? null) : (result ?? null) })
  return json(await pageOf(result, call.args.get('limit'), call))
}

/** With its version as the ETag, where the projection left one. */
function entityResponse({ route, request }: Call, entity: unknown): Response {
  if (entity === undefined) throw new ParqueDBError('NOT_FOUND', 'There is no such entity.')
  const { $id, version } = entity as { $id?: string; version?: number }
  const etag = typeof version === 'number' ? { etag: `"${version}"` } : undefined
  if (request.method === 'GET' && etag !== undefined && request.headers.get('if-none-match') === etag.etag) return new Response(null, { status: 304, headers: etag })
  if (route.name !== 'create' || $id === undefined) return json(entity, { headers: etag })
  const location = `${new URL(request.url).pathname}/${encodeURIComponent($id.slice($id.indexOf('/') + 1))}`
  return json(entity, { status: 201, headers: { ...etag, location } })
}

function json(value: unknown, init?: { status?: number; headers?: Record<string, string> | undefined }): Response {
  return Response.json(toExtendedJson(value as Value), { status: init?.status ?? 200, headers: init?.headers ?? {} })
}

/** What fails before anything came is thrown, so that it has a status of its own. */
async function stream(chunks: AsyncGenerator<string>, type: string, run: Responding): Promise<{ response: Response; isStream: boolean }> {
  const first = await chunks.next()
  return { response: new Response(streamOf(chunks, first, run), { headers: { 'content-type': type } }), isStream: true }
}
