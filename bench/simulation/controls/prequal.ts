import type { Balancer, Clock, Endpoint, View } from '@ferrule/core/adapter';
import { serverOf } from '../rule.js';
import type { Rule, World } from '../rule.js';

const PROBES = 3;
const REMOVED = 1;
const DELTA = 1;
/** Requests in flight above this quantile of what probes told lately make a server hot. */
const HOT_ABOVE = 2 ** -0.25;
const OLDEST_MS = 1_000;
const RECENT = 64;

interface Answer {
  readonly endpoint: Endpoint;
  inflight: number;
  readonly latencyMs: number;
  readonly at: number;
  uses: number;
}

/**
 * Prequal (Wydrowski and others, NSDI 2024) by digests of it: three probes with each call; the fastest of those that are not hot, or the least
 * busy when all are. Of failures it knows nothing.
 */
class Prequal implements Balancer {
  readonly name = 'prequal';
  readonly #world: World;
  readonly #clock: Clock;
  readonly #size: number;
  readonly #reuse: number;
  readonly #recent: number[] = [];
  #pool: Answer[] = [];
  #removesOldest = true;

  constructor(world: World) {
    this.#world = world;
    this.#clock = world.clock;
    const n = world.size;
    this.#size = Math.max(2, Math.min(16, Math.floor(n / 2)));
    this.#reuse = Math.max(1, (1 + DELTA) / ((1 - this.#size / n) * PROBES - REMOVED));
  }

  pick({ endpoints, now }: View): Endpoint | undefined {
    const { random } = this.#world;
    for (let probe = 0; probe < PROBES; probe++) this.#probe(endpoints[Math.floor(random() * endpoints.length)]!);
    this.#pool = this.#pool.filter(({ at }) => now - at < OLDEST_MS);
    if (this.#pool.length < 2) return endpoints[Math.floor(random() * endpoints.length)];
    const hot = this.#hot();
    const cold = this.#pool.filter(({ inflight }) => inflight <= hot);
    const best =
      cold.length > 0
        ? cold.reduce((least, one) => (one.latencyMs < least.latencyMs ? one : least))
        : this.#pool.reduce((least, one) => (one.inflight < least.inflight ? one : least));
    best.inflight++;
    best.uses++;
    if (best.uses >= this.#reuse) this.#drop(best);
    this.#removeOne(hot);
    return best.endpoint;
  }

  #probe(endpoint: Endpoint): void {
    this.#world.probe(serverOf(endpoint.id), (inflight, latencyMs) => {
      this.#recent.push(inflight);
      if (this.#recent.length > RECENT) this.#recent.shift();
      this.#pool.push({ endpoint, inflight, latencyMs, at: this.#clock.now(), uses: 0 });
      if (this.#pool.length > this.#size) this.#pool.shift();
    });
  }

  #hot(): number {
    const sorted = [...this.#recent].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(HOT_ABOVE * sorted.length))]!;
  }

  #removeOne(hot: number): void {
    if (this.#pool.length < 2) return;
    this.#removesOldest = !this.#removesOldest;
    if (this.#removesOldest) {
      this.#pool.shift();
      return;
    }
    const anyHot = this.#pool.some(({ inflight }) => inflight > hot);
    this.#drop(
      this.#pool.reduce((worst, one) => (anyHot ? (one.inflight > worst.inflight ? one : worst) : one.latencyMs > worst.latencyMs ? one : worst)),
    );
  }

  #drop(answer: Answer): void {
    this.#pool.splice(this.#pool.indexOf(answer), 1);
  }
}

export const prequal: Rule = { name: 'Prequal (3 probes a call)', make: (world) => new Prequal(world) };
