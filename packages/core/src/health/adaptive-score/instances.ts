import type { CallEndpoint } from '../../call/call.js';
import type { HealthSource } from '../../registry/health-source.js';
import { originOf } from '../../registry/registry.js';
import type { Instance } from '../../registry/registry.js';
import type { Clock, Timer } from '../../time/clock.js';
import { notify } from '../../wrappers/options.js';
import { ScoreJudge } from './formula.js';
import type { ScoreLevel, ScoreRules } from './formula.js';
import { ScoreWindow } from './window.js';

/** What one instance was measured to be. */
export interface InstanceScore {
  readonly id: string;
  /** 0 to 100; 100 with too few calls to tell. */
  readonly score: number;
  readonly level: ScoreLevel;
  /** Whether selectors are told that it fails. */
  readonly isFailing: boolean;
}

/**
 * Scores of single instances, for selectors. A critical one is failing, until it scores better (panic still sends it calls) or, when it gets none,
 * until a window is over: then it is unknown again, all that was measured is forgotten, and the selector lets it start slowly. It is never said to
 * work: what the ejector took out stays out until the ejector's own probe.
 */
export class InstanceScores implements HealthSource {
  readonly #service: string;
  readonly #most: number;
  readonly #windowMs: number;
  readonly #rules: ScoreRules;
  readonly #clock: Clock;
  readonly #scored = new Map<string, Scored>();
  readonly #listeners = new Set<(service: string, id: string) => void>();

  constructor(service: string, most: number, windowMs: number, rules: ScoreRules, clock: Clock) {
    this.#service = service;
    this.#most = most;
    this.#windowMs = windowMs;
    this.#rules = rules;
    this.#clock = clock;
  }

  get failing(): number {
    let failing = 0;
    for (const scored of this.#scored.values()) if (scored.isFailing) failing++;
    return failing;
  }

  /** Constant work. The one that was first heard of is forgotten for a new one when there are too many. */
  record({ id, origin }: CallEndpoint, verdict: 'succeeded' | 'answered' | 'failed', latencyMs: number, now: number): void {
    if (this.#most === 0) return;
    let scored = this.#scored.get(id);
    // Another address is another process.
    if (scored !== undefined && scored.origin !== origin) this.#forget(scored);
    if (scored === undefined || scored.origin !== origin) {
      if (this.#scored.size >= this.#most)
        for (const oldest of this.#scored.values()) {
          this.#forget(oldest);
          break;
        }
      this.#scored.set(id, (scored = new Scored(id, origin, this.#windowMs, this.#rules)));
    }
    scored.window.record(verdict, latencyMs, now);
    scored.judge.look();
    if (!scored.judge.isSampling && (scored.judge.level === 'critical') !== scored.isFailing) this.#turn(scored);
  }

  /** False while it is critical, else undefined. */
  healthOf(instance: Instance): boolean | undefined {
    if (instance.service !== this.#service) return undefined;
    const scored = this.#scored.get(instance.id);
    return scored?.isFailing === true && scored.origin === originOf(instance) ? false : undefined;
  }

  onChange(listener: (service: string, id: string) => void): () => void {
    const heard = (service: string, id: string): void => listener(service, id);
    this.#listeners.add(heard);
    return () => void this.#listeners.delete(heard);
  }

  list(now: number): readonly InstanceScore[] {
    return Array.from(this.#scored.values(), (scored) => {
      scored.window.moveTo(now);
      const score = scored.judge.look();
      return { id: scored.id, score, level: scored.judge.level, isFailing: scored.isFailing };
    });
  }

  #turn(scored: Scored): void {
    scored.timer?.cancel();
    scored.timer = undefined;
    scored.isFailing = !scored.isFailing;
    if (scored.isFailing) this.#giveAnotherChance(scored);
    this.#tell(scored);
  }

  /** After a window, so that it is not failing for ever because nobody calls it. */
  #giveAnotherChance(scored: Scored): void {
    scored.timer = this.#clock.schedule(this.#windowMs, () => {
      scored.window.moveTo(this.#clock.now());
      scored.judge.look();
      if (!scored.judge.isSampling && scored.judge.level === 'critical') return this.#giveAnotherChance(scored);
      scored.window.reset();
      scored.judge.look();
      this.#turn(scored);
    });
  }

  #forget(scored: Scored): void {
    this.#scored.delete(scored.id);
    if (scored.isFailing) this.#turn(scored);
  }

  #tell({ id }: Scored): void {
    for (const listener of [...this.#listeners]) notify((changed: string) => listener(this.#service, changed), id);
  }
}

class Scored {
  readonly id: string;
  readonly origin: string;
  readonly window: ScoreWindow;
  readonly judge: ScoreJudge;
  isFailing = false;
  timer: Timer | undefined;

  constructor(id: string, origin: string, windowMs: number, rules: ScoreRules) {
    this.id = id;
    this.origin = origin;
    this.window = new ScoreWindow(windowMs);
    this.judge = new ScoreJudge(this.window, rules);
  }
}
