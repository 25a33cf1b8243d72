import type { IncomingMessage } from 'node:http';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import type { Check, CheckReport } from './check.js';
import { CheckRunner, worst } from './check-runner.js';
import { gate } from './gate.js';
import type { HealthReport, Readiness } from './report.js';
import { checkList, checkOptions, checkSurroundings, namesOf } from '../options/check.js';

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

  const add = (check: Check): (() => void) => {
    const runner = new CheckRunner(check, places, clock);
    if (runners.has(runner.name)) throw new TypeError(`checks: the name ${runner.name} is taken. Each check needs a name of its own.`);
    runners.set(runner.name, runner);
    return () => {
      if (runners.get(runner.name) === runner) runners.delete(runner.name);
    };
  };
  for (const check of options.checks ?? []) add(check);

  const ask = (): Promise<readonly CheckReport[]> => Promise.all(Array.from(runners.values(), (runner) => runner.ask()));
  const report = (status: HealthReport['status'], checks: readonly CheckReport[] = []): HealthReport => ({ status, readiness, checks });
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
    moveTo(next) {
      readiness = next;
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
