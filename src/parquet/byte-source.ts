/** Where a reader gets a file's bytes from. */
export interface ByteSource {
  readonly path: string
  readonly sizeBytes: number
  /** Half-open; always whole: a short read is CORRUPT_FILE. */
  readRange(range: { start: number; end: number }): Promise<Uint8Array>
}
