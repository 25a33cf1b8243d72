import { checkFunction, checkList, checkOptions, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import type { LayerState } from '../registry/layer-watch.js';
import { HYBRID_ROUTINGS } from './routing.js';
import type { HybridRouting, HybridSide } from './routing.js';

/** What is known of a service when strategies are asked. */
export interface HybridState {
  readonly service: string;
  /** Where its calls go now; undefined before the first list. */
  readonly side: HybridSide | undefined;
  readonly routing: HybridRouting;
  /** Attempts that failed since the last one that did not, on both sides. */
  readonly consecutiveFailures: number;
  /** Addresses that were given: how many, and how many of them active checks call healthy (unknown ones count as such). */
  readonly direct: { readonly listed: number; readonly healthy: number };
  /** What the registry listed last, and whether it answers; `idle`: nothing of it is needed just now. */
  readonly registry: { readonly listed: number | undefined; readonly state: LayerState };
}

export interface StrategyContext {
  /** Aborts when the time is over or the connections are disposed of. */
  readonly signal: AbortSignal;
}

/**
 * A rule for where calls go. The strategy with the highest priority whose condition holds is in force, for each service that has direct
 * addresses, and its action says where calls go as long as it is; when none is, it is as configured.
 */
export interface HybridStrategy {
  /** For people. */
  readonly name: string;
  /** The highest goes first; among equals the one that is listed first. Default 0. */
  readonly priority?: number;
  /** Asked whenever the state may have changed, and at the interval; it must be cheap. A throw is a no. */
  readonly condition: (state: HybridState) => boolean;
  /**
   * Where calls go; or work to be done when it comes into force, which may end with where (default as configured). While that runs nothing changes.
   * When it throws, is late, or asks for what `fallback: false` forbids, the strategy does not come into force, `rollback` runs, and it is left
   * aside for 30 s.
   */
  readonly action: HybridRouting | ((state: HybridState, context: StrategyContext) => Promise<HybridRouting | void>);
  /** Undoes what a failed action did. A failure of it is told to the logger. */
  readonly rollback?: (state: HybridState, context: StrategyContext & { readonly error: unknown }) => unknown;
  /** It stays in force for so long once it is, whatever the conditions say: what it does may make its own condition fail. Default 0. */
  readonly hold?: Duration;
  /** For the action, and again for the rollback. Default 5 s. */
  readonly timeout?: Duration;
}

const OPTIONS = namesOf<HybridStrategy>({ name: true, priority: true, condition: true, action: true, rollback: true, hold: true, timeout: true });

/**
 * In force unless others are given. `retry`: fewer than three attempts in a row have failed, so that trying again elsewhere, which the client
 * does by itself, is enough. `direct_only`: more have, and a direct address is healthy: that side goes first. `cache_fallback`: none is, and
 * whom the registry listed last is kept, also when it says that nobody is there any more.
 */
export const hybridStrategies: readonly HybridStrategy[] = Object.freeze([
  { name: 'retry', priority: 30, condition: ({ consecutiveFailures }) => consecutiveFailures < 3, action: 'as-configured' },
  { name: 'direct_only', priority: 20, condition: ({ direct }) => direct.healthy > 0, action: 'prefer-direct', hold: 10_000 },
  { name: 'cache_fallback', priority: 10, condition: ({ consecutiveFailures }) => consecutiveFailures >= 3, action: 'last-known', hold: 10_000 },
]);

export interface CheckedStrategy extends HybridStrategy {
  readonly timeoutMs: number;
  readonly holdMs: number;
}

/** Sorted, the first to be asked first. @throws TypeError naming strategy and option. */
export function checkStrategies(strategies: readonly HybridStrategy[]): readonly CheckedStrategy[] {
  checkList(strategies, 'hybrid strategies', 'strategies { name, priority, condition, action, rollback }');
  const names = new Set<string>();
  const checked = strategies.map((strategy, index): CheckedStrategy => {
    const where = `hybrid strategies[${index}]`;
    checkOptions(where, strategy, OPTIONS);
    const { name, priority = 0, condition, action, rollback } = strategy;
    if (typeof name !== 'string' || name === '') throw new TypeError(`${where} name: ${shown(name)} is no name. Give a short text.`);
    if (names.has(name)) throw new TypeError(`${where} name: ${shown(name)} is taken. Give each strategy a name of its own.`);
    names.add(name);
    if (!Number.isFinite(priority)) throw new TypeError(`${where} priority: ${shown(priority)} is no number. Give one; the highest goes first.`);
    if (typeof condition !== 'function') throw new TypeError(`${where} condition: ${shown(condition)} is no function. Give (state) => boolean.`);
    if (typeof action !== 'function' && !HYBRID_ROUTINGS.includes(action))
      throw new TypeError(
        `${where} action: ${shown(action)} does not fit. Give a function, or ${HYBRID_ROUTINGS.map((one) => `'${one}'`).join(', ')}.`,
      );
    checkFunction(rollback, `${where} rollback`);
    const timeoutMs = toMs(strategy.timeout ?? 5_000, `${where} timeout`);
    if (timeoutMs === 0) throw new TypeError(`${where} timeout: 0 leaves no time. Give a duration above 0.`);
    return { ...strategy, timeoutMs, holdMs: toMs(strategy.hold ?? 0, `${where} hold`) };
  });
  return checked.sort((a, b) => (b.priority ?? 0) - (a.priority ?? 0));
}
