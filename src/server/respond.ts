import { utf8Encode } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { ParqueDBError } from '../base/ParqueDBError.ts'
import type { EventStream } from '../model/database.ts'
import { stringifyExtendedJson, toExtendedJson } from '../model/ejson.ts'
import type { Event } from '../model/event.ts'
import type { Value } from '../model/values.ts'
import { pageOf } from './invoke.ts'
import type { Call } from './perform.ts'
import { problemOf, stringifyProblem } from './problem.ts'

export interface Responding {
  readonly clock: Clock
  readonly heartbeatMs: number
  readonly idleMsMax: number
  readonly controller: AbortController
  /** Told when a stream has ended. */
  readonly onEnd: () => void
  /** Told of failures that are not the caller's. */
  readonly onError: ((error: unknown) => void) | undefined
}

/** The answer to a call whose method gave `result`; `isStream` when it goes on after this. */
export async function respond(call: Call, result: unknown, run: Responding): Promise<{ response: Response; isStream: boolean }> {
  const { gives } = call.route.operation
  const wantsLines = (call.request.headers.get('accept') ?? '').includes('application/x-ndjson')
  if (gives === 'live') {
    const { events, seq } = result as { events: EventStream; seq: number }
    return stream(serverSentEvents(events, { seq }, run), 'text/event-stream', run)
  }
  if (gives === 'events' || (gives === 'page' && wantsLines)) return stream(lines(result as AsyncIterable<unknown>, run), 'application/x-ndjson', run)
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
  if (entity === undefined) throw new ParqueDBError('NOT_FOUND', 'There is no such entity.', { details: { absent: true } })
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

/** Characters that are gathered before they are sent, at most by one item more. */
const chunkCharacters = 64 * 1024

/** One value a line, then {"$end":true}: a text without it is not whole. After the first chunk a failure is a line too, {"$error":…}; before, it is thrown. */
async function* lines(items: AsyncIterable<unknown>, run: Responding): AsyncGenerator<string> {
  let text = ''
  let isBegun = false
  try {
    for await (const item of items) {
      text += `${stringifyExtendedJson(item as Value)}\n`
      if (text.length < chunkCharacters) continue
      yield text
      isBegun = true
      text = ''
    }
    text += '{"$end":true}\n'
  } catch (error) {
    if (!isBegun) throw error
    text += `{"$error":${problemText(error, run)}}\n`
  }
  yield text
}

/** Server-sent events: first the position, then each event with its seq as id, a comment when nothing comes, and a failure as the event 'error'. */
async function* serverSentEvents(events: EventStream, from: { seq: number }, run: Responding): AsyncGenerator<string> {
  yield `event: open\nid: ${from.seq}\ndata: {}\n\n`
  try {
    let next = events.next()
    for (;;) {
      let result = await within(next, { clock: run.clock, ms: run.heartbeatMs })
      let text = ''
      while (result !== undefined && text.length < chunkCharacters) {
        if (result.done === true) return yield text
        text += `id: ${result.value.seq}\ndata: ${stringifyExtendedJson(result.value as unknown as Value)}\n\n`
        next = events.next()
        result = await within(next, { clock: run.clock, ms: 0 })
      }
      yield text === '' ? ': still here\n\n' : text
    }
  } catch (error) {
    yield `event: error\ndata: ${problemText(error, run)}\n\n`
  } finally {
    await events.return()
  }
}

/** What a stream says of its failure: its status has gone before. */
function problemText(error: unknown, { onError }: Responding): string {
  const problem = problemOf(error)
  if (problem.status >= 500) onError?.(error)
  return stringifyProblem(problem)
}

/** What `next` gives if it does within `ms`. */
async function within(next: Promise<IteratorResult<Event>>, { clock, ms }: { clock: Clock; ms: number }): Promise<IteratorResult<Event> | undefined> {
  const timer = new AbortController()
  try {
    return await Promise.race([next, clock.sleep(ms, timer.signal)]) as IteratorResult<Event> | undefined
  } finally {
    timer.abort()
  }
}

/**
 * Bytes that are made when they are asked for, until `controller` is aborted. A reader that asks for nothing for `idleMsMax` is left, so that nothing is held for it for ever;
 * `onEnd` is told whatever the end was.
 */
function streamOf(chunks: AsyncGenerator<string>, first: IteratorResult<string>, run: { clock: Clock; idleMsMax: number; controller: AbortController; onEnd: () => void }): ReadableStream<Uint8Array> {
  const { signal } = run.controller
  let pending: IteratorResult<string> | undefined = first
  let stopWaiting = (): void => undefined
  let isOver = false
  const end = (): void => {
    if (isOver) return
    isOver = true
    stopWaiting()
    run.onEnd()
    run.controller.abort()
    void chunks.return(undefined)
  }
  return new ReadableStream<Uint8Array>({
    start(sink) {
      const stop = (): void => {
        // Without an end mark, which tells that it is not whole.
        if (!isOver) sink.close()
        end()
      }
      // Whoever asked may be gone by now.
      if (signal.aborted) return stop()
      signal.addEventListener('abort', stop, { once: true })
    },
    async pull(sink) {
      stopWaiting()
      const { done, value } = pending ?? (await chunks.next())
      pending = undefined
      if (isOver) return
      if (done !== true) {
        sink.enqueue(utf8Encode(value))
        stopWaiting = run.clock.after(run.idleMsMax, () => run.controller.abort())
        return
      }
      end()
      sink.close()
    },
    cancel: end,
  })
}
