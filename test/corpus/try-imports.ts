import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseExtendedJson } from 'parquedb'
import { runCommand } from './command.ts'
import { hostileTexts } from './import-texts.ts'
import type { Expected, Tally } from './Tally.ts'

interface ImportedFile {
  readonly name: string
  readonly format: string
  readonly content: string | Uint8Array
  readonly flags?: readonly string[]
  readonly leaves?: readonly object[]
  /** Whole batches before the place where it is refused may be there. */
  readonly partly?: boolean
}

/** A folder with a database, and the imports into it. */
export class ImportDoor {
  readonly folder: string
  readonly #tally: Tally
  #count = 0

  private constructor(folder: string, tally: Tally) {
    this.folder = folder
    this.#tally = tally
  }

  /** With one document in it, which every import has to leave alone. */
  static async open(tally: Tally): Promise<ImportDoor> {
    const door = new ImportDoor(await mkdtemp(join(tmpdir(), 'parquedb-import-')), tally)
    await runCommand(['put', 'kept', '{"a": 1}', '--id', 'x', ...door.database])
    return door
  }

  get database(): readonly string[] {
    return ['--db', join(this.folder, 'db')]
  }

  /** Imports a file into a collection of its own; what is refused leaves it empty, and what is taken is read back through another opening. */
  async import({ name, format, content, flags = [], leaves = [], partly = false }: ImportedFile, expected: Expected): Promise<void> {
    const ns = `import-${++this.#count}`
    const file = join(this.folder, `${ns}.${format}`)
    await writeFile(file, content)
    const outcome = await this.#tally.judge(name, expected, async () => {
      await runCommand(['import', ns, file, ...flags, ...this.database])
      return expected !== 'typed' && 'gives' in expected ? this.#rows(ns) : []
    })
    if (outcome?.kind === 'refused' && !partly) this.#tally.same(`${name}: documents after the refusal`, await this.#rows(ns), leaves)
    await rm(file)
  }

  async close(): Promise<void> {
    this.#tally.same('the document that was there before', await this.#rows('kept'), [{ a: 1 }])
    await runCommand(['verify', '--deep', ...this.database])
    await rm(this.folder, { recursive: true, force: true })
  }

  async #rows(ns: string): Promise<unknown[]> {
    const printed = await runCommand(['log', '--ns', ns, '--json', ...this.database])
    const events = printed.split('\n').filter((line) => line !== '').map((line) => parseExtendedJson(line) as unknown as { seq: number; after: object })
    return events.toSorted((left, right) => left.seq - right.seq).map(({ after }) => after)
  }
}

export async function tryTexts(tally: Tally): Promise<void> {
  const door = await ImportDoor.open(tally)
  for (const { gives, refusal, ...file } of hostileTexts) await door.import(file, refusal === undefined ? { gives } : { refusal })
  await door.close()
}
