import assert from 'node:assert/strict';
import type { Call, Instance } from '@ferrule/core';
import { Endpoint } from '@ferrule/core/adapter';
import type { Balancer, View } from '@ferrule/core/adapter';
import { conformanceCase } from '../conformance.js';
import type { ConformanceCase } from '../conformance.js';
import { seededRandom } from '../seeded-random.js';
import type { BalancerSubject } from './subject.js';

type BalancerCase = ConformanceCase<BalancerSubject>;

/** A view that changes as a selector's does: the same object, another version. */
class ChangingView implements View {
  endpoints: readonly Endpoint[] = [];
  version = 0;
  now = 0;

  change(endpoints: readonly Endpoint[]): void {
    this.endpoints = endpoints;
    this.version++;
  }
}

class Bench {
  readonly balancer: Balancer;
  readonly view: ChangingView = new ChangingView();
  readonly #subject: BalancerSubject;

  constructor(subject: BalancerSubject) {
    this.#subject = subject;
    this.balancer = subject.create(seededRandom(1));
  }

  endpoints(count: number, change: Partial<Instance> = {}, prefix = 'i'): Endpoint[] {
    const fleet = this.balancer.load?.fleet();
    return Array.from(
      { length: count },
      (_, index) => new Endpoint({ id: `${prefix}${index}`, service: 'orders', host: '127.0.0.1', port: 1_000 + index, ...change }, fleet),
    );
  }

  pick(n = 0): Endpoint | undefined {
    return this.balancer.pick(this.view, this.#subject.call(n));
  }

  call(n: number): Call {
    return this.#subject.call(n);
  }
}

function balancerCase(name: string, body: (bench: Bench) => void): BalancerCase {
  return conformanceCase<BalancerSubject>(name, async (subject) => body(new Bench(subject)));
}

/** What every `Balancer` keeps to, whatever it prefers. */
export const balancerCases: readonly BalancerCase[] = [
  balancerCase('It declines an empty view, before it has seen others and after', (bench) => {
    assert.equal(bench.pick(), undefined);
    bench.view.change(bench.endpoints(3));
    bench.pick();
    bench.view.change([]);
    assert.equal(bench.pick(), undefined);
  }),
  balancerCase('It picks the only endpoint of a view, however busy that is', (bench) => {
    const [only] = bench.endpoints(1);
    for (let index = 0; index < 50; index++) only!.started(0);
    bench.view.change([only!]);
    for (let n = 0; n < 20; n++) assert.equal(bench.pick(n), only);
  }),
  balancerCase('It picks endpoints of the view alone, while the view changes between picks', (bench) => {
    const all = bench.endpoints(40);
    const random = seededRandom(2);
    for (let round = 0; round < 300; round++) {
      bench.view.change(all.filter(() => random() < 0.5));
      for (let n = 0; n < 5; n++) {
        const picked = bench.pick(round * 5 + n);
        if (bench.view.endpoints.length === 0) assert.equal(picked, undefined);
        else assert.ok(bench.view.endpoints.includes(picked!), `round ${round}: ${picked?.id} is not in the view`);
      }
    }
  }),
  balancerCase('Endpoints that have left are forgotten at once, when all of them are replaced by others with the same ids too', (bench) => {
    bench.view.change(bench.endpoints(5));
    for (let n = 0; n < 20; n++) bench.pick(n);
    bench.view.change(bench.endpoints(5));
    for (let n = 0; n < 20; n++) assert.ok(bench.view.endpoints.includes(bench.pick(n)!));
  }),
  balancerCase('It keeps two views apart that are picked from by turns', (bench) => {
    const other = new ChangingView();
    bench.view.change(bench.endpoints(5, {}, 'a'));
    other.change(bench.endpoints(7, {}, 'b'));
    for (let n = 0; n < 100; n++) {
      assert.ok(bench.view.endpoints.includes(bench.pick(n)!));
      assert.ok(other.endpoints.includes(bench.balancer.pick(other, bench.call(n))!));
    }
  }),
  balancerCase('With weights of 0 beside others it still picks, and when all are 0 it picks one of the view or declines', (bench) => {
    const zero = bench.endpoints(3, { weight: 0 }, 'z');
    const some = bench.endpoints(3, { weight: 2 }, 's');
    bench.view.change([...zero, ...some]);
    for (let n = 0; n < 50; n++) assert.ok(bench.view.endpoints.includes(bench.pick(n)!));
    bench.view.change(zero);
    for (let n = 0; n < 50; n++) {
      const picked = bench.pick(n);
      assert.ok(picked === undefined || zero.includes(picked));
    }
  }),
  balancerCase('With a thousand endpoints of unequal weights and loads it picks one of them', (bench) => {
    const many = Array.from({ length: 4 }, (_, index) => bench.endpoints(250, { weight: 10 ** (index - 1) }, `w${index}-`)).flat();
    for (const [index, endpoint] of many.entries()) for (let open = index % 4; open > 0; open--) endpoint.started(0);
    bench.view.change(many);
    for (let n = 0; n < 200; n++) assert.ok(many.includes(bench.pick(n)!));
  }),
  balancerCase('It serves an endpoint that starts slowly when there is no other', (bench) => {
    const [only] = bench.endpoints(1);
    only!.startSlowly(0, 10_000);
    bench.view.change([only!]);
    for (let n = 0; n < 20; n++) assert.equal(bench.pick(n), only);
  }),
];
