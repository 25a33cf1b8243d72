import type { IncomingMessage } from 'node:http';
import { checkFunction } from '../options/check.js';
import { checkAlerts } from './check-alerts.js';
import type { Check, CheckChange, CheckReport, HealthStatus } from './check.js';
import { CheckRunner, worst } from './check-runner.js';
import { healthBody } from './format.js';
import type { HealthBody } from './format.js';
import { gate } from './gate.js';
import { monitorSettings } from './monitor-options.js';
import type { MonitorOptions } from './monitor-options.js';
import type { HealthReport, Readiness } from './report.js';

/** Knows how the process is and asks its checks. A monitor of its own is `ready`; a Service moves it through its life. */
export interface Monitor {
  readonly path: string;
  readonly aliases: boolean;
  readonly retryAfterMs: number;
  readonly readiness: Readiness;
  /** Names of the checks. */
  readonly checks: readonly string[];
  /** Names of the groups of one's own, which have a path each: those that a check is in, but for live, ready and startup. */
  readonly groups: readonly string[];
  /** Adds a check; the returned function removes it and aborts its run. Throws TypeError when the name is taken, and what its `onChange` throws; nothing is added then. */
  add(check: Check): () => void;
  /** Adds what is told beside the checks to whoever may see details; asked for each report. The returned function removes it. */
  note(source: () => readonly string[]): () => void;
  moveTo(readiness: Readiness): void;
  /** Whether the process should go on living: only checks of the group `live` have a say, and a draining one is alive. */
  live(): Promise<HealthReport>;
  /** Whether it has ever been ready; until then the checks of `startup` and `ready` have to pass. */
  startup(): Promise<HealthReport>;
  /** Whether it takes traffic: `fail` while starting and draining, else the worst of the checks of the group `ready`. */
  ready(): Promise<HealthReport>;
  /** As `ready`, with every check asked, whatever its groups, in every state. */
  all(): Promise<HealthReport>;
  /** The worst of the checks of a group, in every state; undefined when no check is in it. */
  group(name: string): Promise<HealthReport> | undefined;
  /** The answers of the checks of these groups, of every check when none is named, whatever the state; runs what has no fresh one. */
  ask(...groups: readonly string[]): Promise<readonly CheckReport[]>;
  /** What each check said last, without running any; one that has not answered yet is left out. */
  latest(): readonly CheckReport[];
  /** The last answers of a check, the oldest first, without what it threw; empty for one that is not there. */
  history(check: string): readonly CheckReport[];
  /**
   * Calls `listener` whenever `ready` would be another status than before, with what is known then: readiness has moved, or a check was
   * answered otherwise; nobody is asked for it. The returned function ends that. What the listener throws is dropped.
   */
  onStatus(listener: (report: HealthReport) => void): () => void;
  /** Calls `listener` whenever a check, of any group, has another status than before. Otherwise as `onStatus`. */
  onCheck(listener: (change: CheckChange) => void): () => void;
  /** Whether this request may see details. */
  shows(request: IncomingMessage): boolean;
  /** A report in the format of this monitor. @throws what a format of the application's throws. */
  body(report: HealthReport, details: boolean): HealthBody;
  /** Ends every check: nothing runs any more, in the background or when asked, and the last answers stay. */
  close(): void;
}

const OWN: ReadonlySet<string> = new Set(['live', 'ready', 'startup']);

/**
 * A monitor. A thousand probes at once run each check once; a check that hangs, throws or resolves too late is a `fail`
 * (`warn` when it is not critical) and nothing worse.
 * @throws TypeError or RangeError when an option is bad.
 */
export function monitor(options: MonitorOptions = {}): Monitor {
  const { path, aliases, format, showDetails, authorize, version, concurrency, history, retryAfterMs, clock, ...settings } = monitorSettings(options);
  const places = gate(concurrency);
  const runners = new Map<string, { readonly runner: CheckRunner; readonly end: () => void; readonly remove: () => void }>();
  const alerts = checkAlerts(settings.sinks, settings.alertFrom, settings.logger);
  let readiness: Readiness = 'ready';
  let wasReady = false;
  const statusListeners = new Set<(report: HealthReport) => void>();
  const checkListeners = new Set<(change: CheckChange) => void>();
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
    return { status, readiness, checks, at: clock.wallTime(), ...(told.length > 0 && { notes: told }), ...(version !== undefined && { version }) };
  };

  const runnersOf = (groups: readonly string[]): readonly CheckRunner[] => {
    const all = Array.from(runners.values(), ({ runner }) => runner);
    return groups.length === 0 ? all : all.filter((runner) => groups.some((name) => runner.groups.has(name)));
  };
  const ask = (...groups: readonly string[]): Promise<readonly CheckReport[]> => Promise.all(runnersOf(groups).map((runner) => runner.ask()));

  /** What is known has changed; tells it when that makes a difference. */
  const reconsider = (): void => {
    const checks = runnersOf(['ready'])
      .map(({ last }) => last)
      .filter((last) => last !== undefined);
    const status = readiness === 'ready' ? worst(checks) : 'fail';
    if (status === said) return;
    said = status;
    tell(statusListeners, () => report(status, checks));
  };

  const add = (check: Check): (() => void) => {
    const runner = new CheckRunner(check, {
      places,
      clock,
      history,
      onAnswer: reconsider,
      onChange(change) {
        alerts.changed(change);
        tell(checkListeners, () => change);
      },
    });
    const { name } = runner;
    if (runners.has(name)) {
      runner.end();
      throw new TypeError(`checks: the name ${name} is taken. Each check needs a name of its own.`);
    }
    let forget: (() => void) | undefined;
    const entry = {
      runner,
      end: (): void => {
        runner.end();
        forget?.();
        forget = undefined;
      },
      remove: (): void => {
        if (runners.get(name) !== entry) return;
        runners.delete(name);
        entry.end();
        alerts.removed(name, clock.wallTime());
        reconsider();
      },
    };
    runners.set(name, entry);
    try {
      forget = check.onChange?.(() => runner.refresh());
    } catch (error) {
      runners.delete(name);
      runner.end();
      throw error;
    }
    return entry.remove;
  };
  for (const check of options.checks ?? []) add(check);

  const fromChecks = async (...groups: readonly string[]): Promise<HealthReport> => {
    const checks = await ask(...groups);
    if (readiness !== 'ready') return report('fail', checks); // asked again: it may have begun to drain while they ran
    return report(worst(checks), checks);
  };
  const ready = async (): Promise<HealthReport> => {
    if (readiness !== 'ready') return report('fail');
    return fromChecks('ready');
  };
  const startup = async (): Promise<HealthReport> => {
    if (wasReady) return report('pass');
    if (readiness !== 'ready') return report('fail');
    const said = await fromChecks('startup', 'ready');
    if (said.status !== 'fail') wasReady = true;
    return said;
  };
  const groups = (): readonly string[] => [...new Set(runnersOf([]).flatMap((runner) => [...runner.groups]))].filter((name) => !OWN.has(name));
  const listen = <L>(listeners: Set<L>, listener: L, option: string): (() => void) => {
    checkFunction(listener, option);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };

  return {
    path,
    aliases,
    retryAfterMs,
    get readiness() {
      return readiness;
    },
    get checks() {
      return [...runners.keys()];
    },
    get groups() {
      return groups();
    },
    add,
    note: (source) => listen(sources, source, 'note'),
    moveTo(next) {
      readiness = next;
      reconsider();
    },
    onStatus: (listener) => listen(statusListeners, listener, 'onStatus'),
    onCheck: (listener) => listen(checkListeners, listener, 'onCheck'),
    async live() {
      const checks = await ask('live');
      return report(worst(checks), checks);
    },
    startup,
    async ready() {
      const answer = await ready();
      if (answer.status !== 'fail' && runnersOf(['startup']).length === 0) wasReady = true;
      return answer;
    },
    async all() {
      const answer = await fromChecks();
      if (answer.status !== 'fail') wasReady = true;
      return answer;
    },
    group(name) {
      if (OWN.has(name) || !groups().includes(name)) return undefined;
      return ask(name).then((checks) => report(worst(checks), checks));
    },
    ask,
    latest: () => runnersOf([]).flatMap(({ last }) => last ?? []),
    history: (check) => runners.get(check)?.runner.history ?? [],
    shows(request) {
      if (showDetails !== 'when-authorized') return showDetails === 'always';
      try {
        const said: unknown = authorize!(request);
        drop(said);
        return said === true;
      } catch {
        return false;
      }
    },
    body: (said, details) => healthBody(format, said, details),
    close() {
      for (const { end } of runners.values()) end();
    },
  };
}

/** Nobody waits for what an async function of the application's gives, and its rejection must not end the process. */
function drop(given: unknown): void {
  if (given instanceof Promise) given.catch(() => {});
}

/** A check's answer must not depend on who hears of it. */
function tell<T>(listeners: ReadonlySet<(news: T) => unknown>, news: () => T): void {
  if (listeners.size === 0) return;
  const what = news();
  for (const listener of [...listeners]) {
    try {
      drop(listener(what));
    } catch {
      // The others hear of it all the same.
    }
  }
}
