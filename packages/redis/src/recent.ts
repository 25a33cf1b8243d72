const MOST = 4_096;

/** Names, the most recent 4,096 of them. */
export class Recent implements Iterable<string> {
  readonly #names = new Set<string>();

  /** Whether it is new. */
  add(name: string): boolean {
    const isNew = !this.#names.delete(name);
    this.#names.add(name);
    if (this.#names.size > MOST) for (const oldest of this.#names) return this.#names.delete(oldest) && isNew;
    return isNew;
  }

  delete(name: string): void {
    this.#names.delete(name);
  }

  [Symbol.iterator](): Iterator<string> {
    return [...this.#names].values();
  }
}
