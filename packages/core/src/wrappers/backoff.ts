import type { Duration } from '../time/duration.js';
import { toMs } from '../time/duration.js';
import { amount, checkOptions, positiveMs } from './options.js';

/**
 * How long to wait before trying again, in ms. Holds no state, so that one serves all calls.
 * `wait` counts the waits of a call from 1; `random` gives numbers in [0, 1); `previousMs` is what it said for the wait before, 0 for none.
 */
export type Backoff = (wait: number, random: () => number, previousMs: number) => number;

export interface BackoffOptions {
  /** The first step. Default 25 ms. */
  readonly base?: Duration;
  /** No wait is longer. Default 250 ms. */
  readonly cap?: Duration;
}

export interface ExponentialOptions extends BackoffOptions {
  /** What each step is multiplied with, from 1. Default 2. */
  readonly factor?: number;
}

/** The kinds of backoff; `fullJitter` is the default of `retry`. */
export const backoff: {
  /** Anywhere between nothing and the exponential step, min(cap, base × 2^(wait-1)): callers that failed together come back apart. */
  fullJitter(options?: BackoffOptions): Backoff;
  /** min(cap, base × factor^(wait-1)), the same for everyone. */
  exponential(options?: ExponentialOptions): Backoff;
  /** min(cap, base × wait). */
  linear(options?: BackoffOptions): Backoff;
  /** Always the same. */
  fixed(delay: Duration): Backoff;
  /** Between base and three times the wait before, at most cap: grows by chance, and keeps callers apart. */
  decorrelated(options?: BackoffOptions): Backoff;
} = {
  fullJitter(options = {}) {
    const { baseMs, capMs } = steps('backoff.fullJitter', options);
    return (wait, random) => random() * Math.min(capMs, baseMs * 2 ** (wait - 1));
  },

  exponential(options = {}) {
    const { factor = 2, ...rest } = options;
    const { baseMs, capMs } = steps('backoff.exponential', rest);
    if (amount(factor, 'backoff.exponential factor') < 1)
      throw new TypeError(`backoff.exponential factor: ${factor} makes the waits shorter. Give a number from 1.`);
    return (wait) => Math.min(capMs, baseMs * factor ** (wait - 1));
  },

  linear(options = {}) {
    const { baseMs, capMs } = steps('backoff.linear', options);
    return (wait) => Math.min(capMs, baseMs * wait);
  },

  fixed(delay) {
    const delayMs = toMs(delay, 'backoff.fixed delay');
    return () => delayMs;
  },

  decorrelated(options = {}) {
    const { baseMs, capMs } = steps('backoff.decorrelated', options);
    return (_wait, random, previousMs) => Math.min(capMs, baseMs + random() * Math.max(0, previousMs * 3 - baseMs));
  },
};

function steps(kind: string, options: BackoffOptions): { baseMs: number; capMs: number } {
  checkOptions(kind, options, ['base', 'cap']);
  const baseMs = positiveMs(options.base ?? 25, `${kind} base`);
  const capMs = positiveMs(options.cap ?? 250, `${kind} cap`);
  if (capMs < baseMs) throw new TypeError(`${kind} cap: ${capMs} ms is below the base of ${baseMs} ms. Give a cap from the base up.`);
  return { baseMs, capMs };
}
