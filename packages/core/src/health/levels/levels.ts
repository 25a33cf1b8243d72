import type { Duration } from '../../time/duration.js';
import type { Check, CheckContext, CheckReport, HealthStatus } from '../check.js';
import { CheckRunner } from '../check-runner.js';
import type { CheckResult } from '../checks/made-check.js';
import { gate } from '../gate.js';
import { pulledDown } from './cascade.js';
import { HEALTH_LEVELS, combined, judgedLevel, statusOf } from './judge.js';
import type { HealthLevel, LevelState } from './judge.js';
import { levelsSettings } from './options.js';
import type { HealthLevelsOptions, HealthLevelsSettings } from './options.js';
import { reasonOf } from '../reason.js';

/** What one level was found to be. */
export interface HealthLevelReport {
  /** With what the cascade makes of it. */
  readonly state: LevelState;
  /** By its own checks alone. */
  readonly ownState: LevelState;
  /** The level whose failure pulls it down, when one does. */
  readonly pulledBy?: HealthLevel;
  /** Why it is not healthy, one for each thing that is wrong; empty when it is. */
  readonly reasons: readonly string[];
  readonly checks: readonly CheckReport[];
}

/** The answer of all levels. */
export interface HealthLevelsReport {
  /** `healthy` passes, `degraded` and `warning` warn, `unhealthy` fails. */
  readonly status: HealthStatus;
  readonly state: LevelState;
  /** The mean of the levels by their weights, 0 to 1: healthy 1, degraded 0.75, warning 0.5, unhealthy 0. It decides with the rule `weighted`. */
  readonly score: number;
  /** Of the levels that have checks. */
  readonly levels: Readonly<Partial<Record<HealthLevel, HealthLevelReport>>>;
  /** Those of the levels, each with the name of its level. */
  readonly reasons: readonly string[];
  /** Milliseconds from being asked to the answer. */
  readonly durationMs: number;
  /** When it was answered, milliseconds since the Unix epoch. */
  readonly at: number;
}

/** Levels of checks, as one check of a monitor, or alone. */
export interface HealthLevels extends Check, Disposable {
  /** `output` names the worst levels and why. Rejects with the signal's reason only. */
  run(context: CheckContext): Promise<CheckResult>;
  /** Asks all checks that have no fresh answer, of all levels at once. Never rejects; takes no longer than the deadline. */
  ask(): Promise<HealthLevelsReport>;
  /** The last answer; undefined before the first. */
  readonly last: HealthLevelsReport | undefined;
  /** Ends its checks: the runs under way are aborted, and `ask` says what was known last. Idempotent. */
  [Symbol.dispose](): void;
}

/**
 * The checks of up to four levels, asked in parallel within one deadline and combined by a rule. Each check is asked as a monitor asks it: once at
 * a time, with its own timeout, cache and hysteresis, whoever asks. What is answered depends on the answers and the clock, never on their order.
 * @throws TypeError for an option that is unknown or does not fit, and for a cascade that runs in a circle.
 */
export function healthLevels(options: HealthLevelsOptions): HealthLevels {
  return new Levels(levelsSettings(options));
}

class Levels implements HealthLevels {
  readonly name: string;
  readonly critical: boolean;
  readonly timeout: number;
  declare readonly cacheFor?: Duration;
  declare readonly failuresToFail?: number;
  declare readonly successesToPass?: number;
  declare readonly interval?: Duration;
  declare readonly initialDelay?: Duration;
  declare readonly groups?: readonly string[];
  readonly #settings: HealthLevelsSettings;
  readonly #levels: readonly HealthLevel[];
  readonly #runners: ReadonlyMap<HealthLevel, readonly CheckRunner[]>;
  /** When those were asked that found a level unhealthy by itself: when they ended shall make no difference. */
  readonly #since = new Map<HealthLevel, number>();
  #last: HealthLevelsReport | undefined;
  #asked: Promise<HealthLevelsReport> | undefined;

  constructor(settings: HealthLevelsSettings) {
    const { checks, clock, common, deadlineMs, name } = settings;
    this.name = name;
    // Each check has the deadline, and says more than that this one was passed.
    this.timeout = deadlineMs + GRACE_MS;
    this.critical = true;
    Object.assign(this, common);
    this.#settings = settings;
    this.#levels = HEALTH_LEVELS.filter((level) => checks[level].length > 0);
    const places = gate(this.#levels.reduce((sum, level) => sum + checks[level].length, 0));
    const runner = (check: Check): CheckRunner => new CheckRunner(check, { places, clock, history: 0, onAnswer: () => {}, onChange: () => {} });
    this.#runners = new Map(this.#levels.map((level) => [level, checks[level].map(runner)]));
  }

  get last(): HealthLevelsReport | undefined {
    return this.#last;
  }

  async run({ signal }: CheckContext): Promise<CheckResult> {
    const { status, state, score, reasons } = await untilAborted(this.ask(), signal);
    if (status === 'pass') return { status };
    return { status, output: reasonOf(`${state} (${Math.round(score * 100) / 100}): ${reasons.join('; ')}`) ?? state };
  }

  ask(): Promise<HealthLevelsReport> {
    return (this.#asked ??= this.#ask().finally(() => {
      this.#asked = undefined;
    }));
  }

  onChange(changed: () => void): () => void {
    const ends = this.#levels.flatMap((level) =>
      this.#settings.checks[level].map((check, index) =>
        check.onChange?.(() => {
          this.#runners.get(level)![index]!.refresh();
          changed();
        }),
      ),
    );
    return () => {
      for (const end of ends) end?.();
    };
  }

  [Symbol.dispose](): void {
    for (const runners of this.#runners.values()) for (const runner of runners) runner.end();
  }

  async #ask(): Promise<HealthLevelsReport> {
    const startedAt = this.#settings.clock.now();
    const answers = new Map<HealthLevel, readonly CheckReport[]>();
    await Promise.all(
      this.#levels.map(async (level) => {
        answers.set(level, await Promise.all(this.#runners.get(level)!.map((runner) => runner.ask())));
      }),
    );
    return (this.#last = this.#judged(answers, startedAt));
  }

  #judged(answers: ReadonlyMap<HealthLevel, readonly CheckReport[]>, startedAt: number): HealthLevelsReport {
    const { clock, cascade, rule, weights } = this.#settings;
    const own = new Map(this.#levels.map((level) => [level, judgedLevel(level, answers.get(level)!)]));
    for (const [level, { state }] of own) {
      if (state !== 'unhealthy') this.#since.delete(level);
      else if (!this.#since.has(level)) this.#since.set(level, startedAt);
    }
    const pulled = pulledDown(cascade, this.#since, startedAt);
    const levels: Partial<Record<HealthLevel, HealthLevelReport>> = {};
    for (const [level, { state, reasons }] of own) {
      const by = pulled.get(level);
      const checks = answers.get(level)!;
      levels[level] =
        by === undefined
          ? { state, ownState: state, reasons, checks }
          : { state: 'unhealthy', ownState: state, pulledBy: by, reasons: [...reasons, `pulled down by ${by}`], checks };
    }
    const { state, score } = combined(
      rule,
      this.#levels.map((level) => ({ state: levels[level]!.state, weight: weights[level] })),
    );
    const reasons = this.#levels.flatMap((level) => levels[level]!.reasons.map((reason) => `${level}: ${reason}`));
    return { status: statusOf(state), state, score, levels, reasons, durationMs: clock.now() - startedAt, at: clock.wallTime() };
  }
}

/** More than the deadline, so that the answer is ours. */
const GRACE_MS = 1_000;

/** What `work` comes to, or the signal's reason, whichever is first; leaves no listener. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(signal.reason);
    if (signal.aborted) return aborted();
    signal.addEventListener('abort', aborted, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted));
  });
}
