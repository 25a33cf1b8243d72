import { checkOptions, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';

/** Of one hook of the stop. */
export interface StopHookOptions {
  /** For the log. Default: the function's name. */
  readonly name?: string;
  /** How long to wait for it. Default 5 s. */
  readonly timeout?: Duration;
}

interface Hook {
  readonly name: string;
  readonly timeoutMs: number;
  readonly run: () => unknown;
}

const OPTIONS = namesOf<StopHookOptions>({ name: true, timeout: true });
const TIMEOUT_MS = 5_000;

/** The hooks of one step of the stop: the last added first, since what came later may use what was there before. */
export class Hooks {
  readonly #kind: string;
  readonly #hooks: Hook[] = [];

  /** `kind` is the method that adds to it, for messages. */
  constructor(kind: string) {
    this.#kind = kind;
  }

  /** The timeouts of all together, ms: the longest that they can take. */
  get longestMs(): number {
    return this.#hooks.reduce((sum, { timeoutMs }) => sum + timeoutMs, 0);
  }

  /** @throws TypeError for what is no function, an unknown option or a bad duration. */
  add(run: () => unknown, options: StopHookOptions = {}): void {
    if (typeof run !== 'function') throw new TypeError(`${this.#kind}: ${shown(run)} is no function. Give what has to run at that time of the stop.`);
    checkOptions(this.#kind, options, OPTIONS);
    const name = options.name ?? (run.name === '' ? `${this.#kind} hook ${this.#hooks.length + 1}` : run.name);
    this.#hooks.push({ name, run, timeoutMs: toMs(options.timeout ?? TIMEOUT_MS, `timeout of ${this.#kind} hook ${name}`) });
  }

  /** Runs each once, through `step`, which bounds it and says what became of it. One that is added meanwhile runs too. */
  async run(step: (name: string, mostMs: number, work: () => unknown) => Promise<unknown>): Promise<void> {
    for (let hook = this.#hooks.pop(); hook !== undefined; hook = this.#hooks.pop()) await step(hook.name, hook.timeoutMs, hook.run);
  }
}
