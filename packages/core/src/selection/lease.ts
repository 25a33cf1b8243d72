import type { Ejection } from '../balancing/ejection.js';
import type { Endpoint } from '../balancing/endpoint.js';
import { isWorking } from '../balancing/outcome.js';
import type { Outcome } from '../balancing/outcome.js';
import { LOAD_HEADER } from '../call/load-report.js';
import type { ReplyHeaders } from '../call/reply.js';
import type { Clock } from '../time/clock.js';
import type { Lease } from './selector.js';

const WAITING = 0;
/** Headers told that the endpoint works. */
const WORKING = 1;
/** Headers told of a failure; `end` says which. */
const FAILING = 2;
const ENDED = 3;

/**
 * Counts a call at its endpoint and tells meter and ejector how it went: latency and a good answer as soon as headers are there,
 * so that a stream that stays open for an hour is a success now, and a failure when it ends.
 * One object per call on purpose, no pool: pick, answer and end take 160 ns with 10 to 100 endpoints, half of which is reading the clock twice.
 */
export class EndpointLease implements Lease {
  readonly endpoint: Endpoint;
  readonly #ejection: Ejection;
  readonly #clock: Clock;
  readonly #startedAt: number;
  readonly #epoch: number;
  /** Of a probe; 0 of any other call. */
  readonly #permit: number;
  #state: typeof WAITING | typeof WORKING | typeof FAILING | typeof ENDED = WAITING;

  constructor(endpoint: Endpoint, ejection: Ejection, clock: Clock, now: number, probe: boolean) {
    this.endpoint = endpoint;
    this.#ejection = ejection;
    this.#clock = clock;
    this.#startedAt = now;
    this.#permit = probe ? ejection.probe(endpoint, now) : 0;
    this.#epoch = endpoint.health.epoch;
    endpoint.started(now);
  }

  answered(status: number): void {
    if (this.#state !== WAITING) return;
    const { endpoint } = this;
    const now = this.#clock.now();
    const latencyMs = now - this.#startedAt;
    const works = isWorking(status);
    this.#state = works ? WORKING : FAILING;
    endpoint.noLongerWaiting(this.#startedAt);
    endpoint.measured(latencyMs);
    endpoint.meter.observe(latencyMs, works ? 'ok' : status === 429 ? 'overload' : 'failed', now);
    if (works) this.#ejection.succeeded(endpoint, this.#epoch, now);
  }

  heard(headers: ReplyHeaders): void {
    const { meter } = this.endpoint;
    if (meter.reported === undefined) return;
    const header = headers[LOAD_HEADER];
    if (header !== undefined) meter.reported(header, this.#clock.now());
  }

  end(outcome: Outcome): void {
    const before = this.#state;
    if (before === ENDED) return;
    this.#state = ENDED;
    const { endpoint } = this;
    const { kind } = outcome;
    endpoint.open--;
    if (before === WORKING && (kind === 'ok' || kind === 'cancelled')) return;
    const now = this.#clock.now();
    if (before === WAITING) {
      const latencyMs = now - this.#startedAt;
      endpoint.noLongerWaiting(this.#startedAt);
      // For people: a connection that fails, or a caller who leaves, is no answer.
      if (kind !== 'cancelled' && kind !== 'refused' && kind !== 'transport') endpoint.measured(latencyMs);
      endpoint.meter.observe(latencyMs, kind === 'ok' || kind === 'cancelled' || kind === 'overload' ? kind : 'failed', now);
    } else if (before === WORKING) {
      endpoint.meter.observe(0, 'failed', now);
    }
    if (kind === 'ok') this.#ejection.succeeded(endpoint, this.#epoch, now);
    else if (kind === 'cancelled') this.#ejection.cancelled(endpoint, this.#epoch, this.#permit, now);
    else this.#ejection.failed(endpoint, this.#epoch, this.#permit, outcome, now);
  }
}
