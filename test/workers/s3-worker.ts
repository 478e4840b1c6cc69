import { systemClock } from '../../src/base/clock.ts'
import { S3Backend } from '../../src/storage/backends/S3Backend.ts'
import { bucket, credentials, region } from '../s3/credentials.ts'
import { answerCall } from './backend-calls.ts'

/** Runs in workerd: an S3Backend on the server at `ENDPOINT`, below the prefix that the path of the request names. */
// oxlint-disable-next-line import/no-default-export -- workerd reads the default export
export default {
  fetch(request: Request, env: { ENDPOINT: string }): Promise<Response> {
    const prefix = decodeURIComponent(new URL(request.url).pathname.slice(1))
    return answerCall(new S3Backend({ endpoint: env.ENDPOINT, bucket, region, credentials, prefix, clock: { ...systemClock, sleep: () => systemClock.sleep(0) } }), request)
  },
}
