import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { isUtf8 } from 'node:buffer'
import { join, resolve } from 'node:path'
import type { Tally } from './Tally.ts'
import { ImportDoor } from './try-imports.ts'

const suite = resolve('../shared/data/json-parsing')
/** Cases of nst/JSONTestSuite, where that folder is. */
export const jsonSuite: readonly string[] = existsSync(suite) ? readdirSync(suite).filter((name) => name.endsWith('.json')) : []

/** Each text as the value of a field: y_ is read as JSON.parse reads it, n_ is refused, i_ is one or the other; a name twice is ours to refuse. */
export async function tryJsonSuite(tally: Tally): Promise<void> {
  const door = await ImportDoor.open(tally)
  for (const name of jsonSuite) {
    const text = readFileSync(join(suite, name))
    const content = Buffer.concat([Buffer.from('[{"v":'), text, Buffer.from('}]')])
    const isRead = name.startsWith('y_') && !name.startsWith('y_object_duplicated_key') && isUtf8(text)
    const refusal = name.startsWith('i_') ? undefined : 'VALIDATION_FAILED'
    await door.import({ name, format: 'json', content }, isRead ? { gives: [{ v: JSON.parse(text.toString('utf8')) as unknown }] } : refusal === undefined ? 'typed' : { refusal })
  }
  await door.close()
}
