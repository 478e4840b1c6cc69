import { hostileDocuments, largeDocuments } from './documents.ts'
import type { Tally } from './Tally.ts'
import { tryCommands } from './try-commands.ts'
import { tryDocuments } from './try-documents.ts'
import { tryTexts } from './try-imports.ts'
import { jsonSuite, tryJsonSuite } from './try-json-suite.ts'
import { sharedParquets, tryParquets, trySharedParquets, trySpoiltParquets } from './try-parquet.ts'
import { tryEvents, tryNames, tryRequests } from './try-requests.ts'

export interface Door {
  readonly name: string
  readonly run: (tally: Tally) => Promise<void>
  /** Cases that others made, hundreds of files: `npm run corpus` only, and only where they are. */
  readonly shared?: 'here' | 'absent'
}

/** The doors of the corpus, by what has to hold at each. */
export const doors: readonly Door[] = [
  { name: 'documents are refused without a trace, or are there exactly, in the log and in the files', run: (tally) => tryDocuments(tally, hostileDocuments) },
  { name: 'large documents too', run: (tally) => tryDocuments(tally, largeDocuments) },
  { name: 'calls give what is right, or are refused without a trace', run: tryRequests },
  { name: 'events past the collections are refused without a trace', run: tryEvents },
  { name: 'odd names stay apart, in one folder', run: tryNames },
  { name: 'commands with what is wrong are refused without a trace', run: tryCommands },
  { name: 'text files are imported exactly, or refused without a trace', run: tryTexts },
  { name: 'Parquet files that lie are refused before they take memory', run: tryParquets },
  { name: 'no spoilt Parquet file hangs or crashes its reader', run: trySpoiltParquets },
  { name: 'the cases of nst/JSONTestSuite (skipped where ../shared/data/json-parsing is absent)', run: tryJsonSuite, shared: jsonSuite.length === 0 ? 'absent' : 'here' },
  { name: 'the files of apache/parquet-testing (skipped where ../shared/data/parquet-testing is absent)', run: trySharedParquets, shared: sharedParquets.length === 0 ? 'absent' : 'here' },
]
