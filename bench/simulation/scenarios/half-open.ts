import { Call, createSelector, ejector, roundRobin } from '@ferrule/core';
import type { ServiceSelector } from '@ferrule/core';
import type { Lease } from '@ferrule/core/adapter';
import { seededRandom } from '@ferrule/testing';
import { Agenda } from '../agenda.js';
import { bar, control } from '../finding.js';
import type { Scenario } from '../finding.js';
import { ListedServers, instanceOf } from '../fleet.js';

const CALLERS = 1_000;
const PROBE_TIMEOUT_MS = 1_000;

/** A selector of three, of which the first was ejected, and is due again. */
function due(agenda: Agenda, seed: number): ServiceSelector {
  const random = seededRandom(seed);
  const selector = createSelector({
    service: 'simulated',
    directory: new ListedServers([0, 1, 2].map(instanceOf)),
    balancer: roundRobin({ random }),
    ejector: ejector({ probeTimeout: PROBE_TIMEOUT_MS }),
    clock: agenda,
    random,
  });
  for (let call = 0; call < 60; call++) {
    const lease = pick(selector);
    lease.end({ kind: lease.endpoint.id === 's0' ? 'error' : 'ok' });
  }
  agenda.playSync(agenda.now() + 6_500); // 5 s and a fifth, and the patience with calls that cannot be repeated
  return selector;
}

function pick(selector: ServiceSelector): Lease {
  return selector.select(
    new Call({ side: 'client', operation: { service: 'simulated', name: 'GET /', method: 'GET', path: '/', idempotent: true } }),
  ) as Lease;
}

const toFirst = (selector: ServiceSelector): number =>
  Array.from({ length: CALLERS }, () => pick(selector)).filter(({ endpoint }) => endpoint.id === 's0').length;

/** A thousand callers at the moment when an ejection is over. */
export const halfOpen: Scenario = {
  name: 'half-open',
  shows: 'exactly one call finds out whether an endpoint works again, and a lost one is replaced',
  run({ seeds }) {
    const outcomes = seeds.map((seed) => {
      const agenda = new Agenda();
      const selector = due(agenda, seed);
      const first = toFirst(selector);
      agenda.playSync(agenda.now() + PROBE_TIMEOUT_MS * 1.05); // within the grace: it may still be heard of
      const early = toFirst(selector);
      agenda.playSync(agenda.now() + PROBE_TIMEOUT_MS * 0.1);
      return { first, early, second: toFirst(selector) };
    });
    const never = seeds.map((seed) => {
      const agenda = new Agenda();
      const selector = createSelector({
        service: 'simulated',
        directory: new ListedServers([0, 1, 2].map(instanceOf)),
        balancer: roundRobin({ random: seededRandom(seed) }),
        ejector: false,
        clock: agenda,
      });
      return toFirst(selector);
    });
    return [
      bar(
        '1,000 callers: probes',
        outcomes.map(({ first }) => first),
        'calls',
        '<=',
        1,
      ),
      bar(
        '1,000 callers: probes, at least',
        outcomes.map(({ first }) => first),
        'calls',
        '>=',
        1,
      ),
      bar(
        'another 1,000 while the probe may be heard of',
        outcomes.map(({ early }) => early),
        'calls',
        '<=',
        0,
      ),
      bar(
        'another 1,000 after the probe was lost',
        outcomes.map(({ second }) => second),
        'calls',
        '<=',
        1,
      ),
      bar(
        'another 1,000 after the probe was lost, at least',
        outcomes.map(({ second }) => second),
        'calls',
        '>=',
        1,
      ),
      control('no ejector: calls to it', never, 'calls', '>=', 300),
    ];
  },
};
