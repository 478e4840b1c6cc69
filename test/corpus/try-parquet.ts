import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { readForeignParquet } from '../../src/parquet/read-foreign-parquet.ts'
import { sourceOfBytes } from '../source-of-bytes.ts'
import { fileRefusals, hostileParquets, spoilt } from './parquet-files.ts'
import type { Tally } from './Tally.ts'
import { ImportDoor } from './try-imports.ts'

const shared = resolve('../shared/data/parquet-testing')
/** Files of apache/parquet-testing, where that folder is. */
export const sharedParquets: readonly string[] = ['data', 'bad_data', 'shredded_variant'].flatMap((folder) => parquetsIn(join(shared, folder)))

function parquetsIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.parquet')).map((name) => join(folder, name)) : []
}

export async function tryParquets(tally: Tally): Promise<void> {
  const door = await ImportDoor.open(tally)
  for (const { name, bytes, gives, refusal } of hostileParquets) {
    await door.import({ name, format: 'parquet', content: bytes }, gives === undefined ? { refusal: refusal ?? fileRefusals } : { gives })
  }
  await door.close()
}

export async function trySharedParquets(tally: Tally): Promise<void> {
  const door = await ImportDoor.open(tally)
  for (const path of sharedParquets) await door.import({ name: path, format: 'parquet', content: readFileSync(path), partly: true }, 'typed')
  await door.close()
}

/** Past the command, since there are so many. */
export async function trySpoiltParquets(tally: Tally): Promise<void> {
  for (const { name, bytes } of spoilt()) {
    await tally.judge(name, 'typed', async () => {
      const file = await readForeignParquet(sourceOfBytes('spoilt.parquet', bytes))
      for await (const batch of file.rows()) if (batch.length > 3) tally.wrong.push(`${name}: ${batch.length} rows`)
    })
  }
}
