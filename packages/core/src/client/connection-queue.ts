/**
 * Who waits for one of an origin's connections when their number is limited. undici has a queue of its own, but nobody can leave
 * that: a caller who gave up would stay in it with its body until a connection is free, and behind an endless stream that is never.
 */
export class ConnectionQueue {
  readonly #limit: number;
  readonly #waiting = new Set<() => void>();
  #busy = 0;
  #advancing = false;

  /** @param limit how many may be under way at a time */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether nobody waits and nothing is under way. */
  get idle(): boolean {
    return this.#busy === 0 && this.#waiting.size === 0;
  }

  /** Runs `start` when it is its turn, perhaps at once. Once run, it has to be followed by one `leave`. The returned function takes back what has not begun. */
  enter(start: () => void): () => void {
    const turn = (): void => start();
    this.#waiting.add(turn);
    this.#advance();
    return () => void this.#waiting.delete(turn);
  }

  /** One that was started has ended. */
  leave(): void {
    this.#busy--;
    this.#advance();
  }

  /** In a loop, because one that fails at once leaves while it is started. */
  #advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    for (const turn of this.#waiting) {
      if (this.#busy >= this.#limit) break;
      this.#waiting.delete(turn);
      this.#busy++;
      turn();
    }
    this.#advancing = false;
  }
}
