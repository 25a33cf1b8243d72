import type { IncomingMessage } from 'node:http';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import type { Check, CheckReport, HealthStatus } from './check.js';
import { CheckRunner, worst } from './check-runner.js';
import { gate } from './gate.js';
import type { HealthReport, Readiness } from './report.js';
import { checkFunction, checkList, checkOptions, checkSurroundings, namesOf } from '../options/check.js';

export interface MonitorOptions {
  readonly checks?: readonly Check[];
  /** Where the health routes live: `<path>`, `<path>/live`, `<path>/ready`, `<path>/startup`. Default `/health`. */
  readonly path?: string;
  /** Who sees more than the one word. Default `never`; a private address is no authorization, proxies have one. */
  readonly showDetails?: 'never' | 'always' | 'when-authorized';
  /** Asked for `when-authorized`; a throw is a no. */
  readonly authorize?: (request: IncomingMessage) => boolean;
  /** How many checks run at a time. Default 10. */
  readonly concurrency?: number;
  /** The `Retry-After` of a 503, rounded up to whole seconds. Default 5 s. */
  readonly retryAfter?: Duration;
  readonly clock?: Clock;
}

/** Knows how the process is and asks its checks. A monitor of its own is `ready`; a Service moves it through its life. */
export interface Monitor {
  readonly path: string;
  readonly retryAfterMs: number;
  readonly readiness: Readiness;
  /** Names of the checks. */
  readonly checks: readonly string[];
  /** Adds a check; the returned function removes it. Throws TypeError when the name is taken. */
  add(check: Check): () => void;
  /** Adds what is told beside the checks to whoever may see details; asked for each report. The returned function removes it. */
  note(source: () => readonly string[]): () => void;
  moveTo(readiness: Readiness): void;
  /** Whether the process should go on living: no check has a say, and a draining one is alive. */
  live(): Promise<HealthReport>;
  /** Whether it has ever been ready. */
  startup(): Promise<HealthReport>;
  /** Whether it takes traffic: `fail` while starting and draining, else the worst of the checks. */
  ready(): Promise<HealthReport>;
  /** As `ready`, with the checks asked in every state. */
  all(): Promise<HealthReport>;
  /** Every check's answer, whatever the state; runs what has no fresh one. */
  ask(): Promise<readonly CheckReport[]>;
  /**
   * Calls `listener` whenever `ready` would be another status than before, with what is known then: readiness has moved, or a check was
   * answered otherwise; nobody is asked for it. The returned function ends that. What the listener throws is dropped.
   */
  onStatus(listener: (report: HealthReport) => void): () => void;
  /** Whether this request may see details. */
  shows(request: IncomingMessage): boolean;
}

const OPTIONS = namesOf<MonitorOptions>({
  checks: true,
  path: true,
  showDetails: true,
  authorize: true,
  concurrency: true,
  retryAfter: true,
  clock: true,
});
const PATH = /^(?:\/[A-Za-z0-9._~-]+)+$/;
const DETAILS: readonly unknown[] = ['never', 'always', 'when-authorized'];

/**
 * A monitor. A thousand probes at once run each check once; a check that hangs, throws or resolves too late is a `fail`
 * (`warn` when it is not critical) and nothing worse.
 * @throws TypeError or RangeError when an option is bad.
 */
export function monitor(options: MonitorOptions = {}): Monitor {
  checkOptions('monitor', options, OPTIONS);
  checkSurroundings('monitor', options);
  checkList(options.checks, 'monitor checks', 'checks, such as { name, run }');
  const { path = '/health', showDetails = 'never', authorize, concurrency = 10, retryAfter = 5_000, clock = systemClock } = options;
  if (!PATH.test(path))
    throw new TypeError(
      `path: ${JSON.stringify(path)} is no path for health routes. Give one or more segments without a slash at the end, such as '/health'.`,
    );
  if (!DETAILS.includes(showDetails))
    throw new TypeError(`showDetails: ${String(showDetails)} is unknown. Use 'never', 'always' or 'when-authorized'.`);
  if (showDetails === 'when-authorized' && typeof authorize !== 'function') {
    throw new TypeError(`authorize: ${String(authorize)} is no function. showDetails: 'when-authorized' needs (request) => boolean.`);
  }
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new RangeError(`concurrency: ${String(concurrency)} checks cannot run at a time. Give an integer from 1.`);

  const places = gate(concurrency);
  const runners = new Map<string, CheckRunner>();
  let readiness: Readiness = 'ready';
  let wasReady = false;
  const listeners = new Set<(report: HealthReport) => void>();
  let said: HealthStatus = 'pass';

  const sources = new Set<() => readonly string[]>();
  const notes = (): readonly string[] =>
    Array.from(sources).flatMap((source) => {
      try {
        return source();
      } catch {
        return []; // How the process is does not depend on it.
      }
    });
  const report = (status: HealthStatus, checks: readonly CheckReport[] = []): HealthReport => {
    const told = sources.size === 0 ? [] : notes();
    return { status, readiness, checks, ...(told.length > 0 && { notes: told }) };
  };

  /** What is known has changed; tells it when that makes a difference. */
  const reconsider = (): void => {
    const checks = Array.from(runners.values(), ({ last }) => last).filter((last) => last !== undefined);
    const status = readiness === 'ready' ? worst(checks) : 'fail';
    if (status === said) return;
    said = status;
    for (const listener of [...listeners]) {
      try {
        listener(report(status, checks));
      } catch {
        // A check's answer must not depend on who hears of it.
      }
    }
  };

  const add = (check: Check): (() => void) => {
    const runner = new CheckRunner(check, places, clock, reconsider);
    if (runners.has(runner.name)) throw new TypeError(`checks: the name ${runner.name} is taken. Each check needs a name of its own.`);
    checkFunction(check.onChange, `onChange of check ${runner.name}`);
    runners.set(runner.name, runner);
    const forget = check.onChange?.(() => {
      if (runners.get(runner.name) === runner) runner.refresh();
    });
    return () => {
      if (runners.get(runner.name) !== runner) return;
      runners.delete(runner.name);
      forget?.();
      reconsider();
    };
  };
  for (const check of options.checks ?? []) add(check);

  const ask = (): Promise<readonly CheckReport[]> => Promise.all(Array.from(runners.values(), (runner) => runner.ask()));
  const fromChecks = async (): Promise<HealthReport> => {
    const checks = await ask();
    if (readiness !== 'ready') return report('fail', checks); // asked again: it may have begun to drain while they ran
    const status = worst(checks);
    if (status !== 'fail') wasReady = true;
    return report(status, checks);
  };

  return {
    path,
    retryAfterMs: toMs(retryAfter, 'retryAfter'),
    get readiness() {
      return readiness;
    },
    get checks() {
      return [...runners.keys()];
    },
    add,
    note(source) {
      checkFunction(source, 'note');
      sources.add(source);
      return () => void sources.delete(source);
    },
    moveTo(next) {
      readiness = next;
      reconsider();
    },
    onStatus(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    live: async () => report('pass'),
    startup: async () => (wasReady ? report('pass') : readiness === 'ready' ? fromChecks() : report('fail')),
    ready: async () => (readiness === 'ready' ? fromChecks() : report('fail')),
    all: fromChecks,
    ask,
    shows(request) {
      if (showDetails !== 'when-authorized') return showDetails === 'always';
      try {
        return authorize!(request) === true;
      } catch {
        return false;
      }
    },
  };
}
