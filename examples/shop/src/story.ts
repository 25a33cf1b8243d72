import { setTimeout as wait } from 'node:timers/promises';
import type { Shop } from './shop.js';

/** One chapter of the demo. */
export interface Phase {
  readonly name: string;
  readonly seconds: number;
  /** What happens at its beginning; the phase lasts at least until this has ended. */
  act(shop: Shop): Promise<void>;
}

/** What happens to a shop in a minute of its life. */
export const story: readonly Phase[] = [
  { name: 'steady', seconds: 7, act: async () => {} },
  {
    name: 'slow',
    seconds: 9,
    act: async (shop) => shop.fault('orders-2', { kind: 'slow', factor: 10 }, 'answers ten times slower'),
  },
  {
    name: 'kill',
    seconds: 6,
    async act(shop) {
      shop.fault('orders-2', { kind: 'none' }, 'is as fast as the others again');
      await wait(1_000); // so that what it was working on belongs to this phase
      shop.kill('orders-3');
    },
  },
  { name: 'join', seconds: 11, act: (shop) => shop.join('orders-5') },
  {
    name: 'black hole',
    seconds: 6,
    act: async (shop) => shop.fault('orders-4', { kind: 'black-hole' }, 'answers 503 at once'),
  },
  {
    name: 'freeze',
    seconds: 5,
    async act(shop) {
      shop.fault('orders-4', { kind: 'none' }, 'works again');
      shop.fault('orders-1', { kind: 'freeze', ms: 2_000 }, 'freezes for two seconds');
    },
  },
  {
    name: 'rolling restart',
    seconds: 16,
    async act(shop) {
      for (const name of shop.names()) await shop.restart(name);
    },
  },
];
