/** Hedges that may be saved up: what a burst gets at once. */
const SAVED = 10;

/** A late call that waits until a hedge may be made. */
export interface Waiting {
  /** There is room now. */
  proceed(): void;
}

/**
 * Hedges as a share of the calls: each call earns its share of one, of which ten are saved up, and there is no other reserve. Earned all along and
 * not looked back on over a window: there a burst, such as all calls that a pause of this process has made late, spends in a moment what was meant
 * for ten seconds, in which no slow call would be helped.
 *
 * Late calls that find nothing left wait their turn, the first first: one that is merely late ends before it comes, one that is really slow gets
 * the next that is earned.
 */
export class HedgeBudget {
  /** In calls, which are whole: sums of 0.05 would drift. */
  readonly #price: number;
  readonly #most: number;
  #credit = 0;
  readonly #waiting = new Set<Waiting>();

  /** @param ratio hedges for each call, above 0 and at most 1 */
  constructor(ratio: number) {
    this.#price = 1 / ratio;
    this.#most = ratio === 1 ? Infinity : this.#price * SAVED; // at 1 there is one for each call, and nothing to share out
  }

  /** A call has begun: its first attempt. Lets those who wait have what can be paid. */
  began(): void {
    this.#credit = Math.min(this.#credit + 1, this.#most);
    if (this.#waiting.size === 0) return;
    for (const waiting of this.#waiting) {
      if (!this.allows()) return;
      this.#waiting.delete(waiting);
      waiting.proceed();
    }
  }

  allows(): boolean {
    return this.#credit >= this.#price;
  }

  spend(): void {
    this.#credit -= this.#price;
  }

  /** Until there is room or `leave`. */
  wait(waiting: Waiting): void {
    this.#waiting.add(waiting);
  }

  leave(waiting: Waiting): void {
    if (this.#waiting.size > 0) this.#waiting.delete(waiting);
  }
}
