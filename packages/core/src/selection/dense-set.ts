/** A set whose items lie densely in an array, in no order: adding, removing and picking by index all take constant time. */
export class DenseSet<T> {
  readonly items: T[] = [];
  readonly #places = new Map<T, number>();

  get size(): number {
    return this.items.length;
  }

  has(item: T): boolean {
    return this.#places.has(item);
  }

  /** Puts the item in or takes it out; the last one moves into the gap. */
  set(item: T, present: boolean): void {
    const place = this.#places.get(item);
    if (present === (place !== undefined)) return;
    if (place === undefined) {
      this.#places.set(item, this.items.length);
      this.items.push(item);
      return;
    }
    const last = this.items.pop()!;
    this.#places.delete(item);
    if (last === item) return;
    this.items[place] = last;
    this.#places.set(last, place);
  }
}
