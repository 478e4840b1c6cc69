import { ParqueDBError, type ErrorCode } from '../../src/base/ParqueDBError.ts'
import type { StorageBackend } from '../../src/storage/storage-backend.ts'

/*
 * A StorageBackend that runs in workerd, called from Node over HTTP: the call in a header, bytes as bodies. So the one contract suite runs
 * in Vitest, and what it tries runs where it is for.
 */

/** The names of the calls, which have the arguments of the methods of StorageBackend; the bytes of a put go in the body. */
type CallName = 'read' | 'readRange' | 'stat' | 'list' | 'put' | 'delete'

interface Call {
  readonly name: CallName
  readonly args: readonly unknown[]
}

const callHeader = 'x-call'

/** In workerd: does what a request says. */
export async function answerCall(backend: StorageBackend, request: Request): Promise<Response> {
  const { name, args } = JSON.parse(decodeURIComponent(request.headers.get(callHeader) ?? ''), readNumber) as Call
  const [path, argument] = args.map((value) => value ?? undefined) as [string, never]
  try {
    const body = new Uint8Array(await request.arrayBuffer())
    const result = name === 'put' ? await backend.put(path, body, argument) : await backend[name](path, argument)
    if (result instanceof Uint8Array) return new Response(result as Uint8Array<ArrayBuffer>, { headers: { 'content-type': 'application/octet-stream' } })
    return Response.json({ result })
  } catch (error) {
    if (!(error instanceof ParqueDBError)) throw error
    return Response.json(error.toJSON(), { status: 400 })
  }
}

/** In Node: the backend behind `send`. */
export function callingBackend(kind: string, send: (init: { method: string; headers: Record<string, string>; body: Uint8Array }) => Promise<Response>): StorageBackend {
  const call = async (name: CallName, args: readonly unknown[], body = new Uint8Array(0)): Promise<unknown> => {
    const response = await send({ method: 'POST', headers: { [callHeader]: encodeURIComponent(JSON.stringify({ name, args }, writeNumber)) }, body: body as Uint8Array<ArrayBuffer> })
    if (response.headers.get('content-type') === 'application/octet-stream') return new Uint8Array(await response.arrayBuffer())
    if (response.status === 400) throw ParqueDBError.fromJSON((await response.json()) as { code: ErrorCode; message: string })
    if (response.status !== 200) throw new Error(`${name} ${JSON.stringify(args)}: ${response.status} ${await response.text()}`)
    return ((await response.json()) as { result?: unknown }).result
  }
  return {
    kind,
    read: (path) => call('read', [path]) as Promise<Uint8Array>,
    readRange: (path, range) => call('readRange', [path, range]) as ReturnType<StorageBackend['readRange']>,
    stat: (path) => call('stat', [path]) as ReturnType<StorageBackend['stat']>,
    list: (prefix, options) => call('list', [prefix, options]) as ReturnType<StorageBackend['list']>,
    put: (path, bytes, condition) => call('put', [path, condition], bytes.slice()) as ReturnType<StorageBackend['put']>,
    delete: (path) => call('delete', [path]) as Promise<void>,
  }
}

/** The tests also ask for what JSON does not hold: NaN and infinities. */
function writeNumber(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? { number: String(value) } : value
}

function readNumber(_key: string, value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'number' in value ? Number(value.number) : value
}
