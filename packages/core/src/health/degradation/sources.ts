import { checkMethods, checkOptions } from '../../options/check.js';
import { shown } from '../../options/shown.js';
import { wholeNumber } from '../../wrappers/options.js';
import type { ScoreLevel } from '../adaptive-score/formula.js';
import type { DegradationSource } from './options.js';
import type { HealthLevels } from '../levels/levels.js';
import type { Monitor } from '../monitor.js';

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

/** A critical service asks for full mode, one that is degraded or warning for partial mode. For an `adaptiveScore()` of what the work cannot do without. */
export function scoreSource(score: { readonly level: ScoreLevel }): DegradationSource {
  if (typeof score?.level !== 'string') throw new TypeError(`scoreSource: ${shown(score)} has no level. Give what adaptiveScore() makes.`);
  return () => (score.level === 'critical' ? 'full' : score.level === 'healthy' ? 'normal' : 'partial');
}

/** Unhealthy levels ask for full mode, those that are degraded or warning for partial mode. They are asked in each pass. */
export function levelsSource(levels: Pick<HealthLevels, 'ask'>): DegradationSource {
  checkMethods(levels ?? null, ['ask'], 'levelsSource levels', 'Give what healthLevels() makes');
  return async () => {
    const { state } = await levels.ask();
    return state === 'unhealthy' ? 'full' : state === 'healthy' ? 'normal' : 'partial';
  };
}

export interface PressureOptions {
  /** Share of the limit in use that asks for partial mode, above 0 to 1. Default 0.9. */
  readonly busy?: number;
  /** Share of the calls since the last pass that were refused which asks for partial mode, above 0 to 1. Default 0.01. */
  readonly partial?: number;
  /** As `partial`, for full mode. Default 0.1. */
  readonly full?: number;
  /** With fewer calls since the last pass, refusals say nothing. Default 20. */
  readonly minimumCalls?: number;
}

/**
 * How full a bulkhead or a concurrency limit is, and what share of the calls it has refused since it was last asked. For one `degradation` alone.
 * @throws TypeError for an option that makes no sense.
 */
export function pressureSource(
  limit: { stats(): { readonly active: number; readonly limit: number; readonly admitted: number; readonly rejected: number } },
  options: PressureOptions = {},
): DegradationSource {
  checkMethods(limit ?? null, ['stats'], 'pressureSource limit', 'Give a bulkhead() or a concurrencyLimit()');
  checkOptions('pressureSource', options, ['busy', 'partial', 'full', 'minimumCalls']);
  const busy = shareAboveNone(options.busy ?? 0.9, 'busy');
  const partial = shareAboveNone(options.partial ?? 0.01, 'partial');
  const full = shareAboveNone(options.full ?? 0.1, 'full');
  if (full < partial) throw new TypeError(`pressureSource full: ${shown(full)} is below partial, ${shown(partial)}. Give a share from there to 1.`);
  const minimumCalls = wholeNumber(options.minimumCalls ?? 20, 'pressureSource minimumCalls', 1);
  let before = limit.stats();
  return () => {
    const now = limit.stats();
    const refused = now.rejected - before.rejected;
    const calls = refused + now.admitted - before.admitted;
    before = now;
    const share = calls < minimumCalls ? 0 : refused / calls;
    if (share >= full) return 'full';
    return share >= partial || now.active >= now.limit * busy ? 'partial' : 'normal';
  };
}

function shareAboveNone(value: number, option: string): number {
  if (!(value > 0 && value <= 1)) throw new TypeError(`pressureSource ${option}: ${shown(value)} is no share. Give a number above 0, up to 1.`);
  return value;
}
