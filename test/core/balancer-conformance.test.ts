import { adaptive, leastPending, leastRequests, maglev, p2c, peakEwma, pickFirst, random, ringHash, roundRobin, weighted } from '@ferrule/core';
import { expect } from 'chai';
import type { Balancer } from '@ferrule/core/adapter';
import { balancerCases, skipReason } from '@ferrule/testing';
import type { BalancerSubject } from '@ferrule/testing';
import { outbound } from './selection-fixtures.js';

type Make = (random: () => number) => Balancer;

const key = { header: 'x-user' };
const MAKERS: Readonly<Record<string, Make>> = {
  'p2c()': (draw) => p2c({ random: draw }),
  'p2c({ load: peakEwma() })': (draw) => p2c({ random: draw, load: peakEwma() }),
  'p2c({ load: leastPending() })': (draw) => p2c({ random: draw, load: leastPending() }),
  'roundRobin()': (draw) => roundRobin({ random: draw }),
  'random()': (draw) => random({ random: draw }),
  'weighted()': (draw) => weighted({ random: draw }),
  'leastRequests()': (draw) => leastRequests({ random: draw }),
  'leastRequests({ choices: 5 })': (draw) => leastRequests({ random: draw, choices: 5, count: 'open' }),
  'pickFirst()': (draw) => pickFirst({ random: draw }),
  'adaptive()': (draw) => adaptive({ random: draw }),
  'ringHash()': () => ringHash({ key }),
  'ringHash({ loadFactor: false })': () => ringHash({ key, loadFactor: false }),
  'maglev()': () => maglev({ key }),
};

function subjectOf(name: string, create: Make): BalancerSubject {
  return { name, create, call: (n) => outbound({ headers: { 'x-user': `user-${n}` } }) };
}

for (const [name, make] of Object.entries(MAKERS)) {
  describe(`Balancer: ${name}`, () => {
    const subject = subjectOf(name, make);
    for (const one of balancerCases) {
      const reason = skipReason(balancerCases, subject, one.name);
      (reason === undefined ? it : it.skip)(one.name, () => one.run(subject));
    }
  });
}

describe('Balancer cases', () => {
  it('find out one that keeps what it saw first, and one that throws at nothing', async () => {
    let first: ReturnType<Balancer['pick']>;
    const stuck = subjectOf('stuck', () => ({ name: 'stuck', pick: ({ endpoints }) => (first ??= endpoints[0]) }));
    const failed: string[] = [];
    for (const one of balancerCases) {
      first = undefined;
      await one.run(stuck).catch(() => failed.push(one.name));
    }
    expect(failed).to.include('It picks endpoints of the view alone, while the view changes between picks');
    expect(failed).to.include('It declines an empty view, before it has seen others and after');
    expect(failed).to.include('It keeps two views apart that are picked from by turns');
  });
});
