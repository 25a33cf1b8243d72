import type { Attempt, Call } from '../../call/call.js';
import { flowOf, handlerOf } from '../../call/flow.js';
import type { Continuation } from '../../call/flow.js';
import { checkOptions, checkSurroundings, namesOf } from '../../options/check.js';
import { shown } from '../../options/shown.js';
import type { HealthSource } from '../../registry/health-source.js';
import { systemClock } from '../../time/clock.js';
import type { Clock } from '../../time/clock.js';
import { toMs } from '../../time/duration.js';
import type { Duration } from '../../time/duration.js';
import { checkWord, positiveMs, wholeNumber } from '../../wrappers/options.js';
import { verdictOn } from '../../wrappers/verdict.js';
import { named } from '../../wrappers/wrapper.js';
import type { Policy } from '../../wrappers/wrapper.js';
import { ScoreJudge, checkedThresholds } from './formula.js';
import type { ScoreLevel, ScoreRules, ScoreThresholds } from './formula.js';
import { InstanceScores } from './instances.js';
import type { InstanceScore } from './instances.js';
import { ScoreWindow } from './window.js';
import type { ScoreMeasurements } from './window.js';
import type { Check } from '../check.js';

/** `sampling`: too few calls to tell; `scaling`: its load has more than doubled; `warming`: healthy, but young; else the level. */
export type ScoreState = ScoreLevel | 'sampling' | 'warming' | 'scaling';

export interface AdaptiveScoreOptions {
  /** The service that is called, as the registry names it. */
  readonly service: string;
  readonly thresholds?: ScoreThresholds;
  /** What is measured. Default 60 s. */
  readonly windowSize?: Duration;
  /** Fewer calls in the window tell nothing. Default 10. */
  readonly sampleSize?: number;
  /** So long after the first call it is `warming`. Default 30 s. */
  readonly gracePeriod?: Duration;
  /** Points beyond a border before the level changes, in either direction, 0 to 10. Default 2. */
  readonly margin?: number;
  /** So many instances are scored apart, for selectors; 0: none. Default 1,000. */
  readonly maxInstances?: number;
  readonly clock?: Clock;
}

export interface ScoreStats extends ScoreMeasurements {
  readonly score: number;
  readonly level: ScoreLevel;
  readonly state: ScoreState;
  /** Instances that selectors are told to fail. */
  readonly failing: number;
}

/**
 * A policy that measures the calls that go through it, and what it makes of them. As a `HealthSource` it says that a critical instance fails; where
 * a selector has it in `health`, calls go to the others, unless so many fail that it panics.
 */
export interface AdaptiveScore extends Policy, HealthSource {
  readonly service: string;
  /** 0 to 100, of all instances together. 100 while `sampling`. */
  readonly score: number;
  readonly level: ScoreLevel;
  readonly state: ScoreState;
  stats(): ScoreStats;
  /** Those that were called, when the policy stands where the endpoint is known (`attemptWrappers`, or a client's `adaptiveScore`). */
  instances(): readonly InstanceScore[];
  /**
   * For readiness: `warn` when degraded or warning, `fail` when critical, which is a warning unless `critical` is true.
   * @throws TypeError for the group `live`: another service that is down is nothing that a restart mends.
   */
  check(options?: { readonly name?: string; readonly critical?: boolean; readonly groups?: readonly string[] }): Check;
}

const SCORE_OPTIONS: readonly string[] = namesOf<AdaptiveScoreOptions>({
  service: true,
  thresholds: true,
  windowSize: true,
  sampleSize: true,
  gracePeriod: true,
  margin: true,
  maxInstances: true,
  clock: true,
});

/**
 * Scores a downstream service, and each of its instances, by how calls went; all handlers that one policy wraps count together. Stands below the
 * retry, so that it sees attempts.
 * @throws TypeError when an option makes no sense.
 */
export function adaptiveScore(options: AdaptiveScoreOptions): AdaptiveScore {
  checkOptions('adaptiveScore', options, SCORE_OPTIONS);
  checkSurroundings('adaptiveScore', options);
  const { service } = options;
  checkWord(service ?? '', 'adaptiveScore service', 'orders');
  const scored = new ScoredService(options);
  const policy: Policy = <C extends Attempt, R>(next: (call: C) => Promise<R>) => {
    const flow = flowOf<C, R>(next);
    return handlerOf<C, R>((call, to) => flow(call, new Measured(scored, call, to)));
  };
  named({ name: 'adaptiveScore' }, policy);
  return Object.defineProperties(policy, {
    service: { value: service },
    score: { get: () => scored.look() },
    level: { get: () => scored.level },
    state: { get: () => scored.state },
    stats: { value: () => scored.stats() },
    instances: { value: () => scored.instances.list(scored.clock.now()) },
    healthOf: { value: scored.instances.healthOf.bind(scored.instances) },
    onChange: { value: scored.instances.onChange.bind(scored.instances) },
    check: { value: (of?: Parameters<AdaptiveScore['check']>[0]) => checkOf(service, scored, of) },
  }) as AdaptiveScore;
}

class ScoredService {
  readonly clock: Clock;
  readonly instances: InstanceScores;
  readonly #window: ScoreWindow;
  readonly #judge: ScoreJudge;
  readonly #graceMs: number;
  #firstAt = Infinity;

  constructor(options: AdaptiveScoreOptions) {
    this.clock = options.clock ?? systemClock;
    const margin = options.margin ?? 2;
    if (!(margin >= 0 && margin <= 10)) throw new TypeError(`adaptiveScore margin: ${shown(margin)} is no margin. Give points from 0 to 10.`);
    const rules: ScoreRules = {
      ...checkedThresholds(options.thresholds ?? {}),
      sampleSize: wholeNumber(options.sampleSize ?? 10, 'adaptiveScore sampleSize', 1),
      margin,
    };
    this.#graceMs = toMs(options.gracePeriod ?? '30s', 'adaptiveScore gracePeriod');
    const windowMs = positiveMs(options.windowSize ?? '60s', 'adaptiveScore windowSize');
    const most = wholeNumber(options.maxInstances ?? 1_000, 'adaptiveScore maxInstances', 0);
    this.#window = new ScoreWindow(windowMs);
    this.#judge = new ScoreJudge(this.#window, rules);
    this.instances = new InstanceScores(options.service, most, windowMs, rules, this.clock);
  }

  get level(): ScoreLevel {
    this.look();
    return this.#judge.level;
  }

  get state(): ScoreState {
    const { level } = this;
    if (this.#judge.isSampling) return 'sampling';
    const now = this.clock.now();
    if (level !== 'critical' && this.#window.growth(now) > 2) return 'scaling';
    return level === 'healthy' && now - this.#firstAt < this.#graceMs ? 'warming' : level;
  }

  /** The score as of now. */
  look(): number {
    this.#window.moveTo(this.clock.now());
    return this.#judge.look();
  }

  stats(): ScoreStats {
    const score = this.look();
    const { requests, successRate, errorRate, latencyMs, consecutiveFailures } = this.#window;
    const { level, state } = this;
    return { score, level, state, requests, successRate, errorRate, latencyMs, consecutiveFailures, failing: this.instances.failing };
  }

  record(call: Attempt, verdict: 'succeeded' | 'answered' | 'failed', startedAt: number): void {
    const now = this.clock.now();
    if (startedAt < this.#firstAt) this.#firstAt = startedAt;
    this.#window.record(verdict, now - startedAt, now);
    const { endpoint } = call as Partial<Call>;
    if (endpoint !== undefined) this.instances.record(endpoint, verdict, now - startedAt, now);
  }
}

/** One call that is under way. */
class Measured<R> implements Continuation<R> {
  readonly #scored: ScoredService;
  readonly #call: Attempt;
  readonly #to: Continuation<R>;
  readonly #startedAt: number;

  constructor(scored: ScoredService, call: Attempt, to: Continuation<R>) {
    this.#scored = scored;
    this.#call = call;
    this.#to = to;
    this.#startedAt = scored.clock.now();
  }

  get passesOn(): boolean {
    return this.#to.passesOn === true;
  }

  succeeded(value: R): R | Promise<R> {
    const status: unknown = typeof value === 'object' && value !== null ? (value as { readonly status?: unknown }).status : undefined;
    this.#scored.record(this.#call, typeof status !== 'number' || status < 400 ? 'succeeded' : status < 500 ? 'answered' : 'failed', this.#startedAt);
    return this.#to.succeeded(value);
  }

  failed(error: unknown, from?: Promise<R>): R | Promise<R> {
    const verdict = verdictOn(error, this.#call);
    if (verdict !== 'nothing') this.#scored.record(this.#call, verdict, this.#startedAt);
    return this.#to.failed(error, from);
  }
}

function checkOf(service: string, scored: ScoredService, options: Parameters<AdaptiveScore['check']>[0] = {}): Check {
  checkOptions('adaptiveScore check', options, ['name', 'critical', 'groups']);
  const { name = `score of ${service}`, critical = false, groups = ['ready'] } = options;
  if (groups.includes('live'))
    throw new TypeError(
      `adaptiveScore check groups: 'live' would have this process restarted because ${service} is ill. Give 'ready' or a name of your own.`,
    );
  return {
    name,
    critical,
    groups,
    run: () => {
      const { level } = scored;
      return { status: level === 'healthy' ? 'pass' : level === 'critical' ? 'fail' : 'warn', output: level };
    },
  };
}
