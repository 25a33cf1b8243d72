import type { Clock, Timer } from '../time/clock.js';
import type { Check, CheckChange, CheckReport, HealthStatus } from './check.js';
import { runnerSettings } from './check-settings.js';
import type { RunnerSettings } from './check-settings.js';
import type { Gate } from './gate.js';
import { History } from './history.js';
import { askCheck } from './verdict.js';
import type { CheckVerdict } from './verdict.js';

export interface CheckRunnerOptions {
  readonly places: Gate;
  readonly clock: Clock;
  /** How many answers are remembered. */
  readonly history: number;
  /** Called after each answer. */
  readonly onAnswer: () => void;
  /** Called before that, when it is another status than before. */
  readonly onChange: (change: CheckChange) => void;
}

/**
 * Runs one check for any number of askers, and in the background where it has an interval: one run at a time, its answer shared and kept for a
 * while. A run that hangs costs its askers the timeout once; after that they are told `timeout` at once until it has ended.
 */
export class CheckRunner {
  readonly name: string;
  readonly groups: ReadonlySet<string>;
  readonly #check: Check;
  readonly #settings: RunnerSettings;
  readonly #options: CheckRunnerOptions;
  readonly #history: History<CheckReport>;
  readonly #notBefore: number;
  #last: CheckReport | undefined;
  #failing: boolean | undefined;
  #failures = 0;
  #successes = 0;
  /** What it said when it last did not fail. */
  #good: Exclude<HealthStatus, 'fail'> = 'pass';
  #freshUntil = -Infinity;
  #asked: Promise<CheckReport> | undefined;
  #running = false;
  #startedAt = 0;
  #outdated = false;
  #turn: Timer | undefined;
  #ended = false;
  #abort: (() => void) | undefined;

  /** @throws TypeError for a check without name or run, or with a bad option. */
  constructor(check: Check, options: CheckRunnerOptions) {
    this.#settings = runnerSettings(check);
    this.name = check.name;
    this.groups = this.#settings.groups;
    this.#check = check;
    this.#options = options;
    this.#history = new History(options.history);
    this.#notBefore = options.clock.now() + this.#settings.initialDelayMs;
    if (this.#settings.intervalMs !== undefined) this.#plan(this.#settings.initialDelayMs);
  }

  /** The newest answer; undefined before the first. */
  get last(): CheckReport | undefined {
    return this.#last;
  }

  /** Its last answers, the oldest first. */
  get history(): readonly CheckReport[] {
    return this.#history.list();
  }

  /** What is known is no longer so: asks now, or as soon as the run that is under way has ended. */
  refresh(): void {
    if (this.#ended) return;
    this.#freshUntil = -Infinity;
    if (this.#running || this.#asked !== undefined) this.#outdated = true;
    else void this.#askNow();
  }

  /** The answer of now: a fresh one kept, the one under way, or a new one. Never rejects. */
  ask(): Promise<CheckReport> {
    if (this.#last !== undefined && this.#asked === undefined && (this.#settings.intervalMs !== undefined || this.#ended))
      return Promise.resolve(this.#last);
    return this.#askNow();
  }

  /** No more runs; the one under way is aborted. */
  end(): void {
    this.#ended = true;
    this.#turn?.cancel();
    this.#abort?.();
  }

  #askNow(): Promise<CheckReport> {
    if (this.#asked !== undefined) return this.#asked;
    const now = this.#options.clock.now();
    if (this.#ended || now < this.#notBefore) return Promise.resolve(this.#unchecked());
    if (this.#last !== undefined && now < this.#freshUntil) return Promise.resolve(this.#last);
    // It hangs: for hysteresis that is one failure more, as often as it would have been asked.
    if (this.#running) return Promise.resolve(this.#answer({ status: 'fail', output: 'timeout' }, now - this.#startedAt));
    return (this.#asked = this.#run());
  }

  #plan(delayMs: number): void {
    this.#turn = this.#options.clock.schedule(delayMs, () => {
      this.#freshUntil = -Infinity;
      void this.#askNow().then(() => {
        if (!this.#ended) this.#plan(this.#settings.intervalMs!);
      });
    });
  }

  #run(): Promise<CheckReport> {
    const { clock, places } = this.#options;
    const { timeoutMs } = this.#settings;
    const startedAt = (this.#startedAt = clock.now());
    const controller = new AbortController();
    return new Promise((resolve) => {
      let answered = false;
      const answer = (verdict: CheckVerdict): void => {
        if (answered) return;
        answered = true;
        timer.cancel();
        leave();
        this.#asked = undefined;
        this.#abort = undefined;
        resolve(this.#answer(verdict, clock.now() - startedAt));
      };
      const stop = (output: string, reason: DOMException): void => {
        answer({ status: 'fail', output });
        controller.abort(reason);
      };
      const expired = (): void => stop('timeout', new DOMException(`Check ${this.name} took longer than ${timeoutMs} ms`, 'TimeoutError'));
      const timer = clock.schedule(timeoutMs, expired, { ref: true });
      // The place is given up at the timeout, not when the run ends: ten hung checks must not keep the others from running.
      const leave = places.enter(() => {
        this.#running = true;
        void askCheck(() => this.#check.run({ signal: controller.signal })).then((verdict) => {
          this.#running = false;
          if (answered) this.#freshUntil = -Infinity; // too late, but now it can be asked again
          answer(verdict);
          if (!this.#outdated) return;
          this.#outdated = false;
          this.refresh();
        });
      });
      this.#abort = () => stop('removed', new DOMException(`Check ${this.name} was removed`, 'AbortError'));
    });
  }

  #answer(verdict: CheckVerdict, durationMs: number): CheckReport {
    const { clock, onAnswer, onChange } = this.#options;
    this.#freshUntil = clock.now() + this.#settings.cacheMs;
    const before = this.#last?.status ?? 'pass';
    const report = (this.#last = { ...this.#judged(verdict), durationMs, at: clock.wallTime() });
    if (this.#ended) return report;
    const { error: _, ...remembered } = report; // an error may hold on to a whole request
    this.#history.add(remembered);
    if (report.status !== before) onChange({ name: this.name, from: before, to: report.status, report });
    onAnswer();
    return report;
  }

  /** Hysteresis: what one run said, seen with those before it. */
  #judged(verdict: CheckVerdict): Omit<CheckReport, 'durationMs' | 'at'> {
    const { critical, failuresToFail, successesToPass } = this.#settings;
    const failed = verdict.status === 'fail';
    this.#failures = failed ? this.#failures + 1 : 0;
    this.#successes = failed ? 0 : this.#successes + 1;
    if (verdict.status !== 'fail') this.#good = verdict.status;
    const needed = failed ? failuresToFail : successesToPass;
    if (this.#failing === undefined || (failed ? this.#failures : this.#successes) >= needed) this.#failing = failed;
    const status = this.#failing ? (critical ? 'fail' : 'warn') : this.#good;
    const output = this.#failing && !failed ? `passed ${this.#successes} of ${successesToPass}` : verdict.output;
    return {
      name: this.name,
      status,
      critical,
      failures: this.#failures,
      ...(output !== undefined && { output }),
      ...(verdict.error !== undefined && { error: verdict.error }),
    };
  }

  #unchecked(): CheckReport {
    const { critical } = this.#settings;
    const at = this.#options.clock.wallTime();
    return { name: this.name, status: critical ? 'fail' : 'warn', critical, output: 'not checked yet', durationMs: 0, at, failures: 0 };
  }
}

/** The worst of them; `pass` when there are none. */
export function worst(statuses: Iterable<{ readonly status: HealthStatus }>): HealthStatus {
  let result: HealthStatus = 'pass';
  for (const { status } of statuses) {
    if (status === 'fail') return 'fail';
    if (status === 'warn') result = 'warn';
  }
  return result;
}
