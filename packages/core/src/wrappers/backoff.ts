import type { Duration } from '../time/duration.js';
import { toMs } from '../time/duration.js';
import { shown } from '../options/shown.js';
import { amount, checkOptions, positiveMs } from './options.js';

/**
 * How long to wait before trying again, in ms. Holds no state, so that one serves all calls.
 * `wait` counts the waits of a call from 1; `random` gives numbers in [0, 1); `previousMs` is what it said for the wait before, 0 for none.
 */
export type Backoff = (wait: number, random: () => number, previousMs: number) => number;

/**
 * What chance does to a wait of d ms, so that callers that failed together come back apart. `none`: nothing; `full`: anywhere from 0 to d;
 * `equal`: from d/2 to d; a number r from 0 to 1: from d × (1 - r) to d × (1 + r), as gRPC does with 0.2. Never above the cap.
 */
export type Jitter = 'none' | 'full' | 'equal' | number;

export interface BackoffOptions {
  /** The first step. Default 25 ms. */
  readonly base?: Duration;
  /** No wait is longer. Default 250 ms, or the base when that is longer. */
  readonly cap?: Duration;
}

export interface ExponentialOptions extends BackoffOptions {
  /** What each step is multiplied with, from 1. Default 2. */
  readonly factor?: number;
  /** Default `none`. */
  readonly jitter?: Jitter;
}

export interface LinearOptions extends BackoffOptions {
  /** What each step is longer than the one before. Default: the base. */
  readonly step?: Duration;
  /** Default `none`. */
  readonly jitter?: Jitter;
}

export interface FixedOptions {
  /** Default `none`. With a number the wait is longer than `delay` half of the time. */
  readonly jitter?: Jitter;
}

/** The kinds of backoff; `fullJitter` is the default of `retry`. */
export const backoff: {
  /** Anywhere between nothing and the exponential step, min(cap, base × 2^(wait-1)): the kind that spreads callers best (AWS, "Exponential Backoff And Jitter"). */
  fullJitter(options?: BackoffOptions): Backoff;
  /** min(cap, base × factor^(wait-1)). */
  exponential(options?: ExponentialOptions): Backoff;
  /** min(cap, base + step × (wait-1)). */
  linear(options?: LinearOptions): Backoff;
  /** Always the same. */
  fixed(delay: Duration, options?: FixedOptions): Backoff;
  /** Between base and three times the wait before, at most cap: grows by chance, and keeps callers apart. */
  decorrelated(options?: BackoffOptions): Backoff;
} = {
  fullJitter(options = {}) {
    checkOptions('backoff.fullJitter', options, ['base', 'cap']);
    const { baseMs, capMs } = bounds('backoff.fullJitter', options);
    return jittered((wait) => baseMs * 2 ** (wait - 1), capMs, 'full');
  },

  exponential(options = {}) {
    checkOptions('backoff.exponential', options, ['base', 'cap', 'factor', 'jitter']);
    const { factor = 2, jitter = 'none' } = options;
    const { baseMs, capMs } = bounds('backoff.exponential', options);
    if (amount(factor, 'backoff.exponential factor') < 1)
      throw new TypeError(`backoff.exponential factor: ${factor} makes the waits shorter. Give a number from 1.`);
    return jittered((wait) => baseMs * factor ** (wait - 1), capMs, checkJitter(jitter, 'backoff.exponential jitter'));
  },

  linear(options = {}) {
    checkOptions('backoff.linear', options, ['base', 'cap', 'step', 'jitter']);
    const { jitter = 'none' } = options;
    const { baseMs, capMs } = bounds('backoff.linear', options);
    const stepMs = options.step === undefined ? baseMs : toMs(options.step, 'backoff.linear step');
    return jittered((wait) => baseMs + stepMs * (wait - 1), capMs, checkJitter(jitter, 'backoff.linear jitter'));
  },

  fixed(delay, options = {}) {
    checkOptions('backoff.fixed', options, ['jitter']);
    const delayMs = toMs(delay, 'backoff.fixed delay');
    return jittered(() => delayMs, Infinity, checkJitter(options.jitter ?? 'none', 'backoff.fixed jitter'));
  },

  decorrelated(options = {}) {
    checkOptions('backoff.decorrelated', options, ['base', 'cap']);
    const { baseMs, capMs } = bounds('backoff.decorrelated', options);
    return (_wait, random, previousMs) => Math.min(capMs, baseMs + random() * Math.max(0, previousMs * 3 - baseMs));
  },
};

/** `step` may grow without bounds, beyond all numbers too: the cap comes before chance, and after it once more. */
function jittered(step: (wait: number) => number, capMs: number, jitter: Jitter): Backoff {
  const full = (wait: number): number => Math.min(capMs, step(wait));
  switch (jitter) {
    case 'none':
      return full;
    case 'full':
      return (wait, random) => random() * full(wait);
    case 'equal':
      return (wait, random) => (full(wait) * (1 + random())) / 2;
    default:
      return (wait, random) => Math.min(capMs, full(wait) * (1 + jitter * (2 * random() - 1)));
  }
}

function checkJitter(jitter: Jitter, option: string): Jitter {
  if (jitter === 'none' || jitter === 'full' || jitter === 'equal') return jitter;
  if (typeof jitter === 'number' && jitter >= 0 && jitter <= 1) return jitter;
  throw new TypeError(`${option}: ${shown(jitter)} is no jitter. Give 'none', 'full', 'equal', or a share from 0 to 1, such as 0.2 for ± 20 %.`);
}

function bounds(kind: string, { base, cap }: BackoffOptions): { baseMs: number; capMs: number } {
  const baseMs = positiveMs(base ?? 25, `${kind} base`);
  const capMs = positiveMs(cap ?? Math.max(250, baseMs), `${kind} cap`);
  if (capMs < baseMs) throw new TypeError(`${kind} cap: ${capMs} ms is below the base of ${baseMs} ms. Give a cap from the base up.`);
  return { baseMs, capMs };
}
