import { utf8Encode } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { EventStream } from '../model/database.ts'
import { stringifyExtendedJson } from '../model/ejson.ts'
import type { Event } from '../model/event.ts'
import type { Value } from '../model/values.ts'
import { problemOf, stringifyProblem } from './problem.ts'

/** Characters that are gathered before they are sent, at most by one item more. */
const chunkCharacters = 64 * 1024

/** One value a line, then {"$end":true}: a text without it is not whole. After the first chunk a failure is a line too, {"$error":…}; before, it is thrown. */
export async function* lines(items: AsyncIterable<unknown>): AsyncGenerator<string> {
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
    text += `{"$error":${stringifyProblem(problemOf(error))}}\n`
  }
  yield text
}

/** Server-sent events: first the position, then each event with its seq as id, a comment when nothing comes, and a failure as the event 'error'. */
export async function* serverSentEvents(events: EventStream, from: { seq: number }, { clock, heartbeatMs }: { clock: Clock; heartbeatMs: number }): AsyncGenerator<string> {
  yield `event: open\nid: ${from.seq}\ndata: {}\n\n`
  try {
    let next = events.next()
    for (;;) {
      let result = await within(next, { clock, ms: heartbeatMs })
      let text = ''
      while (result !== undefined && text.length < chunkCharacters) {
        if (result.done === true) return yield text
        text += `id: ${result.value.seq}\ndata: ${stringifyExtendedJson(result.value as unknown as Value)}\n\n`
        next = events.next()
        result = await within(next, { clock, ms: 0 })
      }
      yield text === '' ? ': still here\n\n' : text
    }
  } catch (error) {
    yield `event: error\ndata: ${stringifyProblem(problemOf(error))}\n\n`
  } finally {
    await events.return()
  }
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
export function streamOf(chunks: AsyncGenerator<string>, first: IteratorResult<string>, run: { clock: Clock; idleMsMax: number; controller: AbortController; onEnd: () => void }): ReadableStream<Uint8Array> {
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
    start(stream) {
      const stop = (): void => {
        // Without an end mark, which tells that it is not whole.
        if (!isOver) stream.close()
        end()
      }
      signal.addEventListener('abort', stop, { once: true })
    },
    async pull(stream) {
      stopWaiting()
      const { done, value } = pending ?? (await chunks.next())
      pending = undefined
      if (isOver) return
      if (done !== true) {
        stream.enqueue(utf8Encode(value))
        stopWaiting = run.clock.after(run.idleMsMax, () => run.controller.abort())
        return
      }
      end()
      stream.close()
    },
    cancel: end,
  })
}
