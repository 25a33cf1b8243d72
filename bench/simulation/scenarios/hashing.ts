import { Call, maglev, ringHash } from '@ferrule/core';
import { Endpoint } from '@ferrule/core/adapter';
import type { Balancer, View } from '@ferrule/core/adapter';
import { seededRandom } from '@ferrule/testing';
import { bar, control, told } from '../finding.js';
import type { Scenario } from '../finding.js';
import { instanceOf } from '../fleet.js';

const SERVERS = 50;
/** So many that the luck of the draw is no part of what is measured: 0.7 % of an endpoint's share, and 2.2 % with a tenth of them. */
const KEYS = 1_000_000;
/** Enough for a share of those that move. */
const MOVED_OF = 100_000;

function viewOf(count: number): View {
  return { endpoints: Array.from({ length: count }, (_, server) => new Endpoint(instanceOf(server))), version: 1, now: 0 };
}

const CALL = new Call({ side: 'client', operation: { service: 'simulated', name: 'GET /', method: 'GET', path: '/', idempotent: true } });
let key = '';
/** One call stands for all: what the balancers read of it is the key. */
const readKey = (): string => key;

function picked(balancer: Balancer, view: View, ofKey: string): Endpoint {
  key = ofKey;
  return balancer.pick(view, CALL)!;
}

/** How many keys each endpoint has, and whose each key is. */
function placed(balancer: Balancer, view: View, seed: number, keys: number = KEYS): { readonly most: number; readonly owners: readonly string[] } {
  const counts = new Map<string, number>();
  const owners = Array.from({ length: keys }, (_, number) => {
    const { id } = picked(balancer, view, `${seed}-${number}`);
    counts.set(id, (counts.get(id) ?? 0) + 1);
    return id;
  });
  return { most: Math.max(...counts.values()) / (keys / view.endpoints.length), owners };
}

/** Keys that moved although their endpoint is still there, as a share of all, in %. */
function movedForNothing(make: () => Balancer, seed: number): number {
  const balancer = make();
  const view = viewOf(SERVERS);
  const before = placed(balancer, view, seed, MOVED_OF).owners;
  const gone = view.endpoints[seed % SERVERS]!.id;
  const after = placed(balancer, { endpoints: view.endpoints.filter(({ id }) => id !== gone), version: 2, now: 0 }, seed, MOVED_OF).owners;
  return (before.filter((owner, number) => owner !== gone && after[number] !== owner).length / MOVED_OF) * 100;
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
    const drawn = random() < 0.5 ? `hot-${Math.floor(random() * 3)}` : `cold-${Math.floor(random() * 10_000)}`;
    const endpoint = picked(balancer, view, drawn);
    endpoint.open++;
    open.push(endpoint);
    worst = Math.max(worst, endpoint.open - Math.ceil((bound * open.length) / SERVERS));
  }
  return worst;
}

/** Fifty endpoints and a million keys. */
export const hashing: Scenario = {
  name: 'hash',
  shows: 'keys are spread evenly, stay where they are, and never drown one endpoint',
  run({ seeds }) {
    const ring = (points: number, loadFactor: number | false = false): Balancer => ringHash({ key: readKey, points, loadFactor });
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
        most(() => maglev({ key: readKey, loadFactor: false })),
        '×',
        '<=',
        1.05,
      ),
      bar(
        'maglev: keys moved for nothing when one goes',
        seeds.map((seed) => movedForNothing(() => maglev({ key: readKey, loadFactor: false }), seed)),
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
        seeds.map((seed) => excess(maglev({ key: readKey, loadFactor: 1.25 }), seed, 1.25)),
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
