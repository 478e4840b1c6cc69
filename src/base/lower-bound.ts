/** Index of the first item that is not below, by itself or by its index; the items below come first. `{ length }` stands for indexes alone. */
export function lowerBound<Item>(items: ArrayLike<Item>, isBelow: (item: Item, index: number) => boolean): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBelow(items[middle] as Item, middle)) low = middle + 1
    else high = middle
  }
  return low
}
