import type { Row } from '../src/cli/input/row.ts'

export function wordnetRows(path: string): AsyncGenerator<Row[], void>
export function parseSynset(text: string, line: number): Row['document']
