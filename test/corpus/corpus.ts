import { hostileDocuments, largeDocuments } from './documents.ts'
import type { Tally } from './Tally.ts'
import { tryDocuments } from './try-documents.ts'
import { tryTexts } from './try-imports.ts'
import { tryEvents, tryNames, tryRequests } from './try-requests.ts'

/** The doors of the corpus, by what has to hold at each. */
export const doors: Readonly<Record<string, (tally: Tally) => Promise<void>>> = {
  'documents are refused without a trace, or are there exactly, in the log and in files': (tally) => tryDocuments(tally, hostileDocuments),
  'large documents too': (tally) => tryDocuments(tally, largeDocuments),
  'calls give what is right, or are refused without a trace': tryRequests,
  'events past the collections are refused without a trace': tryEvents,
  'odd names stay apart, in one folder': tryNames,
  'text files are imported exactly, or refused without a trace': tryTexts,
}
