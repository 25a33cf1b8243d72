import { alertSinks } from '../alerts/alert.js';
import type { Call } from '../call/call.js';
import { currentCall } from '../call/context.js';
import type { Reply } from '../call/reply.js';
import { silentLogger } from '../logging/logger.js';
import { shown } from '../options/shown.js';
import { systemClock } from '../time/clock.js';
import { messageOf, short, whoseOf } from './aggregator-event.js';
import type { ErrorContext, ErrorEvent } from './aggregator-event.js';
import { CountsOverTime } from './aggregator-counts.js';
import { aggregatorSettings } from './aggregator-options.js';
import type { ErrorAggregatorOptions } from './aggregator-options.js';
import type { Code } from './codes.js';
import { LONGEST_MESSAGE, fingerprintOf, messageTemplate } from './fingerprint.js';
import { factsOf } from './monitor-facts.js';
import { BoundedKeys, OTHER } from './monitor-keys.js';
import { AlertRule } from './monitor-rules.js';
import { DEFAULT_PATTERNS, checkedPatterns } from './patterns.js';
import type { Pattern } from './patterns.js';

/** One kind of error: those whose code and message, values apart, are the same. */
export interface ErrorGroup {
  readonly fingerprint: string;
  readonly type: string;
  readonly code: Code;
  /** The message with its values left out: `user <n> not found`. */
  readonly template: string;
  /** Since it is known, beyond the window too. */
  readonly count: number;
  /** Milliseconds since the Unix epoch. */
  readonly firstAt: number;
  readonly lastAt: number;
}

export interface ErrorReport {
  /** Milliseconds since the Unix epoch: where the counts begin and end, which is at buckets of the window. */
  readonly from: number;
  readonly to: number;
  readonly total: number;
  /** By the types of the patterns; by the code where none fits. */
  readonly byType: Readonly<Record<string, number>>;
  readonly byService: Readonly<Record<string, number>>;
  /** Of the last `maxEvents` those of the time, the oldest first. */
  readonly events: readonly ErrorEvent[];
  /** The kinds that came within the time, the most frequent first. */
  readonly groups: readonly ErrorGroup[];
}

/** How much is kept. Each is bounded by the options. */
export interface ErrorAggregatorStats {
  readonly events: number;
  readonly groups: number;
  readonly buckets: number;
  /** Errors since the start, and how many of them a pattern had ignored. */
  readonly recorded: number;
  readonly ignored: number;
}

/** Collects errors by kind. An entry of `wrappers` of a service or a client, as it is. */
export interface ErrorAggregator extends Disposable {
  readonly name: string;
  /** Collects what calls fail with; where it stands best is said at `ErrorMonitor`. */
  wrap(next: (call: Call) => Promise<Reply>): (call: Call) => Promise<Reply>;
  /** Never throws. */
  record(error: unknown, context?: ErrorContext): void;
  /** What happened between two times, as dates or milliseconds since the epoch; both default to the ends of the window. @throws TypeError for what is no time */
  report(from?: Date | number, to?: Date | number): ErrorReport;
  stats(): ErrorAggregatorStats;
  /** Raised alerts are no longer taken back. Idempotent. */
  close(): void;
}

interface Group {
  readonly fingerprint: string;
  readonly template: string;
  type: string;
  code: Code;
  count: number;
  firstAt: number;
  lastAt: number;
  /** By the monotonic clock: when it was last written to the log, and how often it came since. */
  loggedAt: number;
  unlogged: number;
}

const BUCKETS = 60;
const ALERT_INTERVAL_MS = 60_000;

/**
 * Errors by kind: patterns give them a type and say what is done, fingerprints tell kinds apart by what of a message is no value, and a report says
 * what happened between two times. Memory is bounded whatever the messages are.
 * @throws TypeError or RangeError naming the option that does not fit
 */
export function errorAggregator(options: ErrorAggregatorOptions = {}): ErrorAggregator {
  const settings = aggregatorSettings(options);
  const { defaults = true, logger = silentLogger, clock = systemClock } = options;
  const sinks = alertSinks(options.alerts, 'errorAggregator alerts');
  const patterns = [
    ...(options.patterns ?? []).map((pattern, index) => ({ pattern, option: `errorAggregator patterns[${index}]` })),
    ...(defaults ? DEFAULT_PATTERNS : []).map((pattern) => ({ pattern, option: 'DEFAULT_PATTERNS' })),
  ];
  const asked = checkedPatterns(patterns, {
    now: () => clock.now(),
    disabled: ({ type }, expression) =>
      logger.warn({ type, expression: short(expression.source) }, 'A regular expression of the error aggregator is too slow and is asked no more'),
  });
  const alerting = new AlertRule(
    { name: 'pattern', per: 'service', threshold: 1, interval: ALERT_INTERVAL_MS, coolDown: settings.coolDownMs },
    'errorAggregator',
    { source: 'error-aggregator', sinks, clock, logger, subjectOf: (key) => key },
  );
  const counts = new CountsOverTime(settings.windowMs, BUCKETS);
  const events: ErrorEvent[] = [];
  let oldest = 0;
  let recorded = 0;
  let ignored = 0;
  const groups = new BoundedKeys<Group>(
    settings.maxGroups,
    (key) => groupOf(key),
    ({ lastAt }) => clock.wallTime() - lastAt > settings.windowMs,
  );

  const collect = (error: unknown, context: ErrorContext, call: Call | undefined): void => {
    const { code, reason, status, service, operation } = factsOf(error, context, call);
    const message = messageOf(error, LONGEST_MESSAGE);
    const lower = message.toLowerCase();
    const pattern: Pattern | undefined = asked.find((one) => one.fits(message, lower, code));
    recorded++;
    if (pattern?.action === 'ignore') return void ignored++;
    const at = clock.wallTime();
    const type = pattern?.type ?? code;
    counts.add(at, type, short(service));
    const group = groups.of(`${code}\0${messageTemplate(message)}`);
    if (group.count++ === 0) group.firstAt = at;
    group.lastAt = at;
    group.code = code;
    group.type = type;
    const event: ErrorEvent = {
      at,
      type,
      code,
      fingerprint: group.fingerprint,
      service: short(service),
      operation: short(operation),
      message: short(message),
      ...whoseOf(context, call),
    };
    events[oldest] = event;
    oldest = (oldest + 1) % settings.maxEvents;
    if (pattern !== undefined) act(pattern, group, event, { reason, status });
  };

  const act = (pattern: Pattern, group: Group, event: ErrorEvent, { reason, status }: { reason: string | undefined; status: number }): void => {
    const { metadata: _, ...told } = event;
    if (pattern.action === 'alert') {
      const facts = {
        code: event.code,
        reason,
        status: Math.max(status, 500),
        service: `${pattern.type} of ${event.service}`,
        operation: event.operation,
      };
      alerting.add(facts, { errorType: pattern.type, service: event.service, priority: pattern.priority, fingerprint: group.fingerprint });
    }
    group.unlogged++;
    const now = clock.now();
    if (now - group.loggedAt < settings.logEveryMs) return;
    group.loggedAt = now;
    const count = group.unlogged;
    group.unlogged = 0;
    try {
      logger[pattern.action === 'alert' ? 'error' : 'warn']({ ...told, priority: pattern.priority, count }, 'Errors of a known type');
    } catch {
      // Counting goes on without the log.
    }
  };

  const close = (): void => alerting.close();
  return {
    name: 'errorAggregator',
    wrap: (next) => (call) => {
      let result: Promise<Reply>;
      try {
        result = next(call);
      } catch (error) {
        collect(error, NOWHERE, call);
        throw error;
      }
      result.then(
        (reply) => {
          if (reply.error !== undefined) collect(reply.error, NOWHERE, call);
        },
        (error: unknown) => collect(error, NOWHERE, call),
      );
      return result;
    },
    record: (error, context) => collect(error, context ?? NOWHERE, currentCall()),
    report(from = clock.wallTime() - settings.windowMs, to = clock.wallTime()) {
      const first = timeOf(from, 'from');
      const last = timeOf(to, 'to');
      const { bucketMs } = counts;
      const begin = Math.floor(first / bucketMs) * bucketMs;
      const end = (Math.floor(last / bucketMs) + 1) * bucketMs;
      const within = (at: number): boolean => at >= begin && at < end;
      const inOrder = [...events.slice(oldest), ...events.slice(0, oldest)];
      const kinds = Array.from(groups.entries(), ([, group]) => group).filter(({ firstAt, lastAt }) => lastAt >= begin && firstAt < end);
      return {
        from: begin,
        to: end,
        ...counts.totals(first, last),
        events: inOrder.filter(({ at }) => within(at)),
        groups: kinds
          .sort((a, b) => b.count - a.count)
          .map(({ fingerprint, type, code, template, count, firstAt, lastAt }) => ({ fingerprint, type, code, template, count, firstAt, lastAt })),
      };
    },
    stats: () => ({ events: events.length, groups: groups.size, buckets: counts.size, recorded, ignored }),
    close,
    [Symbol.dispose]: close,
  };
}

const NOWHERE: ErrorContext = Object.freeze({});

function groupOf(key: string): Group {
  const [code = OTHER, template = OTHER] = key.split('\0');
  const known = { type: code, code: code as Code, count: 0, firstAt: 0, lastAt: 0, loggedAt: -Infinity, unlogged: 0 };
  return { fingerprint: key === OTHER ? OTHER : fingerprintOf(code, template), template, ...known };
}

function timeOf(value: Date | number, name: string): number {
  const at = typeof value === 'number' ? value : value instanceof Date ? value.getTime() : NaN;
  if (!Number.isFinite(at)) throw new TypeError(`report ${name}: ${shown(value)} is no time. Give a Date, or milliseconds since the Unix epoch.`);
  return at;
}
