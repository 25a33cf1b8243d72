import type { Logger } from '../../logging/logger.js';
import type { CongestionLevel, Nearness } from './score.js';
import type { Trend } from './window.js';

/** What a rule sees of an endpoint: plain values of this moment. */
export interface AdaptiveReport {
  readonly id: string;
  readonly zone: string | undefined;
  /** As `regionOf` says. */
  readonly region: string | undefined;
  readonly version: string | undefined;
  readonly tags: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Calls without headers, and calls whose body has not ended. */
  readonly waiting: number;
  readonly open: number;
  /** In milliseconds: its own, or that of its region while it has none; undefined when neither is known. */
  readonly latencyMs: number | undefined;
  /** Of the samples in the window: how many, their mean and their standard deviation in milliseconds. */
  readonly samples: number;
  readonly meanMs: number;
  readonly deviationMs: number;
  readonly trend: Trend;
  readonly congestion: CongestionLevel;
  readonly nearness: Nearness;
  /** Moving ratio of good answers, 0 to 1. */
  readonly success: number;
  /** 0 to 1, before any rule. */
  readonly score: number;
}

export interface AdaptiveRule {
  /** What it does, for people: `explain` and the log name the rule by it. */
  readonly description: string;
  /** The highest is asked first; of equals the one that is listed first. Default 0. */
  readonly priority?: number;
  /** Asked at most once an endpoint and `refresh`. One that throws does not match, and is told once. */
  readonly condition: (endpoint: AdaptiveReport) => boolean;
  /** The weight that the score is multiplied by: from 0, which leaves the endpoint out unless all are left out; 1 changes nothing. */
  readonly adjust: number | ((endpoint: AdaptiveReport) => number);
}

/** The rules of a balancer: the first match by priority sets the weight. */
export class WeightRules {
  /** What `weigh` found. */
  weight = 1;
  rule: string | undefined = undefined;
  readonly #rules: readonly AdaptiveRule[];
  readonly #told = new Set<AdaptiveRule>();
  readonly #logger: Logger;

  constructor(rules: readonly AdaptiveRule[], logger: Logger) {
    this.#rules = rules.toSorted((a, b) => (b.priority ?? 0) - (a.priority ?? 0));
    this.#logger = logger;
  }

  get size(): number {
    return this.#rules.length;
  }

  weigh(report: AdaptiveReport): void {
    this.weight = 1;
    this.rule = undefined;
    for (const rule of this.#rules) {
      try {
        if (rule.condition(report) !== true) continue;
        const weight = typeof rule.adjust === 'function' ? rule.adjust(report) : rule.adjust;
        if (!(typeof weight === 'number' && weight >= 0 && weight < Infinity))
          throw new TypeError(`adjust gave ${String(weight)}, which is no weight`);
        this.weight = weight;
        this.rule = rule.description;
        return;
      } catch (error) {
        if (this.#told.has(rule)) continue;
        this.#told.add(rule);
        this.#logger.error(
          { rule: rule.description, endpoint: report.id, error },
          'A rule of the adaptive balancer threw; it counts as not matching',
        );
      }
    }
  }
}
