// A binary heap that knows where each of its items is, so that an item whose virtual time changes while it waits is moved
// in O(log n). Used by the fair queue alone.

/** What the heap orders. `heapIndex` belongs to the heap: -1 outside it. */
export interface HeapItem {
  virtualTime: number
  /** At equal virtual times the lesser goes first. */
  arrival: number
  heapIndex: number
}

/** Items by ascending virtual time. */
export class VirtualTimeHeap<Item extends HeapItem> {
  readonly #items: Item[] = []

  get size(): number {
    return this.#items.length
  }

  [Symbol.iterator](): Iterator<Item> {
    return this.#items.values()
  }

  push(item: Item): void {
    item.heapIndex = this.#items.length
    this.#items.push(item)
    this.#rise(item)
  }

  /** The item with the least virtual time, taken out. */
  pop(): Item | undefined {
    const first = this.#items[0]
    if (first !== undefined) this.remove(first)
    return first
  }

  remove(item: Item): void {
    const index = item.heapIndex
    const last = this.#items.pop()
    item.heapIndex = -1
    if (last === undefined || last === item) return
    this.#place(last, index)
    this.moved(last)
  }

  /** To be called when the item's virtual time has changed. */
  moved(item: Item): void {
    this.#rise(item)
    this.#sink(item)
  }

  #rise(item: Item): void {
    while (item.heapIndex > 0) {
      const parent = this.#items[(item.heapIndex - 1) >> 1] as Item
      if (!isBefore(item, parent)) return
      this.#swap(parent, item)
    }
  }

  #sink(item: Item): void {
    for (;;) {
      const left = this.#items[2 * item.heapIndex + 1]
      const right = this.#items[2 * item.heapIndex + 2]
      const least = right !== undefined && left !== undefined && isBefore(right, left) ? right : left
      if (least === undefined || !isBefore(least, item)) return
      this.#swap(item, least)
    }
  }

  #swap(upper: Item, lower: Item): void {
    const index = upper.heapIndex
    this.#place(upper, lower.heapIndex)
    this.#place(lower, index)
  }

  #place(item: Item, index: number): void {
    item.heapIndex = index
    this.#items[index] = item
  }
}

function isBefore(one: HeapItem, other: HeapItem): boolean {
  return one.virtualTime < other.virtualTime || (one.virtualTime === other.virtualTime && one.arrival < other.arrival)
}
