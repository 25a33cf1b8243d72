/** The newest `most` entries, the oldest first. */
export class History<T> {
  readonly #most: number;
  readonly #entries: T[] = [];
  #next = 0;

  constructor(most: number) {
    this.#most = most;
  }

  add(entry: T): void {
    if (this.#most === 0) return;
    if (this.#entries.length < this.#most) this.#entries.push(entry);
    else this.#entries[this.#next] = entry;
    this.#next = (this.#next + 1) % this.#most;
  }

  list(): readonly T[] {
    return this.#entries.length < this.#most ? [...this.#entries] : [...this.#entries.slice(this.#next), ...this.#entries.slice(0, this.#next)];
  }
}
