import type { Attempt } from '../call/call.js';
import { refusal } from '../errors/service-error.js';
import { checkOptions } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { Duration } from '../time/duration.js';
import { positiveMs } from './options.js';
import { named } from './wrapper.js';
import type { Policy } from './wrapper.js';

export interface WhenDegradedOptions<T> {
  /** From which mode on. Default `partial`. */
  readonly mode?: 'partial' | 'full';
  /** What to answer, or what makes it of the call. Default: refused with 503. */
  readonly answer?: T | ((call: Attempt) => T | Promise<T>);
  /** Of the refusal. Default 10 s. */
  readonly retryAfter?: Duration;
}

/** A policy whose result may also be a `T`: a Wrapper when `T` is a Reply. */
export type WhenDegraded<T> = <C extends Attempt, R>(next: (call: C) => Promise<R>) => (call: C) => Promise<R | T>;

/**
 * While the service is degraded, answers without the handler: with a value, with what a function makes of the call, or with a refusal.
 * Inside a `replyCache` with `stale-if-error` the refusal has the cache answer with what it has kept. Calls that are under way go on.
 *
 * @throws ServiceError UNAVAILABLE, reason `DEGRADED`, with `retryAfterMs`, when no answer was given
 * @throws TypeError at construction, for an option that makes no sense
 */
export function whenDegraded<T = never>(
  degradation: { readonly mode: 'normal' | 'partial' | 'full' },
  options: WhenDegradedOptions<T> = {},
): WhenDegraded<T> {
  if (typeof degradation?.mode !== 'string') throw new TypeError(`whenDegraded: ${shown(degradation)} has no mode. Give what degradation() makes.`);
  checkOptions('whenDegraded', options, ['mode', 'answer', 'retryAfter']);
  const { mode = 'partial', answer } = options;
  if (mode !== 'partial' && mode !== 'full') throw new TypeError(`whenDegraded mode: ${shown(mode)} is no mode. Give 'partial' or 'full'.`);
  const retryAfterMs = positiveMs(options.retryAfter ?? '10s', 'whenDegraded retryAfter');
  const hasAnswer = 'answer' in options;
  const isOff = (): boolean => degradation.mode === 'normal' || (mode === 'full' && degradation.mode !== 'full');

  const policy =
    <C extends Attempt, R>(next: (call: C) => Promise<R>) =>
    async (call: C): Promise<unknown> => {
      if (isOff()) return next(call);
      if (!hasAnswer)
        throw refusal('UNAVAILABLE', `${call.label}: not served in ${degradation.mode} degradation`, { reason: 'DEGRADED', retryAfterMs });
      return typeof answer === 'function' ? (answer as (call: Attempt) => unknown)(call) : answer;
    };
  named({ name: 'whenDegraded', replays: true }, policy as Policy);
  return policy as WhenDegraded<T>;
}
