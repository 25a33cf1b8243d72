import { Call, Reply, ServiceError, compose } from '@ferrule/core';
import type { ServiceSelector, Wrapper } from '@ferrule/core';
import { balance } from '@ferrule/core/adapter';
import type { Clock } from '@ferrule/core/adapter';
import { seededRandom } from '@ferrule/testing';
import { Fleet } from './fleet.js';
import type { Experiment } from './fleet.js';
import { serverOf } from './rule.js';
import type { Job } from './server.js';

export interface PolicyExperiment extends Experiment {
  /** The policies of one client, the outermost first. `balance` stands between the two lists. */
  readonly policies: (client: { readonly clock: Clock; readonly random: () => number; readonly selector: ServiceSelector }) => {
    readonly above: readonly Wrapper[];
    readonly below: readonly Wrapper[];
  };
  /** Whether servers leave alone what has passed its deadline while it was queued. Default false. */
  readonly dropsLate?: boolean;
}

export interface PolicyTally {
  /** Latencies of the calls that succeeded, sorted. */
  readonly latencies: Float64Array;
  readonly calls: number;
  readonly failed: number;
  /** Attempts for each call. */
  readonly attempts: number;
  /** Of the calls that began in each second, the share that succeeded. */
  readonly goodput: readonly number[];
}

/** As `simulate`, but each call goes through the shipped policies, promises and all. */
export async function simulatePolicies(experiment: PolicyExperiment): Promise<PolicyTally> {
  const fleet = new Fleet(experiment);
  const { agenda, random, warmUpMs } = fleet;
  const { seconds = 40, load = 0.7, servers = 10, workers = 4, meanMs = 10, seed = 1, dropsLate = false } = experiment;
  const perMs = (load * servers * workers) / meanMs;
  const endMs = warmUpMs + seconds * 1_000;
  const latencies: number[] = [];
  const good: number[] = [];
  const all: number[] = [];
  let calls = 0;
  let failed = 0;
  let attempts = 0;

  const send = (call: Call): Promise<Reply> => {
    if (agenda.now() >= warmUpMs) attempts++;
    return new Promise((resolve, reject) => {
      const attempt = new Sending(fleet, call, dropsLate ? (call.deadline ?? Infinity) : Infinity, resolve, reject);
      agenda.add(attempt, agenda.now() + fleet.oneWay());
    });
  };
  const handlers = fleet.selectors.map((selector, client) => {
    const { above, below } = experiment.policies({ clock: agenda, random: seededRandom(seed * 6_007 + client), selector });
    return compose(...above, balance(selector), ...below)(send);
  });
  experiment.events?.(fleet);

  const arrive = (): void => {
    const at = agenda.now();
    const second = Math.floor(at / 1_000);
    const isMeasured = at >= warmUpMs;
    if (isMeasured) calls++;
    all[second] = (all[second] ?? 0) + 1;
    good[second] ??= 0;
    const call = new Call({ side: 'client', operation: OPERATION });
    call.run(handlers[Math.floor(random() * handlers.length)]!).then(
      () => {
        good[second]!++;
        if (isMeasured) latencies.push(agenda.now() - at);
      },
      () => {
        if (isMeasured) failed++;
      },
    );
    const next = -Math.log(1 - random()) / perMs;
    if (at + next < endMs) agenda.schedule(next, arrive);
  };
  agenda.schedule(0, arrive);
  await agenda.play(endMs + 5_000);
  return {
    latencies: Float64Array.from(latencies).sort(),
    calls,
    failed: failed / calls,
    attempts: attempts / calls,
    goodput: all.map((count, second) => good[second]! / count),
  };
}

export function percentile(share: number, latencies: Float64Array): number {
  return latencies[Math.ceil(share * latencies.length) - 1] ?? Number.NaN;
}

const OPERATION = { service: 'simulated', name: 'GET /', method: 'GET', path: '/', idempotent: true };

const ARRIVING = 0;
const WORKED_ON = 1;
const REPLYING = 2;

/** One attempt at a server, as a transport would make it. When it is aborted the client hears of it at once, and the server goes on. */
class Sending implements Job {
  at = 0;
  order = 0;
  pausedMs = 0;
  found = 0;
  cameAt = 0;
  #stage: typeof ARRIVING | typeof WORKED_ON | typeof REPLYING = ARRIVING;
  #ok = true;
  readonly #fleet: Fleet;
  readonly #call: Call;
  readonly #server: number;
  readonly #resolve: (reply: Reply) => void;
  readonly #reject: (error: unknown) => void;
  readonly latestStart: number;

  constructor(fleet: Fleet, call: Call, latestStart: number, resolve: (reply: Reply) => void, reject: (error: unknown) => void) {
    this.#fleet = fleet;
    this.#call = call;
    this.#server = serverOf(call.endpoint!.id);
    this.latestStart = latestStart;
    this.#resolve = resolve;
    this.#reject = reject;
    call.onAbort(reject);
  }

  happen(): void {
    const server = this.#fleet.servers[this.#server]!;
    if (this.#stage === ARRIVING) {
      this.#stage = WORKED_ON;
      if (server.fails()) {
        this.#ok = false;
        this.#reply(server.failMs);
      } else server.take(this);
    } else if (this.#stage === WORKED_ON) {
      if (server.end(this)) this.done();
    } else this.#arrived();
  }

  done(): void {
    this.#reply(0);
  }

  /** Nobody waits for it any more: its own timeout has told the client. */
  dropped(): void {}

  #reply(afterMs: number): void {
    this.#stage = REPLYING;
    const { agenda } = this.#fleet;
    agenda.add(this, agenda.now() + afterMs + this.#fleet.oneWay());
  }

  #arrived(): void {
    this.#fleet.agenda.settled();
    if (this.#call.aborted) return;
    this.#call.answered(this.#ok ? 200 : 503);
    if (this.#ok) this.#resolve(new Reply(200));
    else this.#reject(new ServiceError('UNAVAILABLE', `server ${this.#server} fails`, { retryable: true }));
  }
}
