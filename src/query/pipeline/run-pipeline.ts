import { copyEntity } from '../../model/entity-document.ts'
import { cloneDocument, type Document } from '../../model/values.ts'
import type { ScanSlice } from '../../storage/view.ts'
import { parseQuery, type Query, type QueryInput } from '../parse-query.ts'
import { countRows, runQuery } from '../run-query.ts'
import { selectRows, type QueryRun } from '../select-rows.ts'
import { allFields } from './expression.ts'
import { Grouping, type GroupSpec } from './Grouping.ts'
import { Holding } from './pipeline-error.ts'
import { mapped, runStages, type PipelineRun, type Stage } from './stages.ts'

export type Pipeline = Readonly<ReturnType<typeof planPipeline>>

/** The query that the first stages are: what they match, and an order with a window that follows it; `stages` are left to do with what it finds. */
export function planPipeline(ns: string, stages: readonly Stage[], input: Omit<QueryInput, 'filter'>) {
  const other = stages.findIndex(({ name }) => name !== '$match')
  const matches = stages.slice(0, other < 0 ? stages.length : other).map(({ operand }) => operand)
  let at = matches.length
  const taken: { sort?: unknown; skip?: unknown; limit?: unknown } = {}
  for (const name of ['$sort', '$skip', '$limit'] as const) {
    if (stages[at]?.name !== name) continue
    taken[name.slice(1) as keyof typeof taken] = stages[at]?.operand
    at += 1
  }
  const filter = matches.length <= 1 ? matches[0] : { $and: matches }
  // What these make of one document shares its parts, unless a group follows, which makes copies.
  const isShared = stages.findLastIndex(({ name }) => name === '$unwind' || name === '$facet') > stages.findLastIndex(({ group }) => group !== undefined)
  return { query: parseQuery(ns, { ...input, ...taken, filter }), stages: [...stages.slice(at), ...(isShared ? [copying] : [])] }
}

const copying: Stage = { name: '', operand: undefined, reads: new Set(), isClosed: false, run: (input) => mapped(input, (documents) => documents.map(cloneDocument)) }

/** What a pipeline gives, in batches. The caller owns it. */
export async function* runPipeline({ query, stages }: Pipeline, run: QueryRun, given: Pick<PipelineRun, 'random' | 'related'>): AsyncGenerator<readonly Document[]> {
  const holding = new Holding(run.sortDocumentsMax)
  const parts: PipelineRun = { ...given, holding, find: (ns, filter) => runQuery(parseQuery(ns, { filter, asOf: query.asOf?.seq ?? (query.asOf?.ts === undefined ? undefined : new Date(query.asOf.ts)), signal: query.signal }), run, documentsOf(ns, undefined)) }
  const [first, ...rest] = stages
  const isWhole = query.sort.length === 0 && query.skip === 0 && query.limit === undefined
  if (isWhole && first?.name === '$count') yield* runStages(counted(query, run, String(first.operand)), rest, parts)
  else if (isWhole && first?.group !== undefined && first.name === '$group') yield* runStages(grouped(query, run, { spec: first.group, fields: fieldsOf([first]), holding }), rest, parts)
  else yield* runStages(runQuery(query, run, documentsOf(query.ns, fieldsOf(stages))), stages, parts)
}

async function* counted(query: Query, run: QueryRun, name: string): AsyncGenerator<readonly Document[]> {
  const count = await countRows(query, run)
  if (count > 0) yield [{ [name]: count }]
}

/** Groups on columns; what they do not tell comes as documents with the fields that are read. */
async function* grouped(query: Query, run: QueryRun, { spec, fields, holding }: { spec: GroupSpec; fields: ReadonlySet<string> | undefined; holding: Holding }): AsyncGenerator<readonly Document[]> {
  const grouping = new Grouping(spec, holding)
  const documents = documentsOf(query.ns, fields)
  // $first, $last and $push go by the order of ids, which slices that interleave only have as documents.
  const isOrdered = spec.fields.some(({ accumulator }) => ['$first', '$last', '$push'].includes(accumulator))
  if (isOrdered) {
    for await (const batch of runQuery(query, run, documents)) for (const document of batch) grouping.addDocument(document)
  } else {
    for await (const strip of selectRows(query, run.view, run.trace)) {
      for (const { batch, rows } of strip) {
        const open = batch.columns === undefined ? rows : grouping.addRows(batch.columns, rows)
        for (const document of open.length === 0 ? [] : documents({ batch, rows: open })) grouping.addDocument(document)
      }
    }
  }
  yield [...grouping.results()]
}

/** The top-level fields that the stages read before one that makes documents of its own; undefined where all may be read. */
function fieldsOf(stages: readonly Stage[]): ReadonlySet<string> | undefined {
  const fields = new Set<string>()
  for (const { reads, isClosed } of stages) {
    for (const name of reads) fields.add(name)
    if (isClosed) return fields.has(allFields) ? undefined : fields
  }
  return undefined
}

function documentsOf(ns: string, fields: ReadonlySet<string> | undefined): (slice: ScanSlice) => readonly Document[] {
  return ({ batch, rows }) => (batch.columns === undefined ? batch.states(rows).map((state) => copyEntity(ns, state)) : batch.columns.entities(rows, { ns, fields })) as unknown as readonly Document[]
}

