import { begin } from '../call/call.js';
import type { Attempt } from '../call/call.js';
import { CODES, isCode } from '../errors/codes.js';
import type { Code } from '../errors/codes.js';
import { REASONS, refusal } from '../errors/service-error.js';
import { checkList, checkSurroundings } from '../options/check.js';
import { shown } from '../options/shown.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import type { Duration } from '../time/duration.js';
import { checkFunction, checkOptions, notify, positiveMs, wholeNumber } from './options.js';
import { rejected } from './rejected.js';
import { RollingCounts } from './rolling-counts.js';
import { verdictByCode } from './verdict.js';
import { named } from './wrapper.js';
import type { Policy } from './wrapper.js';

export interface ThrottleOptions {
  /**
   * How many requests are sent for each one that is accepted, from 1: 2 lets the other side refuse as many as it accepts, so that it hears when it
   * has room again; a lower one spares it more. Default 2.
   */
  readonly k?: number;
  /** What is looked back on, in ten buckets. Default 30 s. */
  readonly window?: Duration;
  /** Nothing is refused before the window has so many requests. Default 20. */
  readonly minRequests?: number;
  /** The codes by which the other side says that it does not accept. Default UNAVAILABLE, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED. */
  readonly failOn?: readonly Code[];
  /** Hears of every refusal. */
  readonly on?: (event: ThrottleEvent) => void;
  readonly clock?: Clock;
  readonly random?: () => number;
}

export interface ThrottleEvent {
  readonly kind: 'rejected';
  readonly label: string;
  /** With what probability it was refused. */
  readonly probability: number;
}

export interface ThrottleStats {
  /** All that have settled, those refused here included. */
  readonly requests: number;
  readonly accepts: number;
  /** Refused here. */
  readonly rejected: number;
  /** With what probability the next is refused. */
  readonly probability: number;
}

export interface Throttle extends Policy {
  stats(): ThrottleStats;
}

const REFUSED: readonly Code[] = ['UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'DEADLINE_EXCEEDED'];

/**
 * Spares a service that refuses or does not answer, before it has to refuse: once fewer than one of `k` requests are accepted, a share of them
 * is refused here, max(0, (requests − k · accepts) / (requests + 1)) (Beyer et al., "Site Reliability Engineering", 2016, chapter 21). The
 * refused ones count as requests, so that the share grows until what is sent is `k` times what is accepted; some always are, which is how it
 * ends.
 *
 * Accepted is whatever the other side answered, a failure of its own too, but for the codes of `failOn`. What was given up and refusals of this
 * process count as nothing. A request counts when it has settled: those under way would otherwise look refused, all of them in a burst at the
 * start. What one throttle wraps is one service.
 *
 * @throws ServiceError UNAVAILABLE, reason `THROTTLED`, with `retryAfterMs`
 * @throws TypeError at construction, for an option that makes no sense
 */
export function throttle(options: ThrottleOptions = {}): Throttle {
  checkOptions('throttle', options, ['k', 'window', 'minRequests', 'failOn', 'on', 'clock', 'random']);
  checkSurroundings('throttle', options);
  const { k = 2, failOn = REFUSED, on, clock = systemClock, random = Math.random } = options;
  checkFunction(on, 'throttle on');
  if (typeof k !== 'number' || !(k >= 1 && k < Infinity))
    throw new TypeError(`throttle k: ${shown(k)} is no such factor. Give a number from 1, such as 2; below 1 it would refuse what is accepted.`);
  const minRequests = wholeNumber(options.minRequests ?? 20, 'throttle minRequests', 1);
  checkList(failOn, 'throttle failOn', 'canonical codes');
  if (failOn.length === 0)
    throw new TypeError(`throttle failOn: without a code nothing is ever refused. Give codes such as 'UNAVAILABLE', or leave it out.`);
  for (const code of failOn)
    if (!isCode(code)) throw new TypeError(`throttle failOn: ${shown(code)} is no canonical code. Give some of ${CODES.join(', ')}.`);
  const verdict = verdictByCode(new Set(failOn));
  const window = new RollingCounts(positiveMs(options.window ?? '30s', 'throttle window'), 10); // requests are the good ones, accepts the bad ones
  const counts = { requests: 0, accepts: 0, rejected: 0 };

  function requested(now: number): void {
    counts.requests++;
    window.addGood(now);
  }

  function accepted(now: number): void {
    counts.accepts++;
    window.addBad(now);
  }

  /** With what probability a request is refused at `now`. */
  function probability(now: number): number {
    window.moveTo(now);
    const { good: requests, bad: accepts } = window;
    return requests < minRequests ? 0 : Math.max(0, (requests - k * accepts) / (requests + 1));
  }

  const policy: Policy =
    <C extends Attempt, R>(next: (call: C) => Promise<R>) =>
    (call: C) => {
      const now = clock.now();
      const share = probability(now);
      if (share > 0 && random() < share) {
        requested(now);
        counts.rejected++;
        notify(on, { kind: 'rejected', label: call.label, probability: share });
        return rejected<R>(
          refusal('UNAVAILABLE', `${call.label}: the service accepts few of our calls, so ${Math.round(share * 100)} % of them are not sent`, {
            reason: REASONS.throttled,
            retryAfterMs: 1000,
          }),
        );
      }
      const result = begin(next, call);
      result.then(
        () => {
          const then = clock.now();
          requested(then);
          accepted(then);
        },
        (error: unknown) => {
          const said = verdict(error, call);
          if (said === 'nothing') return;
          const then = clock.now();
          requested(then);
          if (said === 'answered') accepted(then);
        },
      );
      return result;
    };
  return Object.assign(named({ name: 'throttle' }, policy), { stats: (): ThrottleStats => ({ ...counts, probability: probability(clock.now()) }) });
}
