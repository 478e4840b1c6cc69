/** Of what comes in batches all but the first `skip`, at most `limit`. The source is left as soon as the last one is known. */
export async function* windowed<Item>(batches: AsyncIterable<readonly Item[]> | Iterable<readonly Item[]>, { skip, limit = Number.POSITIVE_INFINITY }: { skip: number; limit?: number | undefined }): AsyncGenerator<readonly Item[]> {
  let at = 0
  for await (const items of batches) {
    const part = items.slice(Math.max(0, skip - at), skip + limit - at)
    at += items.length
    if (part.length > 0) yield part
    if (at >= skip + limit) return
  }
}
