import { adaptive } from '../balancing/adaptive/adaptive.js';
import type { AdaptiveCongestionOptions } from '../balancing/adaptive/options.js';
import type { Balancer } from '../balancing/balancer.js';
import { leastPending } from '../balancing/least-pending.js';
import { leastRequests } from '../balancing/least-requests.js';
import type { Load } from '../balancing/load.js';
import { maglev } from '../balancing/maglev.js';
import { p2c } from '../balancing/p2c.js';
import { peakEwma } from '../balancing/peak-ewma.js';
import { pickFirst } from '../balancing/pick-first.js';
import { random } from '../balancing/random.js';
import { relativeLatency } from '../balancing/relative-latency.js';
import type { RelativeLatencyOptions } from '../balancing/relative-latency.js';
import { ringHash } from '../balancing/ring-hash.js';
import { roundRobin } from '../balancing/round-robin.js';
import { weighted } from '../balancing/weighted.js';
import type { ReportedLoadOptions } from '../balancing/reported-weight.js';
import type { BalancerConfiguration, BalancerLoad, BalancerOptions } from './configuration.js';
import { either, shape, typeOrObject } from './compound-kinds.js';
import { duration, flag, number, numberOrFalse, oneOf, text, whole } from './kind.js';
import { withoutType } from './without-type.js';
import type { Kind } from './kind.js';

interface Chance {
  /** Numbers from 0 to below 1; without it each balancer takes `Math.random`. */
  readonly random?: () => number;
}

interface NamedBalancer<O> {
  readonly kind: Kind;
  /** @throws TypeError for options that do not fit. */
  make(options: O, chance: Chance): Balancer;
}

const loadKind = typeOrObject({
  'relative-latency': shape<RelativeLatencyOptions & { type: string }>()({
    type: text,
    smoothing: duration,
    idleDecay: duration,
    errorDecay: duration,
  }),
  'peak-ewma': shape<{ type: string; decay: unknown }>()({ type: text, decay: duration }),
  'least-pending': shape<{ type: string; count: unknown }>()({ type: text, count: oneOf(['waiting', 'open']) }),
});

function loadOf(config: BalancerLoad): Load {
  const given = typeof config === 'string' ? { type: config } : config;
  switch (given.type) {
    case 'relative-latency':
      return relativeLatency(withoutType(given));
    case 'peak-ewma':
      return peakEwma(withoutType(given));
    case 'least-pending':
      return leastPending(withoutType(given));
  }
}

/** What a hash balancer reads in a call. */
const key: Kind = {
  ...shape<Record<'header' | 'query' | 'param' | 'metadata' | 'principal', string>>()({
    header: text,
    query: text,
    param: text,
    metadata: text,
    principal: text,
  }),
  expects: "where it is found in a call, such as { header: 'x-user' }",
};
const loadFactor = numberOrFalse(1);

const typeAlone = shape<{ type: string }>()({ type: text });

/** Every balancer that a configuration can name: which options it takes, and how it is made of them. */
const BALANCERS: { readonly [N in keyof BalancerOptions]: NamedBalancer<BalancerOptions[N]> } = {
  p2c: {
    kind: shape<BalancerOptions['p2c'] & { type: string }>()({ type: text, load: loadKind }),
    make: ({ load }, chance) => p2c({ ...chance, ...(load !== undefined && { load: loadOf(load) }) }),
  },
  'round-robin': { kind: typeAlone, make: (_options, chance) => roundRobin(chance) },
  random: { kind: typeAlone, make: (_options, chance) => random(chance) },
  adaptive: {
    kind: shape<BalancerOptions['adaptive'] & { type: string }>()({
      type: text,
      weights: shape<Record<'latency' | 'congestion' | 'region' | 'trend', number>>()({
        latency: number(0, 1_000),
        congestion: number(0, 1_000),
        region: number(0, 1_000),
        trend: number(0, 1_000),
      }),
      congestion: shape<AdaptiveCongestionOptions>()({
        count: oneOf(['waiting', 'open']),
        minimum: whole(1),
        maximum: whole(1),
        window: duration,
        medium: number(0, 1),
        high: number(0, 1),
        overload: duration,
      }),
      region: text,
      zone: text,
      samples: whole(3, 1_000),
      interval: duration,
      smoothing: duration,
      idleDecay: duration,
      refresh: duration,
    }),
    make: (options, chance) => adaptive({ ...chance, ...options }),
  },
  weighted: {
    kind: shape<BalancerOptions['weighted'] & { type: string }>()({
      type: text,
      reported: either({
        scalar: flag,
        object: shape<ReportedLoadOptions>()({ blackout: duration, expiration: duration, errorPenalty: number(0), update: duration }),
      }),
    }),
    make: (options, chance) => weighted({ ...chance, ...options }),
  },
  'least-requests': {
    kind: shape<BalancerOptions['least-requests'] & { type: string }>()({ type: text, choices: whole(2, 10), count: oneOf(['waiting', 'open']) }),
    make: (options, chance) => leastRequests({ ...chance, ...options }),
  },
  'pick-first': { kind: typeAlone, make: (_options, chance) => pickFirst(chance) },
  'ring-hash': {
    kind: shape<BalancerOptions['ring-hash'] & { type: string }>()(
      { type: text, key, loadFactor, points: whole(1, 4096) },
      {},
      { required: ['key'] },
    ),
    make: (options) => ringHash(options),
  },
  maglev: {
    kind: shape<BalancerOptions['maglev'] & { type: string }>()({ type: text, key, loadFactor }, {}, { required: ['key'] }),
    make: (options) => maglev(options),
  },
};

/** Those of hashes need a key, so that their name alone says too little. */
export const balancer: Kind = typeOrObject(
  Object.fromEntries(Object.entries(BALANCERS).map(([name, { kind }]) => [name, kind])),
  Object.keys(BALANCERS).filter((name) => name !== 'ring-hash' && name !== 'maglev'),
);

/** @throws TypeError for what the balancer refuses. */
export function balancerOf(config: BalancerConfiguration, chance: Chance): Balancer {
  const { type, ...options } = typeof config === 'string' ? { type: config } : config;
  const named: NamedBalancer<never> = BALANCERS[type];
  return named.make(options as never, chance);
}
