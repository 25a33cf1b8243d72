import { shown } from '../options/shown.js';
import type { DegradationSource } from './degradation-options.js';
import type { Monitor } from './monitor.js';

/**
 * The checks of the group `ready`: a critical one that fails asks for full mode, a warning for partial mode. Those that `except` names have no say;
 * give the name of the degradation's own check, which warns for as long as it lasts.
 */
export function healthSource(
  monitor: Pick<Monitor, 'ask'>,
  { except = ['degradation'] }: { readonly except?: readonly string[] } = {},
): DegradationSource {
  return async () => {
    const checks = (await monitor.ask('ready')).filter(({ name }) => !except.includes(name));
    if (checks.some(({ status, critical }) => status === 'fail' && critical)) return 'full';
    return checks.some(({ status }) => status !== 'pass') ? 'partial' : 'normal';
  };
}

export interface PressureOptions {
  /** Share of the limit in use that asks for partial mode, 0 to 1. Default 0.9. */
  readonly partial?: number;
  /** Refusals since the last pass that ask for full mode. Default 1. */
  readonly refusals?: number;
}

/** How full a bulkhead or a concurrency limit is, and whether it has refused anyone since it was last asked. @throws TypeError */
export function pressureSource(
  limit: { stats(): { readonly active: number; readonly limit: number; readonly rejected: number } },
  { partial = 0.9, refusals = 1 }: PressureOptions = {},
): DegradationSource {
  if (!(partial > 0 && partial <= 1)) throw new TypeError(`pressureSource partial: ${shown(partial)} is no share. Give a number above 0, up to 1.`);
  if (!(refusals >= 1)) throw new TypeError(`pressureSource refusals: ${shown(refusals)} is no count. Give a number from 1 on.`);
  let before = limit.stats().rejected;
  return () => {
    const now = limit.stats();
    const refused = now.rejected - before;
    before = now.rejected;
    if (refused >= refusals) return 'full';
    return now.active >= now.limit * partial ? 'partial' : 'normal';
  };
}
