import { alertSinks } from '../alerts/alert.js';
import type { AlertSink } from '../alerts/alert.js';
import type { Call } from '../call/call.js';
import type { Reply } from '../call/reply.js';
import { silentLogger } from '../logging/logger.js';
import type { Logger } from '../logging/logger.js';
import { checkList, checkOptions, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import { codeOfStatus } from './codes.js';
import { factsOf } from './monitor-facts.js';
import type { ErrorFacts, ErrorOrigin } from './monitor-facts.js';
import { BoundedKeys } from './monitor-keys.js';
import { AlertRule } from './monitor-rules.js';
import type { ErrorAlertRule } from './monitor-rules.js';
import { SlidingCount } from './monitor-window.js';

export interface ErrorMonitorOptions {
  /** What is looked back on, in 60 buckets. Default 5 min. */
  readonly window?: Duration;
  /** How many services, and how many operations, are counted by name; the rest together as `_OTHER`. Default 500. */
  readonly maxKeys?: number;
  /** Default none. */
  readonly rules?: readonly ErrorAlertRule[];
  /** Who hears of alerts: functions and webhooks. Nobody waits for them. Default none. */
  readonly alerts?: AlertSink | readonly AlertSink[];
  /** Hears of sinks that fail. Default silent. */
  readonly logger?: Logger;
  readonly clock?: Clock;
}

const OPTIONS = namesOf<ErrorMonitorOptions>({ window: true, maxKeys: true, rules: true, alerts: true, logger: true, clock: true });

/** Errors of a window. */
export interface ErrorCount {
  readonly count: number;
  readonly perSecond: number;
  /** The newer half of the window against the older: beyond what chance makes of an unchanged rate (two standard deviations), `rising` or `falling`. */
  readonly trend: 'rising' | 'falling' | 'steady';
}

export interface ErrorMonitorStats extends ErrorCount {
  readonly windowMs: number;
  /** Calls that its wrapper has seen within the window, those that went well included. */
  readonly calls: number;
  /** Of those calls, how many failed: 0 to 1; undefined without calls. */
  readonly ratio: number | undefined;
  /** By canonical code. The most frequent first, as the others. */
  readonly byCode: Readonly<Record<string, ErrorCount>>;
  readonly byService: Readonly<Record<string, ErrorCount>>;
  /** By service and operation: `users GET /users/:id`. */
  readonly byOperation: Readonly<Record<string, ErrorCount>>;
  /** Subjects of the alerts that are raised. */
  readonly raised: readonly string[];
  /** Keys that are kept, whatever they hold; never more than `maxKeys` each. */
  readonly keys: { readonly services: number; readonly operations: number };
}

/** Counts errors. An entry of `wrappers` of a service or a client, as it is. */
export interface ErrorMonitor extends Disposable {
  readonly name: string;
  /**
   * Counts what the calls that pass fail with: what is thrown, and replies that an error was mapped to or whose status is from 500. In a service it
   * sees most outside of the mapping of errors, where the option `errorMonitor` puts it, or `{ wrapper: monitor, before: 'errors' }`; inside it sees what handlers throw, and no refusals.
   */
  wrap(next: (call: Call) => Promise<Reply>): (call: Call) => Promise<Reply>;
  /** Counts an error that no call failed with. Never throws. */
  record(error: unknown, origin?: ErrorOrigin): void;
  stats(): ErrorMonitorStats;
  /** Raised alerts are no longer taken back. Idempotent. */
  close(): void;
}

const BUCKETS = 60;

/**
 * How many errors there are, of what code, service and operation, how that changes, and alerts when there are too many. What it keeps is bounded,
 * whatever callers send; nothing of an error but its code, reason and status is looked at, so that no secret gets into it.
 * @throws TypeError or RangeError naming the option that does not fit
 */
export function errorMonitor(options: ErrorMonitorOptions = {}): ErrorMonitor {
  checkOptions('errorMonitor', options, OPTIONS);
  checkSurroundings('errorMonitor', options);
  checkList(options.rules, 'errorMonitor rules', 'rules such as { threshold: 10 }');
  const { maxKeys = 500, rules: given = [], logger = silentLogger, clock = systemClock } = options;
  const windowMs = toMs(options.window ?? 300_000, 'errorMonitor window');
  if (windowMs < BUCKETS) throw new RangeError(`errorMonitor window: ${shown(options.window)} is too short. Give ${BUCKETS} ms or more.`);
  if (!Number.isSafeInteger(maxKeys) || maxKeys < 1)
    throw new RangeError(`errorMonitor maxKeys: ${shown(maxKeys)} is no count. Give a whole number from 1.`);
  const sinks = alertSinks(options.alerts, 'errorMonitor alerts');
  const rules = given.map((rule, index) => new AlertRule(rule, `errorMonitor rules[${index}]`, { source: 'errors', sinks, clock, logger }));

  // Every call reads it, and has no use for more than the bucket.
  const now = (): number => clock.recent?.() ?? clock.now();
  const window = (): SlidingCount => new SlidingCount(windowMs, BUCKETS);
  const isIdle = (count: SlidingCount): boolean => count.sum(now()) === 0;
  const all = window();
  const calls = window();
  const failed = window();
  const codes = new Map<string, SlidingCount>();
  const services = new BoundedKeys(maxKeys, window, isIdle);
  const operations = new BoundedKeys(maxKeys, window, isIdle);

  const count = (facts: ErrorFacts): void => {
    const at = now();
    all.add(at);
    let ofCode = codes.get(facts.code);
    if (ofCode === undefined) codes.set(facts.code, (ofCode = window()));
    ofCode.add(at);
    services.of(facts.service).add(at);
    operations.of(`${facts.service} ${facts.operation}`).add(at);
    for (const rule of rules) rule.add(facts);
  };
  const failure = (error: unknown, call: Call): void => {
    failed.add(now());
    count(factsOf(error, NOWHERE, call));
  };
  const answered = (reply: Reply, call: Call): void => {
    if (reply.error !== undefined) return failure(reply.error, call);
    if (reply.status < 500) return;
    failed.add(now());
    const { service } = call.operation;
    count({ code: codeOfStatus(reply.status), reason: undefined, status: reply.status, service, operation: call.label });
  };
  const close = (): void => rules.forEach((rule) => rule.close());

  return {
    name: 'errorMonitor',
    wrap: (next) => (call) => {
      calls.add(now());
      let result: Promise<Reply>;
      try {
        result = next(call);
      } catch (error) {
        failure(error, call);
        throw error;
      }
      result.then(
        (reply) => answered(reply, call),
        (error: unknown) => failure(error, call),
      );
      return result;
    },
    record: (error, origin) => count(factsOf(error, origin ?? NOWHERE)),
    stats() {
      const at = now();
      const seen = calls.sum(at);
      return {
        windowMs,
        ...countOf(all, windowMs, at),
        calls: seen,
        ratio: seen === 0 ? undefined : Math.min(1, failed.sum(at) / seen),
        byCode: table(codes, windowMs, at),
        byService: table(services.entries(), windowMs, at),
        byOperation: table(operations.entries(), windowMs, at),
        raised: rules.flatMap(({ raised }) => raised),
        keys: { services: services.size, operations: operations.size },
      };
    },
    close,
    [Symbol.dispose]: close,
  };
}

const NOWHERE: ErrorOrigin = Object.freeze({});

function countOf(window: SlidingCount, windowMs: number, now: number): ErrorCount {
  const count = window.sum(now);
  const newer = window.newer(now);
  const change = 2 * newer - count;
  // Of counts that chance alone makes, the difference of the halves has the variance of their sum.
  const beyondChance = Math.abs(change) > 2 * Math.sqrt(count);
  return { count, perSecond: (count * 1_000) / windowMs, trend: !beyondChance ? 'steady' : change > 0 ? 'rising' : 'falling' };
}

function table(entries: Iterable<readonly [string, SlidingCount]>, windowMs: number, now: number): Readonly<Record<string, ErrorCount>> {
  const counts = Array.from(entries, ([key, window]) => [key, countOf(window, windowMs, now)] as const).filter(([, { count }]) => count > 0);
  counts.sort(([, a], [, b]) => b.count - a.count);
  // Without a prototype: keys may be named by others.
  return Object.assign(Object.create(null), Object.fromEntries(counts)) as Record<string, ErrorCount>;
}
