import { expect } from 'chai';
import { PRINCIPAL, canary, createSelector, ejector, roundRobin } from '@ferrule/core';
import type { Canary, CanaryOptions, Instance } from '@ferrule/core';
import { manualClock, seededRandom } from '@ferrule/testing';
import { fc } from '../support/fast-check.js';
import { ScriptedDirectory, instance, leaseOf, outbound } from './selection-fixtures.js';

const STABLE = [instance('s1', { version: '1.0.0' }), instance('s2', { version: '1.0.0' })];
const NEW = [instance('c1', { version: '2.0.0' })];
const options: CanaryOptions = { percent: 10, by: { header: 'x-user' }, canary: { version: '^2' } };
const nobodyIsEmpty = { isEmpty: () => false };
const CANARY = JSON.stringify({ version: '^2' });

const isCanary = (router: Canary, user: string | undefined, service = 'orders', headers: Record<string, string> = {}): boolean =>
  router.route(outbound({ service, headers: { ...headers, ...(user !== undefined && { 'x-user': user }) } }), nobodyIsEmpty)!.key === CANARY;

function selecting(router: Canary, list: readonly Instance[] = [...STABLE, ...NEW]) {
  const clock = manualClock();
  const directory = new ScriptedDirectory(list);
  const settings = ejector({ jitter: 0, slowStart: 0 });
  const selector = createSelector({
    service: 'orders',
    directory,
    clock,
    routing: router,
    ejector: settings,
    balancer: roundRobin({ random: () => 0 }),
  });
  const side = (user: string): string => {
    const lease = leaseOf(selector, outbound({ headers: { 'x-user': user } }));
    lease.end({ kind: 'ok', status: 200 });
    return lease.endpoint.id[0]!;
  };
  return { clock, directory, selector, side };
}

const users = (count: number): string[] => Array.from({ length: count }, (_, index) => `user-${index}`);

describe('canary', () => {
  it('takes as many of a hundred as it is told, to a part of a percent, whatever the keys look like', () => {
    for (const make of [(n: number) => `user-${n}`, (n: number) => String(n), (n: number) => `ユーザー${n}`, (n: number) => `${n}@example.com`]) {
      for (const percent of [0.5, 5, 33.3, 50, 99]) {
        const router = canary({ ...options, percent });
        let count = 0;
        for (let user = 0; user < 20_000; user++) if (isCanary(router, make(user))) count++;
        // Four standard deviations.
        const off = 4 * Math.sqrt(20_000 * (percent / 100) * (1 - percent / 100));
        expect(count, `${make(1)} at ${percent}`).to.be.closeTo(200 * percent, off);
      }
    }
  });

  it('is exact at 0 and 100', () => {
    for (const user of users(5_000)) {
      expect(isCanary(canary({ ...options, percent: 0 }), user)).to.equal(false);
      expect(isCanary(canary({ ...options, percent: 100 }), user)).to.equal(true);
    }
  });

  it('keeps everybody on one side, and raising the percentage moves nobody back', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }),
        fc.double({ min: 0, max: 100, noNaN: true }),
        fc.double({ min: 0, max: 100, noNaN: true }),
        (user, one, two) => {
          const router = canary({ ...options, by: () => user, percent: Math.min(one, two) });
          const before = isCanary(router, user);
          expect(isCanary(canary({ ...options, by: () => user, percent: Math.min(one, two) }), user), 'in another process').to.equal(before);
          router.percent = Math.max(one, two);
          if (before) expect(isCanary(router, user)).to.equal(true);
        },
      ),
      { numRuns: 2_000 },
    );
    const router = canary({ ...options, percent: 0 });
    let last = new Set<string>();
    for (let percent = 0; percent <= 100; percent += 5) {
      router.percent = percent;
      const now = new Set(users(500).filter((user) => isCanary(router, user)));
      for (const user of last) expect(now.has(user)).to.equal(true);
      last = now;
    }
    expect(last.size).to.equal(500);
  });

  it('chooses other people for another service, and the same for one salt', () => {
    const at = (router: Canary, service: string): string[] => users(2_000).filter((user) => isCanary(router, user, service));
    const router = canary(options);
    const [orders, payments] = [at(router, 'orders'), at(router, 'payments')];
    expect(at(router, 'orders')).to.deep.equal(orders);
    // Ten percent of ten percent are in both by chance.
    expect(orders.filter((user) => payments.includes(user)).length).to.be.within(5, 45);
    const salted = canary({ ...options, salt: 'spring' });
    expect(at(salted, 'orders')).to.deep.equal(at(salted, 'payments'));
    expect(at(salted, 'orders')).to.not.deep.equal(orders);
  });

  it('takes the key from a header, from the principal and from a function', () => {
    const always = { ...options, percent: 50 };
    const byHeader = canary(always);
    const byPrincipal = canary({ ...always, by: { principal: 'id' } });
    const byFunction = canary({ ...always, by: (call) => call.header('x-user') });
    for (const user of users(50)) {
      const call = outbound({ headers: { 'x-user': user } });
      call.values.set(PRINCIPAL, { id: user });
      const sides = [byHeader, byPrincipal, byFunction].map((router) => router.route(call, nobodyIsEmpty)!.key);
      expect(new Set(sides).size).to.equal(1);
    }
  });

  it('sends calls without a key to the stable side, or at random when told so', () => {
    const router = canary({ ...options, percent: 99 });
    for (let call = 0; call < 50; call++) expect(isCanary(router, undefined)).to.equal(false);
    expect(isCanary(router, '')).to.equal(false);
    expect(router.stats()).to.include({ canary: 0, stable: 51, withoutKey: 51 });
    const random = canary({ ...options, percent: 30, withoutKey: 'random', random: seededRandom(1) });
    const count = Array.from({ length: 2_000 }, () => isCanary(random, undefined)).filter(Boolean).length;
    expect(count).to.be.within(500, 700);
  });

  it('lets testers choose by a header, when one is named', () => {
    const closed = canary({ ...options, percent: 0 });
    expect(isCanary(closed, 'u', 'orders', { 'x-canary': 'always' })).to.equal(false);
    const open = canary({ ...options, percent: 0, header: 'X-Canary' });
    expect(isCanary(open, 'u', 'orders', { 'x-canary': 'Always' })).to.equal(true);
    expect(isCanary(open, undefined, 'orders', { 'x-canary': 'always' })).to.equal(true);
    open.percent = 100;
    expect(isCanary(open, 'u', 'orders', { 'x-canary': 'never' })).to.equal(false);
    expect(isCanary(open, 'u', 'orders', { 'x-canary': 'maybe' })).to.equal(true);
    expect(open.stats()).to.deep.equal({ canary: 3, stable: 1, forced: 3, withoutKey: 0, empty: 0 });
  });

  it('reaches the instances of each side; the stable ones are all others unless they are named', () => {
    const router = canary({ ...options, percent: 50 });
    const { side } = selecting(router);
    for (const user of users(50)) expect(side(user)).to.equal(isCanary(router, user) ? 'c' : 's');
    const named = selecting(canary({ ...options, percent: 0, stable: { version: '1.0.0' } }), [
      ...STABLE,
      ...NEW,
      instance('x1', { version: '3.0.0' }),
    ]);
    for (const user of users(20)) expect(named.side(user)).to.equal('s');
  });

  it('sends a side that has nobody ready to the other one, or refuses', () => {
    const router = canary({ ...options, percent: 100 });
    const { directory, selector, side } = selecting(router, STABLE);
    expect(side('u')).to.equal('s');
    expect(router.stats()).to.include({ stable: 1, canary: 0, empty: 1 });
    directory.publish([...STABLE, ...NEW]);
    for (let failure = 0; failure < 5; failure++) leaseOf(selector).end({ kind: 'ok', status: 200 });
    expect(side('u')).to.equal('c');
    for (let failure = 0; failure < 5; failure++) leaseOf(selector, outbound({ headers: { 'x-user': 'u' } })).end({ kind: 'refused' });
    expect(side('u'), 'the only canary is ejected').to.equal('s');
    router.percent = 0;
    directory.publish(NEW.map((one) => ({ ...one, port: 99 })));
    expect(side('u'), 'rolled out everywhere').to.equal('c');
    const strict = selecting(canary({ ...options, percent: 100, whenEmpty: 'refuse' }), STABLE);
    expect(() => strict.side('u')).to.throw('routing target');
  });

  it('keeps retries of a call on its side, also when the percentage changes meanwhile', () => {
    const router = canary({ ...options, percent: 100 });
    const { selector } = selecting(router);
    const call = outbound({ headers: { 'x-user': 'u' } });
    expect(leaseOf(selector, call).endpoint.id).to.equal('c1');
    router.percent = 0;
    expect(leaseOf(selector, call.derive({ attempt: 2 })).endpoint.id).to.equal('c1');
    expect(leaseOf(selector, outbound({ headers: { 'x-user': 'u' } })).endpoint.id[0]).to.equal('s');
    expect(router.stats()).to.include({ canary: 1, stable: 1 });
  });

  it('refuses what does not fit, at construction and later', () => {
    const wrong: [object, string][] = [
      [{ percent: undefined }, 'canary percent: undefined'],
      [{ percent: 101 }, 'canary percent: 101 is none. Give a number from 0 to 100'],
      [{ percent: -1 }, 'canary percent'],
      [{ percent: Number.NaN }, 'canary percent'],
      [{ by: undefined }, 'canary by: it is missing'],
      [{ by: {} }, 'canary by: {} names no field'],
      [{ canary: undefined }, 'canary canary: it is missing'],
      [{ canary: { version: '' } }, 'canary canary.version'],
      [{ stable: { tag: ['x'] } }, 'Did you mean tags?'],
      [{ header: '' }, 'canary header'],
      [{ withoutKey: 'canary' }, 'canary withoutKey'],
      [{ whenEmpty: 'next' }, "canary whenEmpty: \"next\" is unknown. Use 'other' or 'refuse'"],
      [{ salt: 3 }, 'canary salt'],
      [{ percentage: 3 }, 'Did you mean percent?'],
    ];
    for (const [change, message] of wrong) expect(() => canary({ ...options, ...change }), message).to.throw(TypeError, message);
    const router = canary(options);
    expect(() => (router.percent = 200)).to.throw(TypeError, 'canary percent: 200');
    expect(router.percent).to.equal(10);
  });
});
