import { shown } from '../options/shown.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Check, CheckReport, HealthStatus } from './check.js';
import type { Gate } from './gate.js';
import { thrownName } from './probe.js';

const MAX_OUTPUT = 256;

type Verdict = Pick<CheckReport, 'status' | 'output' | 'error'>;

/**
 * Runs one check for any number of askers: one run at a time, its answer shared and kept for a while.
 * A run that hangs costs its askers the timeout once; after that they are told `timeout` at once until it has ended.
 */
export class CheckRunner {
  readonly name: string;
  readonly #check: Check;
  readonly #critical: boolean;
  readonly #timeoutMs: number;
  readonly #cacheMs: number;
  readonly #clock: Clock;
  readonly #gate: Gate;
  readonly #onAnswer: () => void;
  #last: CheckReport | undefined;
  #freshUntil = -Infinity;
  #asked: Promise<CheckReport> | undefined;
  #running = false;
  #outdated = false;

  /** @throws TypeError for a check without name or run, or with a bad duration. */
  constructor(check: Check, gate: Gate, clock: Clock, onAnswer: () => void = () => {}) {
    if (typeof check !== 'object' || check === null || typeof check.run !== 'function') {
      throw new TypeError(`checks: ${shown(check)} is no check. Give { name: 'db', run: ({ signal }) => pool.query('select 1', { signal }) }.`);
    }
    if (typeof check.name !== 'string' || check.name === '')
      throw new TypeError(`check name: ${shown(check.name)} is no name. Give a short text such as 'db'.`);
    this.name = check.name;
    this.#check = check;
    this.#critical = check.critical ?? true;
    this.#timeoutMs = toMs(check.timeout ?? 800, `timeout of check ${check.name}`);
    this.#cacheMs = toMs(check.cacheFor ?? 1_000, `cacheFor of check ${check.name}`);
    this.#clock = clock;
    this.#gate = gate;
    this.#onAnswer = onAnswer;
  }

  /** The newest answer; undefined before the first. */
  get last(): CheckReport | undefined {
    return this.#last;
  }

  /** What is known is no longer so: asks now, or as soon as the run that is under way has ended. */
  refresh(): void {
    this.#freshUntil = -Infinity;
    if (this.#running || this.#asked !== undefined) this.#outdated = true;
    else void this.ask();
  }

  /** The answer of now: a fresh one kept, the one under way, or a new one. Never rejects. */
  ask(): Promise<CheckReport> {
    if (this.#asked !== undefined) return this.#asked;
    if (this.#last !== undefined && (this.#running || this.#clock.now() < this.#freshUntil)) return Promise.resolve(this.#last);
    return (this.#asked = this.#run());
  }

  #run(): Promise<CheckReport> {
    const startedAt = this.#clock.now();
    const controller = new AbortController();
    return new Promise((resolve) => {
      let answered = false;
      const answer = (verdict: Verdict): void => {
        if (answered) return;
        answered = true;
        timer.cancel();
        leave();
        const now = this.#clock.now();
        const status = verdict.status === 'fail' && !this.#critical ? 'warn' : verdict.status;
        this.#last = { name: this.name, critical: this.#critical, durationMs: now - startedAt, at: this.#clock.wallTime(), ...verdict, status };
        this.#freshUntil = now + this.#cacheMs;
        this.#asked = undefined;
        resolve(this.#last);
        this.#onAnswer();
      };
      const expired = (): void => {
        answer({ status: 'fail', output: 'timeout' });
        controller.abort(new DOMException(`Check ${this.name} took longer than ${this.#timeoutMs} ms`, 'TimeoutError'));
      };
      const timer = this.#clock.schedule(this.#timeoutMs, expired, { ref: true });
      // The place is given up at the timeout, not when the run ends: ten hung checks must not keep the others from running.
      const leave = this.#gate.enter(() => {
        this.#running = true;
        void this.#verdict(controller.signal).then((verdict) => {
          this.#running = false;
          answer(verdict);
          if (!this.#outdated) return;
          this.#outdated = false;
          this.refresh();
        });
      });
    });
  }

  async #verdict(signal: AbortSignal): Promise<Verdict> {
    try {
      return verdictOf(await this.#check.run({ signal }));
    } catch (error) {
      return { status: 'fail', output: thrownName(error), error };
    }
  }
}

function verdictOf(result: unknown): Verdict {
  if (result === false) return { status: 'fail', output: 'false' };
  if (typeof result !== 'object' || result === null) return { status: 'pass' };
  const { status, output } = result as { status?: unknown; output?: unknown };
  if (typeof status === 'number' && status >= 400) return { status: 'fail', output: `status ${status}` };
  if (status === 'fail' || status === 'warn') return { status, output: typeof output === 'string' ? output.slice(0, MAX_OUTPUT) : status };
  return { status: 'pass' };
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
