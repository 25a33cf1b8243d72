import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { Reply, createSelector, ejector, hedge } from '@ferrule/core';
import type { Call, HedgeOptions } from '@ferrule/core';
import { balance } from '@ferrule/core/adapter';
import type { Clock, Timer } from '@ferrule/core/adapter';
import { seededRandom } from '@ferrule/testing';
import { ScriptedDirectory, instances, outbound } from './selection-fixtures.js';

const SERVERS = 10;
const WORKERS = 4;
const CLIENTS = 5;
const MEAN_MS = 10;

interface Scenario {
  /** How busy the servers are, 0 to 1, without any extra attempts. */
  readonly load: number;
  readonly serviceMs: (random: () => number) => number;
  readonly hedge: HedgeOptions | false;
}

interface Result {
  readonly latencies: readonly number[];
  /** Attempts beside the first, as a share of the calls. */
  readonly extra: number;
}

/** One call in a hundred takes fifty times as long as the others. */
const bimodal = (random: () => number): number => (MEAN_MS / 1.49) * (random() < 0.01 ? 50 : 1);
const exponential = (random: () => number): number => -Math.log(1 - random()) * MEAN_MS;

/** Open-loop Poisson arrivals at servers with a queue, whose workers finish what was aborted too; half a millisecond of network each way. */
async function simulate({ load, serviceMs, hedge: options }: Scenario): Promise<Result> {
  const random = seededRandom(7);
  const agenda = new Agenda();
  const servers = Array.from({ length: SERVERS }, () => ({ busy: 0, queue: [] as (() => void)[] }));
  let attempts = 0;

  /** Done when a worker has had it. */
  const serve = (server: (typeof servers)[number]): Promise<void> =>
    new Promise((resolve) => {
      const begin = (): void => {
        server.busy++;
        agenda.schedule(serviceMs(random), () => {
          server.busy--;
          resolve();
          server.queue.shift()?.();
        });
      };
      agenda.schedule(0.5, () => {
        if (server.busy < WORKERS) begin();
        else server.queue.push(begin);
      });
    });

  const handlers = Array.from({ length: CLIENTS }, (_, index) => {
    const selector = createSelector({
      service: 'orders',
      directory: new ScriptedDirectory(instances(SERVERS)),
      ejector: ejector(),
      clock: agenda,
      random: seededRandom(100 + index),
    });
    const around = balance(selector)(async (call: Call) => {
      attempts++;
      const server = servers[Number(call.endpoint!.id.slice(1))]!;
      const done = serve(server).then(() => new Promise<Reply>((resolve) => agenda.schedule(0.5, () => resolve(new Reply(200)))));
      const left = new Promise<never>((_resolve, reject) => call.onAbort(reject));
      return Promise.race([done, left]);
    });
    return options === false ? around : hedge({ clock: agenda, ...options })(around);
  });

  const latencies: number[] = [];
  const perMs = (load * SERVERS * WORKERS) / MEAN_MS;
  const endsAt = 14_000;
  const warmUp = 4_000;
  let calls = 0;
  let attemptsBefore = 0;
  const arrive = (): void => {
    const began = agenda.now();
    const measured = began >= warmUp;
    if (measured && calls++ === 0) attemptsBefore = attempts;
    void outbound()
      .run(handlers[Math.floor(random() * CLIENTS)]!)
      .then(() => measured && latencies.push(agenda.now() - began));
    const next = -Math.log(1 - random()) / perMs;
    if (began + next < endsAt) agenda.schedule(next, arrive);
  };
  agenda.schedule(0, arrive);
  while (agenda.step()) await nextTurn();
  return { latencies: latencies.sort((a, b) => a - b), extra: (attempts - attemptsBefore) / calls - 1 };
}

function percentile({ latencies }: Result, share: number): number {
  return latencies[Math.ceil(share * latencies.length) - 1]!;
}

/** A clock that moves to the next timer when it is told to. */
class Agenda implements Clock {
  #now = 0;
  readonly #timers: { readonly due: number; readonly callback: () => void; cancelled: boolean }[] = []; // the next at the end

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return this.#now;
  }

  schedule(delayMs: number, callback: () => void): Timer {
    const timer = { due: this.#now + Math.max(0, delayMs), callback, cancelled: false };
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#timers[middle]!.due > timer.due) low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, timer);
    return { cancel: () => void (timer.cancelled = true) };
  }

  step(): boolean {
    let timer = this.#timers.pop();
    while (timer?.cancelled === true) timer = this.#timers.pop();
    if (timer === undefined) return false;
    this.#now = timer.due;
    timer.callback();
    return true;
  }
}

// The bars of facts about hedging at a client's p95: 337 ms without, 60 with; and no more load than the budget when it is dear.
describe('hedge in simulation', function () {
  this.timeout(60_000);

  it('cuts the tail of a service whose every hundredth call is slow, for 5 % more attempts', async () => {
    const scenario = { load: 0.5, serviceMs: bimodal };
    const without = await simulate({ ...scenario, hedge: false });
    const hedged = await simulate({ ...scenario, hedge: {} });
    expect(percentile(without, 0.999), 'the control').to.be.above(300);
    expect(percentile(hedged, 0.999)).to.be.below(60);
    expect(hedged.extra).to.be.within(0.01, 0.052);
  });

  it('does no harm to a service that is nearly full, as hedging without a budget does', async () => {
    const scenario = { load: 0.8, serviceMs: exponential };
    const without = await simulate({ ...scenario, hedge: false });
    const hedged = await simulate({ ...scenario, hedge: {} });
    const unbounded = await simulate({ ...scenario, hedge: { ratio: 1 } });
    expect(percentile(hedged, 0.99)).to.be.below(1.05 * percentile(without, 0.99));
    expect(hedged.extra).to.be.below(0.052);
    expect(percentile(unbounded, 0.9), 'the control').to.be.above(10 * percentile(without, 0.9));
  });
});
