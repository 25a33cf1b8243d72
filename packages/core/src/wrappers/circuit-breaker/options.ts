import type { Attempt, Call } from '../../call/call.js';
import { isCode } from '../../errors/codes.js';
import type { Code } from '../../errors/codes.js';
import { checkList, checkSurroundings, namesOf } from '../../options/check.js';
import { shown } from '../../options/shown.js';
import { systemClock } from '../../time/clock.js';
import type { Clock } from '../../time/clock.js';
import type { Duration } from '../../time/duration.js';
import { adaptiveSettings } from './adaptive.js';
import type { AdaptiveSettings, AdaptiveThresholdOptions } from './adaptive.js';
import type { CircuitEvent } from './contract.js';
import { openTimes } from './recovery.js';
import type { CircuitRecovery } from './recovery.js';
import type { CircuitSnapshot, KeyedCircuitSnapshot } from './snapshot.js';
import { CallWindow, TimeWindow } from './window.js';
import type { ResultWindow } from './window.js';
import { checkFunction, checkOptions, checkWord, positiveMs, share, wholeNumber } from '../options.js';
import { verdictByCode, verdictOn } from '../verdict.js';
import type { Verdict } from '../verdict.js';

/** All but the functions may stand in a configuration file. */
export interface CircuitBreakerOptions {
  /** The share of failed calls from which it opens. Default 0.5. */
  readonly threshold?: number;
  /** How many calls there must be in the window before a share says anything. Default 20, or the size of a window of fewer calls. */
  readonly minimumCalls?: number;
  /** What it looks back on: a time, in ten buckets, or the last calls, for example `{ calls: 100 }`. Default 10 s. */
  readonly window?: Duration | { readonly calls: number };
  /** It opens after so many failures in a row too, whatever the shares say. Default: never for that. */
  readonly consecutive?: number;
  /** A call that takes as long is slow, whatever its result. Default: none is. */
  readonly slowCall?: Duration;
  /** The share of slow calls from which it opens. Default 0.5. */
  readonly slowThreshold?: number;
  /** How long it stays open the first time. Default 5 s. */
  readonly openFor?: Duration;
  /** It never stays open for longer. Default 60 s, or `openFor` if that is more. */
  readonly maxOpenFor?: Duration;
  /** How the time grows each time its trials fail. Default `{ kind: 'exponential', factor: 2 }`. */
  readonly recovery?: CircuitRecovery;
  /** Each of these times is made shorter by up to this share, 0 to 1, so that many do not try at one moment. Default 0. */
  readonly jitter?: number;
  /** How many calls are let through when half-open, to find out. Default 3. */
  readonly trials?: number;
  /** Which share of the trials, or how many, have to succeed for it to close. Default: so many that failures below `threshold` are left. */
  readonly successThreshold?: number | { readonly calls: number };
  /** How long a trial may keep its permit without a result, the call's own deadline if that is nearer; then another call gets it. Default 10 s. */
  readonly trialTimeout?: Duration;
  /** Halves `threshold` and `consecutive` of a circuit while nearly all of its calls fail or are very slow, and doubles them again. Default off. */
  readonly adaptive?: AdaptiveThresholdOptions | boolean;
  /** Only errors of these codes are failures; all others say that the other side works. What says nothing (see `verdict`) still says nothing. */
  readonly failOn?: readonly Code[];
  /** What a failure says. Default: 5xx, 408, 425, 429 and unknown errors `failed`, other 4xx `answered`, cancellations and own refusals `nothing`. One that throws counts as `failed`. */
  readonly verdict?: (error: unknown, attempt: Attempt) => Verdict;
  /**
   * A circuit for each service, each operation (the label of a guarded function), or each key that a function gives; calls without a key are
   * not guarded. Default: one for all that it wraps.
   */
  readonly per?: 'service' | 'operation' | ((call: Call) => string | undefined);
  /** How many keys have a circuit at once: unused closed ones make room for new ones, open ones do not. Default 1,000. */
  readonly maxKeys?: number;
  /** Begins with what `snapshot()` gave. Default: closed, with an empty window. */
  readonly restore?: CircuitSnapshot | KeyedCircuitSnapshot;
  /** Hears of every change. It must not throw; what it throws is dropped. */
  readonly on?: (event: CircuitEvent) => void;
  /** For messages, when it guards more than one operation. Default: the label of the call. */
  readonly name?: string;
  readonly clock?: Clock;
  /** For `jitter`. Default Math.random. */
  readonly random?: () => number;
}

const NAMES = namesOf<CircuitBreakerOptions>({
  threshold: true,
  minimumCalls: true,
  window: true,
  consecutive: true,
  slowCall: true,
  slowThreshold: true,
  openFor: true,
  maxOpenFor: true,
  recovery: true,
  jitter: true,
  trials: true,
  successThreshold: true,
  trialTimeout: true,
  adaptive: true,
  failOn: true,
  verdict: true,
  per: true,
  maxKeys: true,
  restore: true,
  on: true,
  name: true,
  clock: true,
  random: true,
});

const MOST_CALLS = 1_000_000;

/** The checked options, as a circuit reads them. */
export interface CircuitSettings {
  readonly threshold: number;
  readonly minimumCalls: number;
  readonly makeWindow: () => ResultWindow;
  /** Infinity: not looked at. */
  readonly consecutive: number;
  /** Infinity: none is slow. */
  readonly slowCallMs: number;
  readonly slowThreshold: number;
  readonly maxOpenForMs: number;
  readonly openForMs: (openings: number) => number;
  readonly trials: number;
  readonly successes: number;
  readonly trialTimeoutMs: number;
  readonly adaptive: AdaptiveSettings | undefined;
  /** Whether the latency of every call is needed. */
  readonly measuresAll: boolean;
  readonly verdict: (error: unknown, attempt: Attempt) => Verdict;
  readonly on: ((event: CircuitEvent) => void) | undefined;
  readonly name: string | undefined;
  readonly clock: Clock;
}

/** @throws TypeError for an option that makes no sense */
export function circuitSettings(options: CircuitBreakerOptions): CircuitSettings {
  checkOptions('circuitBreaker', options, NAMES);
  checkFunction(options.verdict, 'circuitBreaker verdict');
  checkFunction(options.on, 'circuitBreaker on');
  checkWord(options.name, 'circuitBreaker name', 'orders');
  checkSurroundings('circuitBreaker', options);
  const threshold = share(options.threshold ?? 0.5, 'circuitBreaker threshold');
  const trials = wholeNumber(options.trials ?? 3, 'circuitBreaker trials', 1);
  const slowCallMs = options.slowCall === undefined ? Infinity : positiveMs(options.slowCall, 'circuitBreaker slowCall');
  if (options.slowThreshold !== undefined && slowCallMs === Infinity)
    throw new TypeError("circuitBreaker slowThreshold: no call is slow without slowCall. Give that too, such as slowCall: '2s'.");
  const adaptive = adaptiveSettings(options.adaptive);
  return {
    threshold,
    ...windowOf(options),
    consecutive: options.consecutive === undefined ? Infinity : wholeNumber(options.consecutive, 'circuitBreaker consecutive', 1),
    slowCallMs,
    slowThreshold: share(options.slowThreshold ?? 0.5, 'circuitBreaker slowThreshold'),
    ...openingOf(options),
    trials,
    successes: successesOf(options.successThreshold, trials, threshold),
    trialTimeoutMs: positiveMs(options.trialTimeout ?? '10s', 'circuitBreaker trialTimeout'),
    adaptive,
    measuresAll: slowCallMs !== Infinity || (adaptive !== undefined && adaptive.latencyMs !== Infinity),
    verdict: verdictOf(options),
    on: options.on,
    name: options.name,
    clock: options.clock ?? systemClock,
  };
}

function windowOf({ window = '10s', minimumCalls }: CircuitBreakerOptions): Pick<CircuitSettings, 'makeWindow' | 'minimumCalls'> {
  if (typeof window !== 'object') {
    const spanMs = positiveMs(window, 'circuitBreaker window');
    return { makeWindow: () => new TimeWindow(spanMs), minimumCalls: wholeNumber(minimumCalls ?? 20, 'circuitBreaker minimumCalls', 1) };
  }
  checkOptions('circuitBreaker window', window, ['calls']);
  const calls = wholeNumber(window.calls, 'circuitBreaker window calls', 1);
  if (calls > MOST_CALLS) throw new TypeError(`circuitBreaker window calls: ${calls} takes a byte for each. Give at most ${MOST_CALLS}, or a time.`);
  const least = wholeNumber(minimumCalls ?? Math.min(20, calls), 'circuitBreaker minimumCalls', 1);
  if (least > calls) throw new TypeError(`circuitBreaker minimumCalls: ${least} calls never fit into a window of ${calls}. Give at most ${calls}.`);
  return { makeWindow: () => new CallWindow(calls), minimumCalls: least };
}

function openingOf(options: CircuitBreakerOptions): Pick<CircuitSettings, 'openForMs' | 'maxOpenForMs'> {
  const openForMs = positiveMs(options.openFor ?? '5s', 'circuitBreaker openFor');
  const maxOpenForMs = positiveMs(options.maxOpenFor ?? Math.max(60_000, openForMs), 'circuitBreaker maxOpenFor');
  if (maxOpenForMs < openForMs)
    throw new TypeError(`circuitBreaker maxOpenFor: ${maxOpenForMs} ms is below openFor, ${openForMs} ms. Give openFor or more.`);
  const jitter = options.jitter ?? 0;
  if (typeof jitter !== 'number' || !(jitter >= 0 && jitter <= 1))
    throw new TypeError(`circuitBreaker jitter: ${shown(jitter)} is no share of a time. Give a number from 0 to 1, such as 0.2.`);
  const { recovery, random = Math.random } = options;
  return { maxOpenForMs, openForMs: openTimes({ openForMs, maxOpenForMs, recovery, jitter, random }) };
}

/** How many of the trials have to succeed. */
function successesOf(wanted: CircuitBreakerOptions['successThreshold'], trials: number, threshold: number): number {
  if (wanted === undefined) return trials - shareOf(threshold, trials) + 1;
  if (typeof wanted !== 'object') return shareOf(share(wanted, 'circuitBreaker successThreshold'), trials);
  checkOptions('circuitBreaker successThreshold', wanted, ['calls']);
  const calls = wholeNumber(wanted.calls, 'circuitBreaker successThreshold calls', 1);
  if (calls > trials)
    throw new TypeError(
      `circuitBreaker successThreshold calls: ${calls} of ${trials} trials cannot succeed. Give at most ${trials}, or more trials.`,
    );
  return calls;
}

/** The least whole number that is at least this share; shares such as 0.55 have no exact binary form. */
function shareOf(part: number, of: number): number {
  return Math.ceil(part * of - 1e-9);
}

function verdictOf({ verdict, failOn }: CircuitBreakerOptions): CircuitSettings['verdict'] {
  if (failOn === undefined) return verdict ?? verdictOn;
  if (verdict !== undefined) throw new TypeError('circuitBreaker failOn: verdict decides alone. Leave one of the two out.');
  checkList(failOn, 'circuitBreaker failOn', "codes, such as ['UNAVAILABLE']");
  const unknown = failOn.find((code) => !isCode(code));
  if (unknown !== undefined || failOn.length === 0) {
    const what = failOn.length === 0 ? 'without a code nothing ever fails' : `${shown(unknown)} is no canonical code`;
    throw new TypeError(`circuitBreaker failOn: ${what}. Give codes such as 'UNAVAILABLE', 'DEADLINE_EXCEEDED' or 'INTERNAL'.`);
  }
  return verdictByCode(new Set(failOn));
}
