import { Call, maglev, ringHash } from '@ferrule/core';
import { Endpoint } from '@ferrule/core/adapter';
import type { Balancer, View } from '@ferrule/core/adapter';
import { seededRandom } from '@ferrule/testing';
import { bar, control, told } from '../finding.js';
import type { Scenario } from '../finding.js';
import { instanceOf } from '../fleet.js';

const SERVERS = 50;
const KEYS = 100_000;

function viewOf(count: number): View {
  return { endpoints: Array.from({ length: count }, (_, server) => new Endpoint(instanceOf(server))), version: 1, now: 0 };
}

function callOf(key: string): Call {
  return new Call({
    side: 'client',
    operation: { service: 'simulated', name: 'GET /', method: 'GET', path: '/', idempotent: true },
    headers: { 'x-key': key },
  });
}

const BY_KEY = { header: 'x-key' } as const;

/** How many keys each endpoint has, and whose each key is. */
function placed(balancer: Balancer, view: View, seed: number): { readonly most: number; readonly owners: readonly string[] } {
  const counts = new Map<string, number>();
  const owners = Array.from({ length: KEYS }, (_, key) => {
    const { id } = balancer.pick(view, callOf(`${seed}-${key}`))!;
    counts.set(id, (counts.get(id) ?? 0) + 1);
    return id;
  });
  return { most: Math.max(...counts.values()) / (KEYS / view.endpoints.length), owners };
}

/** Keys that moved although their endpoint is still there, as a share of all, in %. */
function movedForNothing(make: () => Balancer, seed: number): number {
  const balancer = make();
  const view = viewOf(SERVERS);
  const before = placed(balancer, view, seed).owners;
  const gone = view.endpoints[seed % SERVERS]!.id;
  const after = placed(balancer, { endpoints: view.endpoints.filter(({ id }) => id !== gone), version: 2, now: 0 }, seed).owners;
  return (before.filter((owner, key) => owner !== gone && after[key] !== owner).length / KEYS) * 100;
}

/** The worst excess over ceil(1.25 × mean) while calls of a few hot keys come and go; 0 or less: never above. */
function excess(balancer: Balancer, seed: number, bound: number): number {
  const random = seededRandom(seed);
  const view = viewOf(SERVERS);
  const open: Endpoint[] = [];
  let worst = -Infinity;
  for (let step = 0; step < 20_000; step++) {
    if (open.length >= 400) open.splice(Math.floor(random() * open.length), 1)[0]!.open--;
    // One in two calls is about one of three keys.
    const key = random() < 0.5 ? `hot-${Math.floor(random() * 3)}` : `cold-${Math.floor(random() * 10_000)}`;
    const endpoint = balancer.pick(view, callOf(key))!;
    endpoint.open++;
    open.push(endpoint);
    worst = Math.max(worst, endpoint.open - Math.ceil((bound * open.length) / SERVERS));
  }
  return worst;
}

/** Fifty endpoints and a hundred thousand keys. */
export const hashing: Scenario = {
  name: 'hash',
  shows: 'keys are spread evenly, stay where they are, and never drown one endpoint',
  run({ seeds }) {
    const ring = (points: number, loadFactor: number | false = false): Balancer => ringHash({ key: BY_KEY, points, loadFactor });
    const most = (make: () => Balancer): readonly number[] => seeds.map((seed) => placed(make(), viewOf(SERVERS), seed).most);
    return [
      bar(
        'ring of 160 points each: the fullest against the mean',
        most(() => ring(160)),
        '×',
        '<=',
        1.2,
      ),
      bar(
        'ring: keys moved for nothing when one goes',
        seeds.map((seed) => movedForNothing(() => ring(160), seed)),
        '%',
        '<=',
        0,
      ),
      control(
        'ring of 10 points: the fullest against the mean',
        most(() => ring(10)),
        '×',
        '>=',
        1.5,
      ),
      bar(
        'maglev: the fullest against the mean',
        most(() => maglev({ key: BY_KEY, loadFactor: false })),
        '×',
        '<=',
        1.05,
      ),
      bar(
        'maglev: keys moved for nothing when one goes',
        seeds.map((seed) => movedForNothing(() => maglev({ key: BY_KEY, loadFactor: false }), seed)),
        '%',
        '<=',
        0.8,
      ),
      bar(
        'ring, bounded at 1.25: calls above ceil(1.25 × mean)',
        seeds.map((seed) => excess(ring(160, 1.25), seed, 1.25)),
        'calls',
        '<=',
        0,
      ),
      bar(
        'maglev, bounded at 1.25: the same',
        seeds.map((seed) => excess(maglev({ key: BY_KEY, loadFactor: 1.25 }), seed, 1.25)),
        'calls',
        '<=',
        0,
      ),
      control(
        'ring, unbounded: the same',
        seeds.map((seed) => excess(ring(160), seed, 1.25)),
        'calls',
        '>=',
        20,
      ),
      told(
        'ring of 1,000 points: the fullest against the mean',
        most(() => ring(1_000)),
        '×',
      ),
    ];
  },
};
