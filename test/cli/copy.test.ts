import { afterAll, beforeAll, expect, test } from 'vitest'
import { credentials } from '../s3/credentials.ts'
import { S3Server } from '../s3/s3-server.ts'
import { CliProcess, lines } from './cli-process.ts'

const server = new S3Server()
let cli: CliProcess
let env: Readonly<Record<string, string>>

beforeAll(async () => {
  cli = await CliProcess.make()
  const { accessKeyId, secretAccessKey, sessionToken } = credentials
  env = { AWS_ENDPOINT_URL: await server.start(), AWS_REGION: server.region, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken }
})
afterAll(async () => {
  cli.cleanup()
  await server.stop()
})

const bucket = 's3://test-bucket/shop'

test('a database is pushed to a bucket, changed there, and pulled into another folder', async () => {
  const run = (...words: string[]): ReturnType<CliProcess['run']> => cli.run(words, { env })
  await run('put', 'users', '{"name":"Alice"}', '--id', 'alice', '--db', 'data')
  await run('compact', '--db', 'data')
  const pushed = await run('push', bucket, '--db', 'data')
  expect(pushed.stderr).toBe('')
  expect(lines(pushed.stdout)).toMatchObject([{ lastSeq: 1, copiedFiles: 2, presentFiles: 0 }])
  await run('put', 'users', '{"name":"Bob"}', '--id', 'bob', '--db', bucket)
  expect(lines((await run('find', 'users', '--db', bucket)).stdout)).toMatchObject([{ name: 'Alice' }, { name: 'Bob' }])
  const pulled = await run('pull', bucket, '--db', 'copy', '--pretty')
  expect(pulled.stdout).toMatch(/^copy has 2 events: copied 2 files of /)
  expect(lines((await run('find', 'users', '--db', 'copy')).stdout)).toMatchObject([{ name: 'Alice' }, { name: 'Bob' }])
  expect((await run('verify', '--deep', '--db', 'copy')).code).toBe(0)
  expect(lines((await run('push', bucket, '--db', 'copy')).stdout)).toMatchObject([{ lastSeq: 2, copiedFiles: 0, presentFiles: 2 }])
})

test('a bucket that holds something newer is not overwritten: exit code 4, with advice', async () => {
  const { code, stderr } = await cli.run(['push', bucket, '--db', 'data'], { env })
  expect(code).toBe(4)
  expect(stderr).toContain('it has 2 events, and the source 1')
  expect(stderr).toContain('copy the other way')
})

test.each([
  { what: 'another kind of URL', words: ['--db', 'gs://bucket/x'], say: 'it is no URL that begins with s3://' },
  { what: 'keys in the URL', words: ['--db', 's3://key:secret@bucket/x'], say: 'keys belong in the environment' },
  { what: 'an unknown parameter', words: ['--db', 's3://bucket/x?profile=me'], say: 'it has the parameter profile' },
])('$what is refused with exit code 2, and without the keys', async ({ words, say }) => {
  const { code, stderr } = await cli.run(['find', 'users', ...words], { env })
  expect(code).toBe(2)
  expect(stderr).toContain(say)
  expect(stderr).not.toContain('secret')
})

test('without keys in the environment a bucket is refused', async () => {
  const { code, stderr } = await cli.run(['find', 'users', '--db', bucket], { env: { ...env, AWS_SECRET_ACCESS_KEY: '' } })
  expect(code).toBe(2)
  expect(stderr).toContain('AWS_SECRET_ACCESS_KEY is not set')
})
