import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom } from '../../src/base/random.ts'
import { startTrial } from './trials.ts'

const keys = ['a', 'b', 'c', 'd', 'e'] as const
const clientCount = 8

export interface History {
  readonly operations: number
  readonly flushes: number
  readonly violations: readonly string[]
}

/**
 * Eight clients count up five counters and read them, each in a session of its own or strongly, while everything is flushed and merged all the time. A session must not see less than
 * it has seen; a strong read not less than what anybody had been told before it was asked for; and in the end every increment counts once.
 */
export async function recordHistory(operations: number): Promise<History> {
  const folder = await mkdtemp(join(tmpdir(), 'parquedb-history-'))
  const running = await startTrial(folder, { graceMs: 5000 })
  const violations: string[] = []
  const told = new Map<string, number>()
  const increments = new Map<string, number>()
  let left = operations
  const client = async (name: number): Promise<void> => {
    const random = seededRandom(name)
    const seen = new Map<string, number>()
    let token = ''
    while (left-- > 0) {
      const [dice = 0, choice = 0] = random.bytes(2)
      const key = keys[choice % keys.length] ?? 'a'
      const [kind, path] = dice < 100 ? ['increments', `/increment?id=${key}`] : dice < 180 ? ['reads', `/get?id=${key}`] : ['strongly reads', `/get?id=${key}&consistency=strong`]
      const toldBefore = told.get(key) ?? 0
      const answer = await running.call(`${path}&token=${encodeURIComponent(token)}`)
      const value = answer.value as number
      token = answer.token
      if (kind === 'increments') increments.set(key, (increments.get(key) ?? 0) + 1)
      if (value < (seen.get(key) ?? 0)) violations.push(`client ${name} ${kind} ${key} and sees ${value} after ${seen.get(key)}`)
      if (kind !== 'reads' && value < toldBefore) violations.push(`client ${name} ${kind} ${key} and sees ${value}, though ${toldBefore} had been told before`)
      seen.set(key, value)
      if (kind !== 'reads') told.set(key, Math.max(value, told.get(key) ?? 0))
    }
  }
  await Promise.all(Array.from({ length: clientCount }, (_, name) => client(name)))
  for (const [key, count] of increments) {
    const { value } = await running.call(`/get?id=${key}&consistency=strong`)
    if (value !== count) violations.push(`${key} is ${String(value)} after ${count} increments`)
  }
  const { background } = (await running.call('/stats')).value as { background: { flushes: number } }
  await running.stop()
  await rm(folder, { recursive: true })
  return { operations, flushes: background.flushes, violations }
}
