import { createHash } from 'node:crypto'
import { isParqueDBError, ParqueDBError, retold } from '../../base/ParqueDBError.ts'
import type { Collection } from '../../db/Collection.ts'
import { BulkWrite } from '../../model/BulkWrite.ts'
import { stringifyExtendedJson } from '../../model/ejson.ts'
import type { Row, Rows } from './row.ts'

export interface ImportRequest {
  readonly collection: Collection
  /** What errors call the file. */
  readonly where: string
  readonly rows: Rows
  /** Names this import: rows that stood at this place of an import of this name are not imported again. undefined: every run is another import. */
  readonly name: string | undefined
  /** What to do with a document whose id is there already. */
  readonly onConflict: 'error' | 'skip' | 'replace'
  readonly actor?: string | undefined
  /** Stops between two batches. */
  readonly signal?: AbortSignal | undefined
  /** Called after each batch. */
  readonly onProgress?: ((counts: ImportCounts) => void) | undefined
}

/** Rows by what became of them. */
export interface ImportCounts {
  readonly created: number
  readonly replaced: number
  readonly skipped: number
  /** Imported before, by an import of this name. */
  readonly repeated: number
}

/** Rows of one commit: all of them are there after a crash, or none. */
const batchRowsMax = 1_000
const batchBytesMax = 512 * 1024

/**
 * Creates the rows' documents, a batch of up to 1,000 a commit; the next batch is read while one becomes durable.
 *
 * Resumable: a batch's txId is a hash over the import's name and every row up to its end. So the same rows under the same name give the
 * same txIds, and the engine does not commit those again that it has; a file that is corrected behind the point where it failed goes on there.
 * It is interrupted when the signal came before the end of the rows. An error names the row's line, and its `details` carry the counts of what is imported: whole batches, from the start.
 */
export async function importRows(request: ImportRequest): Promise<ImportCounts & { readonly isInterrupted: boolean }> {
  let counts: ImportCounts = { created: 0, replaced: 0, skipped: 0, repeated: 0 }
  const nextTxId = txIds(request)
  const bulk = new BulkWrite<Row>({ itemsMax: batchRowsMax, bytesMax: batchBytesMax, committingMax: 1, signal: request.signal }, async ({ items }, { onDecided }) => {
    const txId = nextTxId(items)
    onDecided()
    counts = sum(counts, await commit({ rows: items, txId }, request))
    request.onProgress?.(counts)
  })
  try {
    for await (const rows of request.rows) {
      for (const row of rows) {
        const submitted = bulk.add(row, row.bytes)
        if (submitted !== undefined) await submitted
      }
    }
    await bulk.end()
    return { ...counts, isInterrupted: false }
  } catch (thrown) {
    const error = await bulk.failure(thrown)
    if (isParqueDBError(error, 'ABORTED')) return { ...counts, isInterrupted: true }
    throw retold(error, { imported: counts })
  }
}

/** The txIds of batches, one after the other; undefined for an import without a name. */
function txIds({ name, collection }: ImportRequest): (rows: readonly Row[]) => string | undefined {
  let chain = createHash('sha256').update(JSON.stringify([name ?? '', collection.name])).digest('hex')
  return (rows) => {
    if (name === undefined) return undefined
    const hash = createHash('sha256').update(chain)
    for (const { document } of rows) hash.update(stringifyExtendedJson(document)).update('\n')
    chain = hash.digest('hex')
    return `import:${chain.slice(0, 40)}`
  }
}

async function commit({ rows, txId }: { rows: readonly Row[]; txId: string | undefined }, request: ImportRequest): Promise<ImportCounts> {
  const { collection, onConflict, actor, where } = request
  if (onConflict !== 'error') checkIds(rows, request)
  const options = {
    onConflict,
    // With ids and a rule for conflicts, a second run is right by itself, and may be meant to undo what came after the first.
    ...(txId === undefined || onConflict !== 'error' ? {} : { txId }),
    ...(actor === undefined ? {} : { actor }),
  }
  try {
    const result = await collection.createMany(rows.map(({ document }) => document), options)
    return { created: result.createdCount, replaced: result.replacedCount, skipped: result.skippedCount, repeated: result.repeatedCount }
  } catch (error) {
    const index = isParqueDBError(error) ? error.details['index'] : undefined
    const row = typeof index === 'number' ? rows[index] : undefined
    if (row === undefined) throw error
    const hint = isParqueDBError(error, 'ALREADY_EXISTS') ? ' To import all the same: --on-conflict skip, or --on-conflict replace.' : ''
    throw retold(error, { file: where, line: row.line }, (message) => `${where}, line ${row.line}: ${message.replace(/^Document \d+: /, '')}${hint}`)
  }
}

function checkIds(rows: readonly Row[], { where, onConflict }: ImportRequest): void {
  const row = rows.find(({ document }) => document.$id === undefined)
  if (row === undefined) return
  throw new ParqueDBError('VALIDATION_FAILED', `${where}, line ${row.line}: --on-conflict ${onConflict} needs documents with ids; name the field that holds them with --id <field>`, { details: { file: where, line: row.line } })
}

function sum(left: ImportCounts, right: ImportCounts): ImportCounts {
  return { created: left.created + right.created, replaced: left.replaced + right.replaced, skipped: left.skipped + right.skipped, repeated: left.repeated + right.repeated }
}
