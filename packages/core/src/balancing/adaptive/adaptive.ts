import { shown } from '../../options/shown.js';
import type { Balancer, View } from '../balancer.js';
import { AdaptiveFleet, AdaptiveMeter } from './meter.js';
import { adaptiveSettings } from './options.js';
import type { AdaptiveOptions } from './options.js';
import type { AdaptiveReport } from './rules.js';
import { CONGESTION_SCORES, REGION_SCORES, TREND_SCORES, latencyScore } from './score.js';
import type { ScorePart } from './score.js';
import { drawOf } from '../draw.js';
import type { Draw } from '../draw.js';
import { Endpoint } from '../endpoint.js';

/** One part of a score: what it is worth by itself, what it counts, and the product of both. */
export interface AdaptivePart {
  readonly score: number;
  readonly weight: number;
  readonly contribution: number;
}

/** Why an endpoint is preferred or not. The contributions add up to `score`. */
export interface AdaptiveExplanation extends AdaptiveReport {
  readonly parts: Readonly<Record<ScorePart, AdaptivePart>>;
  /** Whose `latencyMs` is; `nowhere` when none is known. */
  readonly latencyFrom: 'endpoint' | 'region' | 'nowhere';
  /** Calls of ours that it can have before it is critical. */
  readonly limit: number;
  /** The description of the rule that set `weight`, if one did. */
  readonly rule: string | undefined;
  /** What the rule multiplies the preference by; 1 without one. */
  readonly weight: number;
  /** Why it is left out while others are not. */
  readonly excluded: 'overload' | 'critical' | 'rule' | undefined;
  /** What two endpoints are compared by; the lower one is picked: (waiting + 1) ÷ (score⁸ × success⁴ × weight). */
  readonly cost: number;
}

export interface AdaptiveBalancer extends Balancer {
  /**
   * The parts of an endpoint's score at `now` (default: the clock's).
   * @throws TypeError for what is no endpoint, and for one that another balancer's load measures.
   */
  explain(endpoint: Endpoint, now?: number): AdaptiveExplanation;
}

/** Costs within this factor of each other are equal: a mean of twenty samples is not known better, and noise must favour nobody. */
const ALIKE = 1.2;
/** How many pairs are drawn before the neighbourhood is searched for somebody who is not left out. */
const DRAWS = 3;
/** How many endpoints that search looks at: all of a list that is no longer, and a bounded time for any other. */
const MOST_SEARCHED = 64;

/**
 * Latency, congestion, region and trend in one score that can be explained, with rules that change what it weighs: of two endpoints drawn at
 * random, the one with the lower (waiting + 1) ÷ (score⁸ × success⁴ × weight). The best score of all would send every client to the same node, so the best
 * of two; waiting calls count, because scores lag behind. The eighth power gives the differences of scores, which are small by their
 * logarithm, a say against a waiting call. What has no answer within `interval` gets one call at a time, whatever its score.
 * Critical and overloaded endpoints are left out, unless all are: then the least congested is picked.
 * Constant time; what is allocated are reports to rules, at most one an endpoint and `refresh`, and the costs themselves, some 50 bytes a pick: the
 * function that works them out is too long for V8 to inline. Weights of instances are not read.
 * For one region and alike instances `p2c()` is the better choice: `docs/adaptive-balancing.md`.
 * @throws TypeError naming the option that does not fit.
 */
export function adaptive(options: AdaptiveOptions = {}): AdaptiveBalancer {
  const settings = adaptiveSettings(options);
  const { random, weights, clock } = settings;
  const drawn = drawOf(random);
  return {
    name: 'adaptive',
    load: { name: 'adaptive', fleet: () => new AdaptiveFleet(settings) },
    pick(view) {
      const { endpoints, now } = view;
      const size = endpoints.length;
      if (size < 2) {
        const only = endpoints[0];
        if (only?.meter instanceof AdaptiveMeter) only.meter.follow(only);
        return only;
      }
      for (let draw = 0; draw < DRAWS; draw++) {
        const first = drawn(size);
        let second = drawn(size - 1);
        if (second >= first) second++;
        const a = endpoints[first]!;
        const b = endpoints[second]!;
        const costA = a.meter.cost(a, now);
        const costB = b.meter.cost(b, now);
        const outA = isOut(a, now);
        const outB = isOut(b, now);
        // A pair of which one is left out would give the other one no comparison: in a small list that is nearly every pair, so it is taken.
        if (!outA && !outB) return preferred(a, b, costA, costB, now, random);
        if (size === 2 && outA !== outB) return outA ? b : a;
      }
      return searched(view, random, drawn);
    },
    explain(endpoint, now = clock.now()) {
      checkEndpoint(endpoint);
      const { meter } = endpoint;
      if (!(meter instanceof AdaptiveMeter)) {
        throw new TypeError(
          `adaptive explain: the endpoint ${endpoint.id} is not measured by it. Give the balancer to the client or selector that made it.`,
        );
      }
      meter.renew(endpoint, now);
      const report = meter.report(endpoint, now);
      const part = (name: ScorePart, score: number): AdaptivePart => ({ score, weight: weights[name], contribution: score * weights[name] });
      return {
        ...report,
        parts: {
          latency: part('latency', latencyScore(report.latencyMs)),
          congestion: part('congestion', CONGESTION_SCORES[report.congestion]),
          region: part('region', REGION_SCORES[report.nearness]),
          trend: part('trend', TREND_SCORES[report.trend]),
        },
        latencyFrom: meter.latencyFrom,
        limit: meter.congestion.limit,
        rule: meter.rule,
        weight: meter.weight,
        excluded: meter.excluded(endpoint, now),
        cost: meter.cost(endpoint, now),
      };
    },
  };
}

function checkEndpoint(value: unknown): void {
  if (value instanceof Endpoint) return;
  throw new TypeError(
    `adaptive explain: ${shown(value)} is no endpoint. Give one of a view's endpoints, such as that of a lease; what endpoints() of a client tells is a report.`,
  );
}

function isOut(endpoint: Endpoint, now: number): boolean {
  return endpoint.meter instanceof AdaptiveMeter && endpoint.meter.excluded(endpoint, now) !== undefined;
}

/** The cheaper one; the first, which is as random, of those alike. One that starts slowly is held back as by `p2c`. */
function preferred(a: Endpoint, b: Endpoint, costA: number, costB: number, now: number, random: () => number): Endpoint {
  const alike = costA <= costB * ALIKE && costB <= costA * ALIKE;
  const rampA = a.ramp(now);
  const rampB = b.ramp(now);
  if (alike || costA < costB) {
    if (rampA >= rampB || (!alike && costA <= (costB * rampA) / rampB)) return a;
    return random() < (rampA / rampB) ** 2 ? a : b;
  }
  if (rampB >= rampA || costB <= (costA * rampB) / rampA) return b;
  return random() < (rampB / rampA) ** 2 ? b : a;
}

/** From a random place on: the better of two random ones that are not left out; where all are, the least congested. */
function searched({ endpoints, now }: View, random: () => number, drawn: Draw): Endpoint {
  const size = endpoints.length;
  const start = drawn(size);
  let found = 0;
  let a: Endpoint | undefined;
  let b: Endpoint | undefined;
  let least = endpoints[start]!;
  let leastFullness = Infinity;
  for (let step = 0; step < size && step < MOST_SEARCHED; step++) {
    const endpoint = endpoints[(start + step) % size]!;
    const { meter } = endpoint;
    if (!(meter instanceof AdaptiveMeter)) return endpoint;
    // Reads what its rules say of it now.
    meter.score(endpoint, now);
    const out = meter.excluded(endpoint, now);
    if (out === undefined) {
      // A sample of two without knowing how many there are (reservoir sampling).
      found++;
      const place = found <= 2 ? found - 1 : drawn(found);
      if (place === 0) a = endpoint;
      else if (place === 1) b = endpoint;
    } else if (found === 0) {
      // Of those alike, one that was not told to be left alone.
      const fullness = meter.fullness(endpoint) + (out === 'critical' ? 0 : 1);
      if (fullness < leastFullness) {
        leastFullness = fullness;
        least = endpoint;
      }
    }
  }
  if (a === undefined) return least;
  if (b === undefined) return a;
  return preferred(a, b, a.meter.cost(a, now), b.meter.cost(b, now), now, random);
}
