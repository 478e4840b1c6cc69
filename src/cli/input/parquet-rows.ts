import { ParqueDBError } from '../../base/ParqueDBError.ts'
import type { InputFile } from './InputFile.ts'
import type { Rows } from './row.ts'

export function parquetRows(file: InputFile): { rows: Rows; fraction(): number } {
  throw new ParqueDBError('INVALID_ARGUMENT', `${file.name}: Parquet files cannot be imported yet`)
}
