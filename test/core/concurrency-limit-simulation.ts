import { Call, Reply, ServiceError } from '@ferrule/core';
import type { Policy } from '@ferrule/core';
import type { Clock } from '@ferrule/core/adapter';
import { seededRandom } from '@ferrule/testing';

export interface Load {
  readonly perSecond: number;
  /** Default 8. */
  readonly workers?: number;
  /** The mean of what one call takes, exponentially distributed. Default 10. */
  readonly serviceMs?: (now: number) => number;
  /** After which clients give up, while the server does the work all the same. Default 100. */
  readonly patienceMs?: number;
  readonly seconds: number;
  readonly warmUpSeconds?: number;
  readonly seed?: number;
}

export interface Measured {
  /** Replies that came while their client waited, as a share of what was offered or of what the server can do, whichever is less. */
  readonly goodput: number;
  /** Of the replies to what was let in and not given up. */
  readonly p99: number;
  readonly rejected: number;
}

const OPERATION = { service: 'orders', name: 'GET /orders', method: 'GET', path: '/orders', idempotent: true };

/** Open-loop Poisson arrivals at one server: a queue in front of its workers. */
export async function simulate(policyFor: (clock: Clock) => Policy, load: Load): Promise<Measured> {
  const { perSecond, workers = 8, serviceMs = () => 10, patienceMs = 100, seconds, warmUpSeconds = 10, seed = 1 } = load;
  const random = seededRandom(seed);
  const agenda = new Agenda();
  const exponential = (mean: number): number => -Math.log(1 - random()) * mean;
  const queue: (() => void)[] = [];
  let working = 0;
  const work = (done: () => void): void => {
    working++;
    agenda.add(exponential(serviceMs(agenda.now)), () => {
      working--;
      queue.shift()?.();
      done();
    });
  };
  const handler = policyFor(agenda.clock)<Call, Reply>(
    () =>
      new Promise((resolve) => {
        const begin = (): void => work(() => resolve(new Reply(200)));
        if (working < workers) begin();
        else queue.push(begin);
      }),
  );

  const latencies: number[] = [];
  let offered = 0;
  let rejected = 0;
  let good = 0;
  const endMs = (warmUpSeconds + seconds) * 1000;
  const arrive = (): void => {
    const at = agenda.now;
    if (at >= endMs) return;
    agenda.add(exponential(1000 / perSecond), arrive);
    const call = new Call({ side: 'server', operation: OPERATION });
    const counts = at >= warmUpSeconds * 1000;
    if (counts) offered++;
    let waiting = true;
    call.run(handler).then(
      () => {
        if (!waiting || !counts) return;
        waiting = false;
        good++;
        latencies.push(agenda.now - at);
      },
      () => {
        waiting = false;
        if (counts) rejected++;
      },
    );
    agenda.add(patienceMs, () => {
      if (waiting) call.abort(new ServiceError('CANCELLED', 'the client has gone'));
      waiting = false;
    });
  };
  arrive();
  await agenda.run();
  latencies.sort((a, b) => a - b);
  const possible = Math.min(offered, (seconds * 1000 * workers) / serviceMs(agenda.now));
  return { goodput: good / possible, p99: latencies[Math.floor(latencies.length * 0.99)] ?? Infinity, rejected: rejected / offered };
}

interface Event {
  readonly at: number;
  readonly happens: () => void;
}

/** What happens when: a binary heap. */
class Agenda {
  now = 0;
  readonly clock: Clock = {
    now: () => this.now,
    wallTime: () => this.now,
    schedule: (delayMs, callback) => {
      let cancelled = false;
      this.add(delayMs, () => void (cancelled || callback()));
      return { cancel: () => void (cancelled = true) };
    },
  };
  readonly #heap: Event[] = [];

  add(delayMs: number, happens: () => void): void {
    const event = { at: this.now + delayMs, happens };
    const heap = this.#heap;
    let index = heap.push(event) - 1;
    while (index > 0) {
      const above = (index - 1) >> 1;
      if (heap[above]!.at <= event.at) break;
      heap[index] = heap[above]!;
      index = above;
    }
    heap[index] = event;
  }

  /** Until nothing is left to happen. The promises that an event settles have run before the next. */
  async run(): Promise<void> {
    for (let event = this.#first(); event !== undefined; event = this.#first()) {
      this.now = event.at;
      event.happens();
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    }
  }

  #first(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === last || last === undefined) return first;
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && heap[below + 1]!.at < heap[below]!.at) below++;
      if (heap[below]!.at >= last.at) break;
      heap[index] = heap[below]!;
      index = below;
    }
    heap[index] = last;
    return first;
  }
}
