/** What a second or more of work looked like, for an algorithm that finds a limit. */
export interface LimitSample {
  /** The average; undefined when nothing that ended in the window says how long work takes. */
  readonly latencyMs: number | undefined;
  /** The most that were open at once. */
  readonly inflight: number;
  /** Whether something failed for overload: a timeout, or a refusal of what the work depends on. */
  readonly dropped: boolean;
}

/**
 * Collects how long calls took, and hands it on once `spanMs` have passed and there are `least` of them: a limit that follows single calls
 * follows luck (Netflix concurrency-limits, WindowedLimit). Moved on by the calls themselves, without a timer.
 */
export class LimitWindow {
  readonly #spanMs: number;
  readonly #least: number;
  #beganAt: number;
  #sumMs = 0;
  #measured = 0;
  #drops = 0;
  #inflight = 0;

  constructor(spanMs: number, least: number, now: number) {
    this.#spanMs = spanMs;
    this.#least = least;
    this.#beganAt = now;
  }

  /** A call begins, the `inflight`-th that is open. */
  begins(inflight: number): void {
    if (inflight > this.#inflight) this.#inflight = inflight;
  }

  /** A call has ended so long after it began. One that ended before it began says nothing but that the clock went back. */
  measured(latencyMs: number): void {
    if (!(latencyMs >= 0)) return;
    this.#measured++;
    this.#sumMs += latencyMs;
  }

  dropped(): void {
    this.#drops++;
  }

  /** The window when it is full, and begins the next with `inflight` calls; else undefined. A clock that went back begins its span anew. */
  close(now: number, inflight: number): LimitSample | undefined {
    const ageMs = now - this.#beganAt;
    if (ageMs < 0) this.#beganAt = now;
    if (ageMs < this.#spanMs || this.#measured + this.#drops < this.#least) return undefined;
    const sample: LimitSample = {
      latencyMs: this.#measured === 0 ? undefined : this.#sumMs / this.#measured,
      inflight: this.#inflight,
      dropped: this.#drops > 0,
    };
    this.#beganAt = now;
    this.#sumMs = this.#measured = this.#drops = 0;
    this.#inflight = inflight;
    return sample;
  }
}
