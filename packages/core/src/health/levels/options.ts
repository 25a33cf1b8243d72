import { checkList, checkOptions, checkRecord, checkSurroundings, namesOf } from '../../options/check.js';
import { shown } from '../../options/shown.js';
import { systemClock } from '../../time/clock.js';
import type { Clock } from '../../time/clock.js';
import { toMs } from '../../time/duration.js';
import type { Duration } from '../../time/duration.js';
import type { Check } from '../check.js';
import { CHECK_OPTIONS, runnerSettings } from '../check-settings.js';
import type { CheckOptions } from '../check-settings.js';
import { circleOf } from './cascade.js';
import type { CascadeStep } from './cascade.js';
import { HEALTH_LEVELS, LEVEL_RULES } from './judge.js';
import type { HealthLevel, LevelRule } from './judge.js';

/** While `critical` has been unhealthy for `after`, the levels of `affects` are unhealthy too; they recover when it does. */
export interface HealthCascade {
  readonly critical: HealthLevel;
  readonly affects: readonly HealthLevel[];
  /** From the first answer that said so. Default 0. */
  readonly after?: Duration;
}

/**
 * Beside its own options it takes those of a check, but for `timeout`, which is the deadline. As a check of a monitor it is named `levels`, and asked in
 * the background every 10 s (`interval`), for a probe waits no 15 s.
 */
export interface HealthLevelsOptions extends Omit<CheckOptions, 'timeout'> {
  /** Checks of each level; a level without any has no say. They need names of their own, and can have no `groups`: the whole has. */
  readonly network?: readonly Check[];
  readonly application?: readonly Check[];
  /** Judged by the ratio that does not fail: 0.9 healthy, 0.7 degraded, 0.5 warning, else unhealthy. */
  readonly dependency?: readonly Check[];
  readonly resource?: readonly Check[];
  /**
   * `weighted`: the mean by `weights`, on the same bounds as the ratio; `strict`: the worst level; `majority`: what more than half of the levels reach.
   * Default `weighted`.
   */
  readonly rule?: LevelRule;
  /** Of levels that have checks, 0 or more, not all 0; with `weighted` only. Default 1 each. */
  readonly weights?: Readonly<Partial<Record<HealthLevel, number>>>;
  readonly cascade?: HealthCascade | readonly HealthCascade[];
  /** Bound of every check, and with that of the whole. Default 15 s. */
  readonly deadline?: Duration;
  readonly clock?: Clock;
}

export interface HealthLevelsSettings {
  readonly checks: Readonly<Record<HealthLevel, readonly (Check & { readonly timeout: number })[]>>;
  readonly weights: Readonly<Record<HealthLevel, number>>;
  readonly rule: LevelRule;
  readonly cascade: readonly CascadeStep[];
  readonly deadlineMs: number;
  readonly clock: Clock;
  readonly name: string;
  readonly common: CheckOptions;
}

const { timeout: _timeout, ...OF_CHECK } = CHECK_OPTIONS;
const OPTIONS = namesOf<HealthLevelsOptions>({
  ...OF_CHECK,
  network: true,
  application: true,
  dependency: true,
  resource: true,
  rule: true,
  weights: true,
  cascade: true,
  deadline: true,
  clock: true,
});
const CASCADE = namesOf<HealthCascade>({ critical: true, affects: true, after: true });

/** @throws TypeError naming the option that does not fit. */
export function levelsSettings(options: HealthLevelsOptions): HealthLevelsSettings {
  checkOptions('healthLevels', options, OPTIONS);
  checkSurroundings('healthLevels', options);
  const { rule = 'weighted', clock = systemClock, name = 'levels', interval = 10_000, deadline = 15_000 } = options;
  if (!LEVEL_RULES.includes(rule)) throw new TypeError(`healthLevels rule: ${shown(rule)} is unknown. Use one of ${LEVEL_RULES.join(', ')}.`);
  const deadlineMs = toMs(deadline, 'healthLevels deadline');
  if (deadlineMs < 1 || deadlineMs > LONGEST_MS) throw new TypeError(`healthLevels deadline: ${shown(deadline)} does not fit. Give 1 ms to an hour.`);
  const checks = membersOf(options, deadlineMs);
  const common: Record<string, unknown> = { interval };
  for (const option of Object.keys(OF_CHECK) as (keyof typeof OF_CHECK)[]) if (options[option] !== undefined) common[option] = options[option];
  const { groups } = runnerSettings({ ...common, name, run: () => true });
  if (groups.has('live') && checks.network.length + checks.dependency.length > 0)
    throw new TypeError("healthLevels groups: 'live' would have this process restarted because others are down. Give 'ready' or a name of your own.");
  return {
    checks,
    weights: weightsOf(options, rule, checks),
    rule,
    cascade: stepsOf(options, checks),
    deadlineMs,
    clock,
    name,
    common,
  };
}

const LONGEST_MS = 3_600_000;

function membersOf(options: HealthLevelsOptions, deadlineMs: number): HealthLevelsSettings['checks'] {
  const names = new Set<string>();
  const checks = Object.fromEntries(
    HEALTH_LEVELS.map((level) => {
      checkList(options[level], `healthLevels ${level}`, 'checks, such as tcpCheck({ host, port })');
      return [level, (options[level] ?? []).map((check) => member(check, names, deadlineMs))];
    }),
  ) as unknown as HealthLevelsSettings['checks'];
  if (names.size === 0) throw new TypeError('healthLevels: no level has a check. Give some, such as network: [tcpCheck({ host, port })].');
  return checks;
}

/** A check as it is run here, which may be an object of a class: whatever it has besides is read from it. */
function member(check: Check, names: Set<string>, deadlineMs: number): Check & { readonly timeout: number } {
  const { timeoutMs } = runnerSettings(check);
  if (names.has(check.name)) throw new TypeError(`healthLevels: the name ${check.name} is taken. Each check needs a name of its own.`);
  names.add(check.name);
  if (check.groups !== undefined)
    throw new TypeError(`groups of check ${check.name}: within healthLevels they have no say. Give them to healthLevels, or leave them out.`);
  const made: Record<string, unknown> = {
    name: check.name,
    run: (context: Parameters<Check['run']>[0]) => check.run(context),
    timeout: Math.min(timeoutMs, deadlineMs),
  };
  for (const option of ['critical', 'cacheFor', 'failuresToFail', 'successesToPass', 'interval', 'initialDelay'] as const)
    if (check[option] !== undefined) made[option] = check[option];
  if (check.onChange !== undefined) made['onChange'] = (changed: () => void) => check.onChange!(changed);
  return made as unknown as Check & { readonly timeout: number };
}

function weightsOf({ weights = {} }: HealthLevelsOptions, rule: LevelRule, checks: HealthLevelsSettings['checks']): Record<HealthLevel, number> {
  checkRecord(weights, 'healthLevels weights');
  checkOptions('healthLevels weights', weights, HEALTH_LEVELS);
  const all: Record<HealthLevel, number> = { network: 1, application: 1, dependency: 1, resource: 1 };
  for (const level of Object.keys(weights) as HealthLevel[]) {
    const weight = weights[level];
    if (typeof weight !== 'number' || !(weight >= 0 && weight <= 1e6))
      throw new TypeError(`healthLevels weights.${level}: ${shown(weight)} is no weight. Give a number from 0 to 1,000,000.`);
    if (rule !== 'weighted') throw new TypeError(`healthLevels weights: the rule ${rule} uses none. Leave them out, or use rule: 'weighted'.`);
    if (checks[level].length === 0)
      throw new TypeError(`healthLevels weights.${level}: that level has no checks. Give it some, or leave the weight out.`);
    all[level] = weight;
  }
  if (HEALTH_LEVELS.every((level) => checks[level].length === 0 || all[level] === 0))
    throw new TypeError('healthLevels weights: all are 0, so nothing would have a say. Give one level more.');
  return all;
}

function stepsOf({ cascade = [] }: HealthLevelsOptions, checks: HealthLevelsSettings['checks']): readonly CascadeStep[] {
  const list = Array.isArray(cascade) ? (cascade as readonly HealthCascade[]) : [cascade as HealthCascade];
  const level = (value: unknown, option: string): void => {
    if (!HEALTH_LEVELS.includes(value as HealthLevel))
      throw new TypeError(`${option}: ${shown(value)} is no level. Use one of ${HEALTH_LEVELS.join(', ')}.`);
    if (checks[value as HealthLevel].length === 0)
      throw new TypeError(`${option}: the level ${value as string} has no checks. Give it some, or name another.`);
  };
  const steps = list.map((one) => {
    checkOptions('healthLevels cascade', one, CASCADE);
    const { critical, affects, after = 0 } = one;
    level(critical, 'healthLevels cascade.critical');
    checkList(affects ?? null, 'healthLevels cascade.affects', "levels, such as ['application']");
    for (const affected of affects) level(affected, 'healthLevels cascade.affects');
    if (affects.length === 0) throw new TypeError('healthLevels cascade.affects: it is empty. Name the levels that follow.');
    return { critical, affects, afterMs: toMs(after, 'healthLevels cascade.after') };
  });
  const circle = circleOf(steps);
  if (circle !== undefined)
    throw new TypeError(`healthLevels cascade: it runs in a circle, ${circle.join(' → ')}, from which no level would recover. Take one step out.`);
  return steps;
}
