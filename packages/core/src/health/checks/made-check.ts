import { checkOptions, checkSurroundings } from '../../options/check.js';
import { shown } from '../../options/shown.js';
import { systemClock } from '../../time/clock.js';
import type { Clock } from '../../time/clock.js';
import { toMs } from '../../time/duration.js';
import type { Duration } from '../../time/duration.js';
import type { Check, CheckContext, HealthStatus } from '../check.js';
import { CHECK_OPTIONS, runnerSettings } from '../check-settings.js';
import type { CheckOptions } from '../check-settings.js';
import type { ProbeResult } from '../probes/probe.js';

/** What a ready-made check that waits for somebody's answer takes. */
export interface TimedCheckOptions extends CheckOptions {
  /** An answer that takes longer is a `warn`. Default: only `timeout` limits it. */
  readonly warnAfter?: Duration;
  readonly clock?: Clock;
}

/** What a ready-made check says: `pass` has nothing to add. */
export interface CheckResult {
  readonly status: HealthStatus;
  readonly output?: string;
}

export const TIMED_OPTIONS: Readonly<Record<keyof TimedCheckOptions, true>> = { ...CHECK_OPTIONS, warnAfter: true, clock: true };

/** What a kind of check is made of. */
export interface CheckRecipe {
  /** Of the factory, for messages. */
  readonly factory: string;
  /** All options of the factory. */
  readonly known: readonly string[];
  readonly options: CheckOptions;
  /** Used where the options say nothing. */
  readonly defaults: CheckOptions & { readonly name: string };
  readonly run: (context: CheckContext) => CheckResult | Promise<CheckResult>;
}

/** A check with the options of its kind. @throws TypeError for an option that is unknown or does not fit. */
export function madeCheck({ factory, known, options, defaults, run }: CheckRecipe): Check {
  checkOptions(factory, options, known);
  const check: Record<string, unknown> = { ...defaults, run };
  for (const name of Object.keys(CHECK_OPTIONS) as (keyof CheckOptions)[]) if (options[name] !== undefined) check[name] = options[name];
  runnerSettings(check as unknown as Check);
  return check as unknown as Check;
}

/**
 * As `madeCheck`, of something that answers after a while: a result that is a failure stays one, and one that took longer than `warnAfter` is a
 * warning. @throws TypeError
 */
export function timedCheck({ options, run, ...making }: CheckRecipe & { readonly options: TimedCheckOptions }): Check {
  checkOptions(making.factory, options, making.known);
  checkSurroundings(making.factory, options);
  const { clock = systemClock } = options;
  const warnAfterMs = options.warnAfter === undefined ? Infinity : toMs(options.warnAfter, `${making.factory} warnAfter`);
  return madeCheck({
    ...making,
    options,
    async run(context) {
      context.signal.throwIfAborted();
      const startedAt = clock.now();
      const result = await run(context);
      const tookMs = clock.now() - startedAt;
      if (result.status !== 'pass' || tookMs <= warnAfterMs) return result;
      return { status: 'warn', output: `slow: ${Math.round(tookMs)} ms, more than ${warnAfterMs} ms` };
    },
  });
}

/** What a probe of an instance says, as the answer of a check. */
export function ofProbe(result: ProbeResult): CheckResult {
  if (result === true) return { status: 'pass' };
  if (result === false) return { status: 'fail' };
  return { status: result.healthy ? 'pass' : 'fail', ...(result.reason !== undefined && { output: result.reason }) };
}

/** @throws TypeError when it is no text or an empty one. */
export function checkText(value: unknown, option: string, such: string): void {
  if (typeof value !== 'string' || value === '') throw new TypeError(`${option}: ${shown(value)} does not fit. Give ${such}.`);
}

/** @throws TypeError when it is given and no whole number of at least `least`. */
export function checkCount(value: unknown, option: string, least: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= least)) return;
  throw new TypeError(`${option}: ${shown(value)} is no count. Give an integer from ${least}.`);
}
