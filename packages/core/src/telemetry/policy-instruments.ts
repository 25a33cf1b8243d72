// Which counts of a policy are measured, and under which name: the words that people know from Resilience4j, in the form of OpenTelemetry.

/** One number of `stats()` as an observation. */
export interface Reading {
  /** Of the instrument, behind `ferrule.`. */
  readonly instrument: string;
  /**
   * `counter` only ever rises; `level` goes up and down and can be summed over policies (calls in flight); `state` cannot: of several the worst is
   * told, by the order of `STATES`.
   */
  readonly type: 'counter' | 'level' | 'state';
  readonly unit: string;
  readonly description: string;
  /** The member of `stats()`. */
  readonly member: string;
  readonly outcome?: string;
}

/** The numbers of Resilience4j for the states of a circuit; the worst last. */
const CIRCUIT_STATES: readonly (readonly [state: string, number: number])[] = [
  ['disabled', 3],
  ['closed', 0],
  ['half-open', 2],
  ['open', 1],
  ['forced-open', 4],
];
const CHAOS_STATES: readonly (readonly [state: string, number: number])[] = [
  ['disabled', 0],
  ['enabled', 1],
];
/** Each state's number, the worst last. */
export const STATES: Readonly<Record<string, readonly (readonly [state: string, number: number])[]>> = {
  'circuit_breaker.state': CIRCUIT_STATES,
  'chaos.state': CHAOS_STATES,
};

const counter = (instrument: string, unit: string, member: string, description: string, outcome?: string): Reading => ({
  instrument,
  type: 'counter',
  unit,
  member,
  description,
  ...(outcome !== undefined && { outcome }),
});
const level = (instrument: string, unit: string, member: string, description: string): Reading => ({
  instrument,
  type: 'level',
  unit,
  member,
  description,
});
const state = (instrument: string, description: string): Reading => ({ instrument, type: 'state', unit: '1', member: 'state', description });

/** Several outcomes of one counter, which together are all calls. */
function outcomes(instrument: string, unit: string, description: string, members: Readonly<Record<string, string>>): readonly Reading[] {
  return Object.entries(members).map(([member, outcome]) => counter(instrument, unit, member, description, outcome));
}

/** By the name of the policy. */
export const READINGS: Readonly<Record<string, readonly Reading[]>> = {
  circuitBreaker: [
    state('circuit_breaker.state', '0 closed, 1 open, 2 half-open, 3 disabled, 4 forced open; of several circuits the worst.'),
    counter('circuit_breaker.transitions', '{transition}', 'transitions', 'Changes of the state.'),
    ...outcomes('circuit_breaker.calls', '{call}', 'Calls by what their result said, or that they were refused.', {
      succeeded: 'success',
      failed: 'failure',
      ignored: 'ignored',
      rejected: 'rejected',
    }),
    // Not an outcome beside the others: a slow call has succeeded or failed too, and a sum over the outcomes would count it twice.
    counter('circuit_breaker.slow_calls', '{call}', 'slow', 'Calls that took as long as a slow one or longer, whatever their result.'),
  ],
  retry: [
    ...outcomes('retry.calls', '{call}', 'Calls by how they ended, with or without another attempt.', {
      succeededFirst: 'successful_without_retry',
      succeededAfterRetry: 'successful_with_retry',
      failedFirst: 'failed_without_retry',
      failedAfterRetry: 'failed_with_retry',
    }),
    counter('retry.attempts', '{attempt}', 'retries', 'Attempts beyond the first ones.'),
    counter('retry.forbidden', '{attempt}', 'forbidden', 'Attempts that a budget, the other side or the storm guard forbade.'),
  ],
  timeout: [counter('timeout.total', '{call}', 'timedOut', 'Calls that took longer than they may.')],
  bulkhead: [
    level('bulkhead.in_use', '{call}', 'active', 'Permits that are taken.'),
    level('bulkhead.queued', '{call}', 'queued', 'Calls that wait for a permit.'),
    level('bulkhead.limit', '{call}', 'limit', 'Permits that there are.'),
    counter('bulkhead.rejected', '{call}', 'rejected', 'Calls that were refused.'),
    counter('bulkhead.expired', '{call}', 'expired', 'Calls whose deadline had passed when their turn came.'),
  ],
  rateLimit: [
    counter('rate_limiter.rejected', '{call}', 'rejected', 'Calls that were refused.'),
    level('rate_limiter.keys', '{key}', 'keys', 'Keys that have a limit of their own now.'),
  ],
  concurrencyLimit: [
    level('concurrency_limit.in_use', '{call}', 'active', 'Calls that are open.'),
    level('concurrency_limit.queued', '{call}', 'queued', 'Calls that wait for a permit.'),
    level('concurrency_limit.limit', '{call}', 'limit', 'Calls that may be open, as it was found out.'),
    counter('concurrency_limit.rejected', '{call}', 'rejected', 'Calls that were refused.'),
    counter('concurrency_limit.expired', '{call}', 'expired', 'Calls whose deadline had passed when their turn came.'),
  ],
  throttle: [
    counter('throttle.requests', '{attempt}', 'requests', 'Attempts that have settled, those refused here included.'),
    counter('throttle.accepts', '{attempt}', 'accepts', 'Attempts that the other side accepted.'),
    counter('throttle.rejected', '{attempt}', 'rejected', 'Attempts that were refused here.'),
  ],
  hedge: [
    counter('hedge.attempts', '{attempt}', 'hedged', 'Attempts made because the one before was late or failed.'),
    counter('hedge.won', '{attempt}', 'won', 'Those of them that answered first.'),
    counter('hedge.forbidden', '{attempt}', 'forbidden', 'Those that a budget forbade.'),
  ],
  fallback: [counter('fallback.substituted', '{call}', 'substituted', 'Failures that were answered with something else.')],
  replyCache: [
    ...outcomes('reply_cache.calls', '{call}', 'Calls by what they were answered with.', {
      hits: 'hit',
      shared: 'shared',
      stale: 'stale',
      misses: 'miss',
    }),
    counter('reply_cache.stored', '{reply}', 'stored', 'Replies that were kept.'),
    level('reply_cache.size', '{reply}', 'size', 'Replies that are kept now.'),
    level('reply_cache.bytes', 'By', 'bytes', 'Bytes that they take.'),
  ],
  chaos: [
    state('chaos.state', '1 while faults are injected, else 0.'),
    counter('chaos.injected', '{fault}', 'injected', 'Faults that were injected.'),
  ],
};
