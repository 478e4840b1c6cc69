import { R2Backend, type R2BucketBinding } from '../../src/storage/backends/R2Backend.ts'
import { answerCall } from './backend-calls.ts'

/** Runs in workerd: an R2Backend below the prefix that the path of the request names. */
// oxlint-disable-next-line import/no-default-export -- workerd reads the default export
export default {
  fetch(request: Request, env: { BUCKET: R2BucketBinding }): Promise<Response> {
    return answerCall(new R2Backend(env.BUCKET, { prefix: decodeURIComponent(new URL(request.url).pathname.slice(1)) }), request)
  },
}
