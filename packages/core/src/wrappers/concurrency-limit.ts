import { availableParallelism } from 'node:os';
import { begin } from '../call/call.js';
import type { Attempt } from '../call/call.js';
import { REASONS, refusal } from '../errors/service-error.js';
import { checkSurroundings } from '../options/check.js';
import { shown } from '../options/shown.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import type { Duration } from '../time/duration.js';
import { Permits } from './bulkhead-permits.js';
import type { PermitEvent } from './bulkhead-permits.js';
import { Aimd, Gradient2, Vegas } from './concurrency-limit-algorithms.js';
import type { LimitAlgorithm, LimitBounds } from './concurrency-limit-algorithms.js';
import { LimitWindow } from './concurrency-limit-window.js';
import { amount, checkFunction, checkOptions, notify, positiveMs, wholeNumber } from './options.js';
import { verdictByCode, verdictOn } from './verdict.js';
import { named } from './wrapper.js';
import type { Policy } from './wrapper.js';

export interface ConcurrencyLimitOptions {
  /**
   * `gradient2` holds the latency of now against the usual one; `vegas` against the fastest; `aimd` looks at timeouts and refusals alone.
   * Default `gradient2`.
   */
  readonly algorithm?: 'gradient2' | 'vegas' | 'aimd';
  /** The limit to begin with. Default 20, or the nearest that `min` and `max` allow. */
  readonly initial?: number;
  /** Default twice the number of cores. */
  readonly min?: number;
  /** Default 500. */
  readonly max?: number;
  /** How many times the usual latency the present one may be before the limit shrinks, from 1; for `gradient2`. Default 1.5. */
  readonly tolerance?: number;
  /** How long, with at least ten calls, is looked at before the limit changes. Default 1 s. */
  readonly window?: Duration;
  /** How many calls may wait for a permit, in calls for each one of the limit: 1 lets as many wait as may be open. Default 0: refused at once. */
  readonly queue?: number;
  /** How long one may wait before it is refused after all. Default: until its turn, its deadline or its abort. */
  readonly maxWait?: Duration;
  /** Hears of every change of the limit in whole calls, and of every call that found no permit free. */
  readonly on?: (event: ConcurrencyLimitEvent) => void;
  readonly clock?: Clock;
  readonly random?: () => number;
}

export type ConcurrencyLimitEvent = PermitEvent | LimitChange;

export interface LimitChange {
  readonly kind: 'limit';
  readonly from: number;
  readonly to: number;
  /** The average of the window; undefined when nothing was measured in it. */
  readonly latencyMs: number | undefined;
  /** The usual latency, for `vegas` the fastest; 0 for `aimd`. */
  readonly longMs: number;
}

export interface ConcurrencyLimitStats {
  readonly active: number;
  readonly queued: number;
  /** In whole calls. */
  readonly limit: number;
  /** Calls that were let through, at once or after a wait. */
  readonly admitted: number;
  readonly rejected: number;
  readonly expired: number;
  readonly longMs: number;
}

export interface ConcurrencyLimit extends Policy {
  stats(): ConcurrencyLimitStats;
}

/**
 * Bounds how much work is open at once by a limit that it finds itself, from how long work takes. It refuses what would only wait, early and
 * for next to nothing, so that a server with more to do than it can keeps doing as much as it can in time.
 *
 * Latency is the time from a call's permit to the settling of its handler; a permit is kept until the work has really ended. A timeout is a
 * latency of that length and a loss; a call that was given up counts as long as it took when that is above the usual; a refusal of what the work
 * depends on is a loss without a latency; other failures of the server say nothing, since they are often the fastest of all.
 *
 * @throws ServiceError UNAVAILABLE, reason `CONCURRENCY_LIMITED`, with `retryAfterMs`; the reason of the abort when aborted in the queue;
 * DEADLINE_EXCEEDED, reason `TIMEOUT`, when its turn came too late
 * @throws TypeError at construction, for an option that makes no sense
 */
export function concurrencyLimit(options: ConcurrencyLimitOptions = {}): ConcurrencyLimit {
  checkOptions('concurrencyLimit', options, [
    'algorithm',
    'initial',
    'min',
    'max',
    'tolerance',
    'window',
    'queue',
    'maxWait',
    'on',
    'clock',
    'random',
  ]);
  checkSurroundings('concurrencyLimit', options);
  const { on, clock = systemClock } = options;
  checkFunction(on, 'concurrencyLimit on');
  const windowMs = positiveMs(options.window ?? '1s', 'concurrencyLimit window');
  const algorithm = algorithmOf(options, windowMs);
  const window = new LimitWindow(windowMs, 10, clock.now());
  const places = amount(options.queue ?? 0, 'concurrencyLimit queue');
  const maxWaitMs = options.maxWait === undefined ? undefined : positiveMs(options.maxWait, 'concurrencyLimit maxWait');
  if (maxWaitMs !== undefined && places === 0)
    throw new TypeError('concurrencyLimit maxWait: nobody waits without a queue. Give queue too, such as { queue: 1 }, or leave maxWait out.');

  const permits = new Permits(Math.floor(algorithm.limit), {
    clock,
    places: () => Math.floor(places * permits.limit),
    maxWaitMs,
    tell: on && ((event) => notify(on, event)),
    refuse: (call) =>
      refusal('UNAVAILABLE', `${call.label}: ${permits.active} calls are open, and the limit is ${permits.limit} now`, {
        reason: REASONS.concurrencyLimited,
        retryAfterMs: 1000,
      }),
  });

  function settled(now: number): void {
    const sample = window.close(now, permits.active);
    if (sample === undefined) return;
    algorithm.update(sample);
    const from = permits.limit;
    const to = Math.floor(algorithm.limit);
    if (from === to) return;
    permits.limit = to;
    notify(on, { kind: 'limit', from, to, latencyMs: sample.latencyMs, longMs: algorithm.longMs });
  }

  function failed(error: unknown, call: Attempt, latencyMs: number): void {
    const verdict = byOverload(error, call);
    if (verdict === 'nothing') {
      if (call.aborted && latencyMs > algorithm.longMs) window.measured(latencyMs);
    } else if (verdict === 'failed') {
      window.dropped();
      if (byTimeout(error, call) === 'failed') window.measured(latencyMs);
    } else if (verdictOn(error, call) === 'answered') window.measured(latencyMs);
  }

  const policy: Policy = <C extends Attempt, R>(next: (call: C) => Promise<R>) => {
    const measured = (call: C): Promise<R> => {
      const beganAt = clock.now();
      window.begins(permits.active);
      const result = begin(next, call);
      result.then(
        () => {
          const now = clock.now();
          window.measured(now - beganAt);
          settled(now);
        },
        (error: unknown) => {
          const now = clock.now();
          failed(error, call, now - beganAt);
          settled(now);
        },
      );
      return result;
    };
    return (call: C) => permits.run(call, measured);
  };
  return Object.assign(named({ name: 'concurrencyLimit' }, policy), {
    stats: (): ConcurrencyLimitStats => ({
      active: permits.active,
      queued: permits.queued,
      limit: permits.limit,
      admitted: permits.admitted,
      rejected: permits.rejected,
      expired: permits.expired,
      longMs: algorithm.longMs,
    }),
  });
}

const byOverload = verdictByCode(new Set(['UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'DEADLINE_EXCEEDED']));
const byTimeout = verdictByCode(new Set(['DEADLINE_EXCEEDED']));

function algorithmOf(options: ConcurrencyLimitOptions, windowMs: number): LimitAlgorithm {
  const { algorithm = 'gradient2', tolerance = 1.5, random = Math.random } = options;
  const max = wholeNumber(options.max ?? 500, 'concurrencyLimit max', 1);
  const min = wholeNumber(options.min ?? Math.min(max, 2 * availableParallelism()), 'concurrencyLimit min', 1);
  if (min > max) throw new TypeError(`concurrencyLimit min: ${min} is above max, which is ${max}. Give a min of at most that, or a higher max.`);
  const initial = wholeNumber(options.initial ?? Math.min(max, Math.max(min, 20)), 'concurrencyLimit initial', 1);
  if (initial < min || initial > max)
    throw new TypeError(`concurrencyLimit initial: ${initial} is not between min and max. Give a number from ${min} to ${max}.`);
  if (typeof tolerance !== 'number' || !(tolerance >= 1 && tolerance < Infinity))
    throw new TypeError(`concurrencyLimit tolerance: ${shown(tolerance)} is no such factor. Give a number from 1, such as 1.5.`);
  const bounds: LimitBounds = { initial, min, max };
  switch (algorithm) {
    case 'gradient2':
      return new Gradient2(bounds, tolerance, windowMs);
    case 'vegas':
      return new Vegas(bounds, random);
    case 'aimd':
      return new Aimd(bounds);
    default:
      throw new TypeError(`concurrencyLimit algorithm: ${shown(algorithm)} is unknown. Give 'gradient2', 'vegas' or 'aimd'.`);
  }
}
