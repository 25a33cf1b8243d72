import { Call, Reply, ServiceError, concurrencyLimit } from '@ferrule/core';
import type { Wrapper } from '@ferrule/core';
import type { Clock } from '@ferrule/core/adapter';
import { seededRandom } from '@ferrule/testing';
import { Agenda } from '../agenda.js';
import { exponential } from '../draws.js';
import { bar, control, told } from '../finding.js';
import type { Finding, Scenario } from '../finding.js';
import { Server } from '../server.js';
import type { Job } from '../server.js';
import { percentile } from '../through-policies.js';

const WORKERS = 8;
const MEAN_MS = 10;
const PATIENCE_MS = 100;
const WARM_UP_MS = 15_000;
const CAPACITY = (WORKERS * 1_000) / MEAN_MS;

interface Served {
  /** Answered within patience, of what was offered or could be done, whichever is less, in %. */
  readonly goodput: number;
  readonly p99: number;
  readonly rejected: number;
}

/** One server with eight workers, offered `times` what it can do; clients wait 100 ms, and it does the work all the same. */
async function serve(policy: (clock: Clock) => Wrapper | undefined, times: number, seed: number, seconds: number): Promise<Served> {
  const agenda = new Agenda();
  const random = seededRandom(seed);
  const server = new Server(agenda, random, { workers: WORKERS, serviceMs: exponential(MEAN_MS) });
  const work = (): Promise<Reply> => new Promise((resolve) => server.take(new Work(agenda, server, () => resolve(new Reply(200)))));
  const handler = policy(agenda)?.(work) ?? work;
  const latencies: number[] = [];
  let offered = 0;
  let rejected = 0;
  const endMs = WARM_UP_MS + seconds * 1_000;
  const arrive = (): void => {
    const at = agenda.now();
    const counts = at >= WARM_UP_MS;
    if (counts) offered++;
    const call = new Call({ side: 'server', operation: { service: 'simulated', name: 'GET /', method: 'GET', path: '/', idempotent: true } });
    let isOver = false;
    const patience = agenda.schedule(PATIENCE_MS, () => {
      isOver = true;
      call.abort(new ServiceError('CANCELLED', 'the client has gone'));
    });
    call.run(handler).then(
      () => {
        patience.cancel();
        if (!isOver && counts) latencies.push(agenda.now() - at);
      },
      () => {
        patience.cancel();
        if (!isOver && counts) rejected++;
      },
    );
    const next = at - (Math.log(1 - random()) * 1_000) / (CAPACITY * times);
    if (next < endMs) agenda.schedule(next - at, arrive);
  };
  agenda.schedule(0, arrive);
  await agenda.play(endMs + PATIENCE_MS);
  const possible = Math.min(offered, CAPACITY * seconds);
  return {
    goodput: (latencies.length / possible) * 100,
    p99: percentile(0.99, Float64Array.from(latencies).sort()),
    rejected: (rejected / offered) * 100,
  };
}

class Work implements Job {
  at = 0;
  order = 0;
  pausedMs = 0;
  found = 0;
  cameAt = 0;
  readonly latestStart = Infinity;
  readonly #agenda: Agenda;
  readonly #server: Server;
  readonly #done: () => void;

  constructor(agenda: Agenda, server: Server, done: () => void) {
    this.#agenda = agenda;
    this.#server = server;
    this.#done = done;
  }

  happen(): void {
    if (this.#server.end(this)) this.done();
  }

  done(): void {
    this.#agenda.settled();
    this.#done();
  }

  dropped(): void {}
}

/** A server that is offered more than it can do. */
export const limiter: Scenario = {
  name: 'limiter',
  shows: 'a server that finds its own limit does as much as it can in time, whatever it is offered',
  async run({ seeds, share }) {
    const run = async (policy: (clock: Clock) => Wrapper | undefined, times: number): Promise<Served[]> => {
      const all: Served[] = [];
      for (const seed of seeds) all.push(await serve(policy, times, seed, 30 * share));
      return all;
    };
    // Twice the cores, were this a server of eight.
    const limited = (clock: Clock): Wrapper => concurrencyLimit({ clock, min: 2 * WORKERS });
    const findings: Finding[] = [];
    for (const times of [1.5, 3]) {
      const ours = await run(limited, times);
      findings.push(
        bar(
          `limited, offered ${times} times what it can: goodput`,
          ours.map(({ goodput }) => goodput),
          '%',
          '>=',
          97,
        ),
        bar(
          `the same: p99`,
          ours.map(({ p99 }) => p99),
          'ms',
          '<=',
          100,
        ),
        control(
          `no limit, ${times} times: goodput`,
          (await run(() => undefined, times)).map(({ goodput }) => goodput),
          '%',
          '<=',
          1,
        ),
      );
    }
    const easy = await run(limited, 0.7);
    findings.push(
      bar(
        'limited, offered 0.7 times what it can: rejected',
        easy.map(({ rejected }) => rejected),
        '%',
        '<=',
        0.2,
      ),
      told(
        'the same: goodput',
        easy.map(({ goodput }) => goodput),
        '%',
      ),
    );
    return findings;
  },
};
