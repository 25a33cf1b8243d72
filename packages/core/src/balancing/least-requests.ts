import { checkOptions, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { Balancer, View } from './balancer.js';
import { drawOf } from './draw.js';
import type { Draw } from './draw.js';
import { weightOf } from './endpoint.js';
import type { Endpoint } from './endpoint.js';

export interface LeastRequestsOptions {
  /** How many different endpoints are compared when there are more than 32; 2 to 10, default 2. Up to 32, all are. */
  readonly choices?: number;
  /** Calls without headers yet (`'waiting'`, default), or whose body has not ended (`'open'`). */
  readonly count?: 'waiting' | 'open';
  /** Numbers from 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
}

const OPTIONS = namesOf<LeastRequestsOptions>({ choices: true, count: true, random: true });
/** A scan of so many costs no more than drawing twice. */
const FULL_SCAN = 32;
const MOST_CHOICES = 10;
/** Of equals, shares are right to within 2⁻³⁰. */
const FINENESS = 2 ** 30;

/**
 * The endpoint with the fewest calls in progress for its weight: all are compared up to 32, `choices` of them beyond (Envoy's `least_request`, gRPC's
 * A48, but drawn without replacement: with it, one of two endpoints that hangs still gets a quarter of the calls). Of equals one is drawn, by weight:
 * taking the first sends bursts of all clients to the same one, and idle endpoints share by weight. One that starts slowly has less weight for so long.
 * Weight 0 gets nothing. Blind to latency: with many client processes, each of which sees few calls in progress, `p2c()` is far ahead of it.
 * @throws TypeError for an option that does not fit
 */
export function leastRequests(options: LeastRequestsOptions = {}): Balancer {
  checkOptions('leastRequests', options, OPTIONS);
  checkSurroundings('leastRequests', options);
  const { choices = 2, count = 'waiting' } = options;
  if (!Number.isInteger(choices) || choices < 2 || choices > MOST_CHOICES)
    throw new TypeError(`leastRequests choices: ${shown(choices)} does not fit. Give a whole number from 2 to ${MOST_CHOICES}.`);
  if (count !== 'waiting' && count !== 'open') throw new TypeError(`leastRequests count: ${shown(count)} is unknown. Use 'waiting' or 'open'.`);
  const draw = drawOf(options.random);
  const open = count === 'open';
  // Written over and never emptied: an array whose length falls to 0 gives its store away.
  const drawn: Endpoint[] = [];
  return {
    name: 'least-requests',
    pick(view) {
      const { endpoints } = view;
      if (endpoints.length <= FULL_SCAN) return leastOf(endpoints, view, open, draw);
      for (let found = 0; found < choices;) {
        const one = endpoints[draw(endpoints.length)]!;
        let known = 0;
        while (known < found && drawn[known] !== one) known++;
        if (known === found) drawn[found++] = one;
      }
      return leastOf(drawn, view, open, draw);
    },
  };
}

/** Two passes, the second over equals alone, so that one number is drawn at most. */
function leastOf(endpoints: readonly Endpoint[], { now }: View, open: boolean, draw: Draw): Endpoint | undefined {
  let least = Infinity;
  let sum = 0;
  let first: Endpoint | undefined;
  let equals = 0;
  for (let index = 0; index < endpoints.length; index++) {
    const endpoint = endpoints[index]!;
    const weight = weightOf(endpoint.instance) * endpoint.ramp(now);
    if (weight === 0) continue;
    const cost = (open ? endpoint.open : endpoint.waiting) / weight;
    if (cost > least) continue;
    if (cost < least) {
      least = cost;
      sum = 0;
      equals = 0;
      first = endpoint;
    }
    sum += weight;
    equals++;
  }
  if (equals < 2) return first;
  let rest = (draw(FINENESS) / FINENESS) * sum;
  for (let index = 0; index < endpoints.length; index++) {
    const endpoint = endpoints[index]!;
    const weight = weightOf(endpoint.instance) * endpoint.ramp(now);
    if (weight === 0 || (open ? endpoint.open : endpoint.waiting) / weight !== least) continue;
    rest -= weight;
    if (rest < 0) return endpoint;
  }
  return first; // a draw that rounding left over
}
