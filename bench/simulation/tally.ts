/** What came of the calls of one experiment, from the end of the warm-up on; shares of servers from its very beginning. */
export class Tally {
  readonly #at: number[] = [];
  readonly #ms: number[] = [];
  #failed = 0;
  #timedOut = 0;
  /** Calls per second of simulated time and server. */
  readonly #picks: Uint32Array[] = [];
  readonly #servers: number;

  constructor(servers: number) {
    this.#servers = servers;
  }

  picked(server: number, at: number): void {
    const second = Math.floor(at / 1_000);
    while (this.#picks.length <= second) this.#picks.push(new Uint32Array(this.#servers));
    this.#picks[second]![server]!++;
  }

  ended(at: number, ms: number, kind: 'ok' | 'error' | 'timeout'): void {
    this.#at.push(at);
    this.#ms.push(ms);
    if (kind !== 'ok') this.#failed++;
    if (kind === 'timeout') this.#timedOut++;
  }

  get calls(): number {
    return this.#ms.length;
  }

  /** 0 to 1. */
  get failed(): number {
    return this.#failed / this.#ms.length;
  }

  get timedOut(): number {
    return this.#timedOut / this.#ms.length;
  }

  get mean(): number {
    return this.#ms.reduce((sum, ms) => sum + ms, 0) / this.#ms.length;
  }

  /** The share of the calls that took less than `ms`. */
  within(ms: number): number {
    return this.#ms.filter((one) => one < ms).length / this.#ms.length;
  }

  /** Of the calls that began between two times. */
  percentile(share: number, from = 0, to = Infinity): number {
    const latencies =
      from === 0 && to === Infinity ? [...this.#ms] : this.#ms.filter((_, index) => this.#at[index]! >= from && this.#at[index]! < to);
    const sorted = Float64Array.from(latencies).sort();
    return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  }

  /** The share of the calls that one server got, by whole seconds. */
  share(server: number, fromSecond = 0, toSecond = this.#picks.length): number {
    let own = 0;
    let all = 0;
    for (const counts of this.#picks.slice(fromSecond, toSecond)) {
      own += counts[server]!;
      for (const count of counts) all += count;
    }
    return own / all;
  }
}
