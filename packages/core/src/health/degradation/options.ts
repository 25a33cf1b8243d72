import { alertSinks } from '../../alerts/alert.js';
import type { AlertSink } from '../../alerts/alert.js';
import type { Logger } from '../../logging/logger.js';
import { checkFunction, checkList, checkOptions, checkSurroundings } from '../../options/check.js';
import { shown } from '../../options/shown.js';
import { systemClock } from '../../time/clock.js';
import type { Clock } from '../../time/clock.js';
import type { Duration } from '../../time/duration.js';
import { checkWord, positiveMs, wholeNumber } from '../../wrappers/options.js';

/** How much is given up: nothing, what the rules of priority 10 and more give up, or what all rules do. */
export type DegradationMode = 'normal' | 'partial' | 'full';

/** Says how much should be given up, as far as it can see. Asked once a pass; one that throws, or gives no answer in time, keeps its last answer. */
export type DegradationSource = (signal: AbortSignal) => DegradationMode | Promise<DegradationMode>;

/** One thing that is given up. Its functions get a signal that aborts at the timeout; what they return, but for `condition`, is only awaited. */
export interface DegradationRule {
  readonly name: string;
  /** Whether it is needed, asked in each pass while it is not in force. Default: always. */
  condition?(signal: AbortSignal): boolean | Promise<boolean>;
  degrade(signal: AbortSignal): unknown;
  /** Takes `degrade` back, also one that failed or ran out of time half-way: it has to be harmless when there is nothing to take back. */
  rollback(signal: AbortSignal): unknown;
  /** The highest first; 10 and more are those of partial mode. Default 0. */
  readonly priority?: number;
  /** Of each of its functions. Default 5 s. */
  readonly timeout?: Duration;
}

/** One step back to normal, after the rules were taken back. */
export interface RollbackStep {
  readonly name: string;
  execute(signal: AbortSignal): unknown;
  /** `false`, or an error, says that the step has failed. Default: it has not. */
  validate?(signal: AbortSignal): boolean | Promise<boolean>;
  /** Of each of the two. Default 5 s. */
  readonly timeout?: Duration;
}

export interface RollbackPlan {
  /** In this order. Steps that were validated are not run again in the same recovery. */
  readonly steps?: readonly RollbackStep[];
  /** Before the second attempt; doubled for each further one, up to a minute. Default 1 s. */
  readonly checkInterval?: Duration;
  /** Attempts after the first one. Default 3. */
  readonly maxRetries?: number;
}

export interface DegradationOptions {
  /** Of its check and its alerts. Default `degradation`. */
  readonly name?: string;
  /** The worst of them is what should be. At least one. */
  readonly sources: readonly DegradationSource[];
  readonly rules: readonly DegradationRule[];
  readonly rollbackPlan?: RollbackPlan;
  /** From the end of one pass to the next. Default 10 s. */
  readonly interval?: Duration;
  /** For each source. Default 5 s. */
  readonly sourceTimeout?: Duration;
  /** So many passes in a row have to ask for more before more is given up. Default 1. */
  readonly enterAfter?: number;
  /** So many passes in a row have to ask for less before less is given up. Default 3. */
  readonly leaveAfter?: number;
  /** Entries of the history. Default 100. */
  readonly history?: number;
  readonly alerts?: AlertSink | readonly AlertSink[];
  readonly logger?: Logger;
  readonly clock?: Clock;
}

interface Rule extends DegradationRule {
  readonly priority: number;
  readonly timeoutMs: number;
}

interface Step extends RollbackStep {
  readonly timeoutMs: number;
}

export interface DegradationSettings {
  readonly name: string;
  readonly sources: readonly DegradationSource[];
  /** The highest priority first. */
  readonly rules: readonly Rule[];
  readonly steps: readonly Step[];
  readonly retryMs: number;
  readonly maxRetries: number;
  readonly intervalMs: number;
  readonly sourceTimeoutMs: number;
  readonly enterAfter: number;
  readonly leaveAfter: number;
  readonly history: number;
  readonly sinks: readonly AlertSink[];
  readonly logger: Logger | undefined;
  readonly clock: Clock;
}

const NAMES = [
  'name',
  'sources',
  'rules',
  'rollbackPlan',
  'interval',
  'sourceTimeout',
  'enterAfter',
  'leaveAfter',
  'history',
  'alerts',
  'logger',
  'clock',
];

/** @throws TypeError when an option makes no sense. */
export function degradationSettings(options: DegradationOptions): DegradationSettings {
  checkOptions('degradation', options, NAMES);
  checkSurroundings('degradation', options);
  const { name = 'degradation', sources, rules, rollbackPlan = {}, clock = systemClock } = options;
  checkWord(name, 'degradation name', 'degradation');
  checkList(sources, 'degradation sources', 'functions that answer normal, partial or full, such as healthSource(monitor)');
  if (sources === undefined || sources.length === 0)
    throw new TypeError(
      'degradation sources: there is none. Give at least one function that answers normal, partial or full, such as healthSource(monitor).',
    );
  sources.forEach((source, index) => checkFunction(source ?? null, `degradation sources[${index}]`));
  checkList(rules, 'degradation rules', '{ name, degrade, rollback }');
  if (rules === undefined) throw new TypeError('degradation rules: there are none. Give an array of { name, degrade, rollback }; it may be empty.');
  checkOptions('degradation rollbackPlan', rollbackPlan, ['steps', 'checkInterval', 'maxRetries']);
  const { steps = [], checkInterval = '1s', maxRetries = 3 } = rollbackPlan;
  checkList(steps, 'degradation rollbackPlan steps', '{ name, execute, validate }');
  const names = new Set<string>();
  return {
    name,
    sources: [...sources],
    rules: rules.map((rule, index) => checkedRule(rule, `degradation rules[${index}]`, names)).sort((one, other) => other.priority - one.priority),
    steps: steps.map((step, index) => checkedStep(step, `degradation rollbackPlan steps[${index}]`)),
    retryMs: positiveMs(checkInterval, 'degradation rollbackPlan checkInterval'),
    maxRetries: wholeNumber(maxRetries, 'degradation rollbackPlan maxRetries', 0),
    intervalMs: positiveMs(options.interval ?? '10s', 'degradation interval'),
    sourceTimeoutMs: positiveMs(options.sourceTimeout ?? '5s', 'degradation sourceTimeout'),
    enterAfter: wholeNumber(options.enterAfter ?? 1, 'degradation enterAfter', 1),
    leaveAfter: wholeNumber(options.leaveAfter ?? 3, 'degradation leaveAfter', 1),
    history: wholeNumber(options.history ?? 100, 'degradation history', 0),
    sinks: alertSinks(options.alerts, 'degradation alerts'),
    logger: options.logger,
    clock,
  };
}

function checkedRule(rule: DegradationRule, option: string, names: Set<string>): Rule {
  checkOptions(option, rule, ['name', 'condition', 'degrade', 'rollback', 'priority', 'timeout']);
  checkWord(rule.name, `${option} name`, 'no-recommendations');
  if (names.has(rule.name)) throw new TypeError(`${option} name: ${shown(rule.name)} is taken. Each rule needs a name of its own.`);
  names.add(rule.name);
  checkFunction(rule.condition, `${option} condition`);
  checkFunction(rule.degrade ?? null, `${option} degrade`);
  checkFunction(rule.rollback ?? null, `${option} rollback`);
  const priority = rule.priority ?? 0;
  if (!Number.isFinite(priority))
    throw new TypeError(`${option} priority: ${shown(priority)} is no number. Give one; 10 and more are for partial mode.`);
  return {
    name: rule.name,
    ...(rule.condition && { condition: rule.condition.bind(rule) }),
    degrade: rule.degrade.bind(rule),
    rollback: rule.rollback.bind(rule),
    priority,
    timeoutMs: positiveMs(rule.timeout ?? '5s', `${option} timeout`),
  };
}

function checkedStep(step: RollbackStep, option: string): Step {
  checkOptions(option, step, ['name', 'execute', 'validate', 'timeout']);
  checkWord(step.name, `${option} name`, 'warm-cache');
  checkFunction(step.execute ?? null, `${option} execute`);
  checkFunction(step.validate, `${option} validate`);
  return {
    name: step.name,
    execute: step.execute.bind(step),
    ...(step.validate && { validate: step.validate.bind(step) }),
    timeoutMs: positiveMs(step.timeout ?? '5s', `${option} timeout`),
  };
}
