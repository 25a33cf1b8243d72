import { alertSinks, tellSinks } from '../alerts/alert.js';
import type { AlertSink } from '../alerts/alert.js';
import type { Logger } from '../logging/logger.js';
import { checkOptions, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { Clock, Timer } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import { CODES, isCode } from './codes.js';
import type { Code } from './codes.js';
import type { ErrorFacts } from './monitor-facts.js';
import { BoundedKeys } from './monitor-keys.js';
import { SlidingCount } from './monitor-window.js';

export type Severity = 'info' | 'warning' | 'critical';

/** When errors become an alert. What is named has to fit; without `code` and `reason` only those that are a 5xx count. */
export interface ErrorAlertRule {
  /** The subject of the alert. Default: what the rule names, such as `UNAVAILABLE of users`. */
  readonly name?: string;
  readonly code?: Code | readonly Code[];
  readonly reason?: string | readonly string[];
  readonly service?: string | readonly string[];
  /** Counts each service, or each operation of each service, by itself, with an alert of its own. Default: all that fit together. */
  readonly per?: 'service' | 'operation';
  /** So many within `interval` raise the alert, from 1. */
  readonly threshold: number;
  /** Default 1 min. */
  readonly interval?: Duration;
  /** How long the count has to stay below the threshold until the alert is over; so two of them are never closer. Default 5 min. */
  readonly coolDown?: Duration;
  /** Default `warning`. */
  readonly severity?: Severity;
  /** Who hears of this one. Default: the `alerts` of the monitor. */
  readonly alerts?: AlertSink | readonly AlertSink[];
}

const OPTIONS = namesOf<ErrorAlertRule>({
  name: true,
  code: true,
  reason: true,
  service: true,
  per: true,
  threshold: true,
  interval: true,
  coolDown: true,
  severity: true,
  alerts: true,
});
const SEVERITIES: readonly unknown[] = ['info', 'warning', 'critical'] satisfies readonly Severity[];
const BUCKETS = 20;
const MAX_COUNTED = 200;

export interface RuleSurroundings {
  readonly source: string;
  readonly sinks: readonly AlertSink[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of an alert of one service or operation. Default: the name of the rule, and the key behind it. */
  readonly subjectOf?: (key: string) => string;
}

/** What one rule counts: all that fits it, or what fits of one service or operation. */
interface Counted {
  readonly key: string;
  readonly count: SlidingCount;
  raised: boolean;
  /** When the count was last at the threshold. */
  hotAt: number;
}

/** One rule at work. It has a timer only while an alert of its own is raised, since a recovery comes without any event. */
export class AlertRule {
  readonly name: string;
  readonly severity: Severity;
  readonly #fits: (facts: ErrorFacts) => boolean;
  readonly #per: ErrorAlertRule['per'];
  readonly #threshold: number;
  readonly #intervalMs: number;
  readonly #coolDownMs: number;
  readonly #sinks: readonly AlertSink[];
  readonly #around: RuleSurroundings;
  readonly #counted: BoundedKeys<Counted>;
  readonly #raised = new Set<Counted>();
  #timer: Timer | undefined;

  /** @throws TypeError or RangeError when an option does not fit */
  constructor(rule: ErrorAlertRule, option: string, around: RuleSurroundings) {
    checkOptions(option, rule, OPTIONS);
    const codes = wordsOf(rule.code, `${option} code`);
    for (const code of codes ?? [])
      if (!isCode(code)) throw new TypeError(`${option} code: ${shown(code)} is none. Use one of ${CODES.join(', ')}; a business word is a reason.`);
    const reasons = wordsOf(rule.reason, `${option} reason`);
    const services = wordsOf(rule.service, `${option} service`);
    const { per, threshold, severity = 'warning' } = rule;
    if (per !== undefined && per !== 'service' && per !== 'operation')
      throw new TypeError(`${option} per: ${shown(per)} is unknown. Use 'service' or 'operation', or leave it out.`);
    if (!Number.isSafeInteger(threshold) || threshold < 1)
      throw new RangeError(`${option} threshold: ${shown(threshold)} is no count. Give a whole number from 1.`);
    if (!SEVERITIES.includes(severity)) throw new TypeError(`${option} severity: ${shown(severity)} is unknown. Use ${SEVERITIES.join(', ')}.`);
    if (rule.name !== undefined && (typeof rule.name !== 'string' || rule.name === ''))
      throw new TypeError(`${option} name: ${shown(rule.name)} is no name. Give a text, or leave it out.`);
    this.#threshold = threshold;
    this.#intervalMs = toMs(rule.interval ?? 60_000, `${option} interval`);
    this.#coolDownMs = toMs(rule.coolDown ?? 300_000, `${option} coolDown`);
    if (this.#intervalMs < 1) throw new RangeError(`${option} interval: ${shown(rule.interval)} holds no event. Give 1 ms or more.`);
    this.#per = per;
    this.severity = severity;
    this.name = rule.name ?? nameOf(codes, reasons, services);
    this.#sinks = rule.alerts === undefined ? around.sinks : alertSinks(rule.alerts, `${option} alerts`);
    this.#around = around;
    this.#fits = ({ code, reason, service, status }) => {
      if (codes === undefined && reasons === undefined && status < 500) return false;
      if (codes !== undefined && !codes.includes(code)) return false;
      if (reasons !== undefined && (reason === undefined || !reasons.includes(reason))) return false;
      return services === undefined || services.includes(service);
    };
    this.#counted = new BoundedKeys<Counted>(
      MAX_COUNTED,
      (key) => ({ key, count: new SlidingCount(this.#intervalMs, BUCKETS), raised: false, hotAt: -Infinity }),
      ({ raised, count }) => !raised && count.sum(around.clock.now()) === 0,
    );
  }

  /** Subjects of the alerts that are raised. */
  get raised(): readonly string[] {
    return Array.from(this.#raised, ({ key }) => this.#subject(key));
  }

  /** Counts an error if it fits. `details` are added to those of an alert. */
  add(facts: ErrorFacts, details: Readonly<Record<string, unknown>> = {}): void {
    if (!this.#fits(facts)) return;
    const now = this.#around.clock.now();
    const counted = this.#counted.of(this.#keyOf(facts));
    counted.count.add(now);
    const count = counted.count.sum(now);
    if (count < this.#threshold) return;
    counted.hotAt = now;
    if (counted.raised) return;
    counted.raised = true;
    this.#raised.add(counted);
    this.#tell(
      'raised',
      counted,
      `${count} ${count === 1 ? 'error' : 'errors'} of ${this.#subject(counted.key)} within ${this.#intervalMs / 1_000} s`,
      {
        errorType: facts.reason ?? facts.code,
        code: facts.code,
        service: facts.service,
        method: facts.operation,
        count,
        ...details,
      },
    );
    this.#watch();
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #keyOf({ service, operation }: ErrorFacts): string {
    return this.#per === undefined ? '' : this.#per === 'service' ? service : `${service} ${operation}`;
  }

  #subject(key: string): string {
    if (this.#around.subjectOf !== undefined) return this.#around.subjectOf(key);
    return key === '' ? this.name : `${this.name}: ${key}`;
  }

  #watch(): void {
    if (this.#timer !== undefined || this.#raised.size === 0) return;
    const stepMs = Math.max(1, Math.min(this.#intervalMs / BUCKETS, Math.max(this.#coolDownMs, 1)));
    this.#timer = this.#around.clock.schedule(stepMs, () => {
      this.#timer = undefined;
      this.#recover();
      this.#watch();
    });
  }

  #recover(): void {
    const now = this.#around.clock.now();
    for (const counted of this.#raised) {
      const count = counted.count.sum(now);
      if (count >= this.#threshold) counted.hotAt = now;
      if (count >= this.#threshold || now - counted.hotAt < this.#coolDownMs) continue;
      counted.raised = false;
      this.#raised.delete(counted);
      this.#tell('resolved', counted, `Errors of ${this.#subject(counted.key)} are below ${this.#threshold} again`, { count });
    }
  }

  #tell(kind: 'raised' | 'resolved', { key }: Counted, message: string, details: Readonly<Record<string, unknown>>): void {
    const { source, clock, logger } = this.#around;
    const subject = this.#subject(key);
    const all = { severity: this.severity, threshold: this.#threshold, intervalMs: this.#intervalMs, ...details };
    tellSinks(this.#sinks, { source, kind, subject, message, at: clock.wallTime(), details: all }, (error) =>
      logger.error({ error, rule: this.name }, 'An alert sink failed'),
    );
  }
}

function wordsOf(given: unknown, option: string): readonly string[] | undefined {
  if (given === undefined) return undefined;
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (list.length === 0 || list.some((one) => typeof one !== 'string' || one === ''))
    throw new TypeError(`${option}: ${shown(given)} holds no word. Give one, or a list of them.`);
  return list as readonly string[];
}

function nameOf(codes: readonly string[] | undefined, reasons: readonly string[] | undefined, services: readonly string[] | undefined): string {
  const what = [...(codes ?? []), ...(reasons ?? [])];
  return `${what.length === 0 ? '5xx' : what.join(' or ')}${services === undefined ? '' : ` of ${services.join(' or ')}`}`;
}
