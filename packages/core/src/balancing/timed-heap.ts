/** What a TimedHeap orders: `at` says when, `slot` is its place there and belongs to the heap (-1 outside). */
export interface Timed {
  at: number;
  slot: number;
}

/** A binary heap, the earliest on top, that knows where each item is: one whose time changed moves in O(log n). Allocates only to grow. */
export class TimedHeap<T extends Timed> {
  readonly #items: T[] = [];

  get top(): T | undefined {
    return this.#items[0];
  }

  /** Puts it in, or into its right place after `at` changed. */
  put(item: T): void {
    if (item.slot < 0) {
      item.slot = this.#items.length;
      this.#items.push(item);
    }
    this.#sink(this.#rise(item.slot));
  }

  /** Takes it out; without effect when it is not in. */
  remove(item: T): void {
    const slot = item.slot;
    if (slot < 0) return;
    item.slot = -1;
    const last = this.#items.pop()!;
    if (last === item) return;
    last.slot = slot;
    this.#items[slot] = last;
    this.#sink(this.#rise(slot));
  }

  clear(): void {
    for (const item of this.#items) item.slot = -1;
    this.#items.length = 0;
  }

  #rise(from: number): number {
    const items = this.#items;
    const item = items[from]!;
    let slot = from;
    while (slot > 0) {
      const parent = (slot - 1) >> 1;
      const above = items[parent]!;
      if (above.at <= item.at) break;
      items[slot] = above;
      above.slot = slot;
      slot = parent;
    }
    items[slot] = item;
    item.slot = slot;
    return slot;
  }

  #sink(from: number): void {
    const items = this.#items;
    const item = items[from]!;
    let slot = from;
    for (;;) {
      let child = 2 * slot + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && items[child + 1]!.at < items[child]!.at) child++;
      const below = items[child]!;
      if (below.at >= item.at) break;
      items[slot] = below;
      below.slot = slot;
      slot = child;
    }
    items[slot] = item;
    item.slot = slot;
  }
}
