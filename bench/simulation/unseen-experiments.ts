import { bimodal, exponential } from './draws.js';
import type { Experiment } from './fleet.js';

/** A scenario that rules are compared in: everything of an experiment but the rule. */
export interface Setting {
  readonly name: string;
  readonly of: Omit<Experiment, 'rule'>;
}

const slowed = (count: number): NonNullable<Experiment['events']> => {
  return ({ servers }) => servers.slice(0, count).forEach((server) => (server.speed = 0.1));
};

/** Every ten seconds, 2 s at twice the usual rate. */
const bursts = (now: number): number => (now % 10_000 < 2_000 ? 3_200 : 1_600);
/** A day in a minute and a half: from a third to 90 % of what ten servers can do, and back. */
const day = (now: number): number => 4_000 * (0.6 - 0.3 * Math.cos((2 * Math.PI * now) / 45_000));

/** None of them is one that the constants of the default were chosen on. */
export const UNSEEN: readonly Setting[] = [
  { name: 'bursts to 80 %', of: { clients: 20, perSecond: bursts } },
  { name: 'a day, 30 to 90 %', of: { clients: 20, perSecond: day, seconds: 90, warmUpSeconds: 0 } },
  { name: 'bimodal work, 60 %', of: { clients: 20, load: 0.6, serviceMs: bimodal(10, 0.05, 20) } },
  { name: 'two of ten slow', of: { clients: 20, load: 0.5, events: slowed(2) } },
  { name: 'one of three slow', of: { servers: 3, clients: 5, load: 0.4, events: slowed(1) } },
  { name: 'three equal, 60 %', of: { servers: 3, clients: 5, load: 0.6 } },
  { name: 'one call a second, one of ten slow', of: { perSecond: 1, seconds: 4_000, serviceMs: exponential(10), events: slowed(1) } },
  {
    name: '50 clients, 5,000 servers, 1 % slow',
    of: { servers: 5_000, clients: 50, workers: 1, load: 0.3, seconds: 2, warmUpSeconds: 1, events: slowed(50) },
  },
];
