import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Call, Reply, Stack, client, createService, get, route, silentLogger, timeout } from '@ferrule/core';
import type { Handler, HttpAdapter, Wrapper, WrapperOption } from '@ferrule/core';
import { createMountable, inboundStack, isPlaced, named, nativeHandler, wrapperOf } from '@ferrule/core/adapter';
import { expressAdapter } from '@ferrule/express';
import { koaAdapter } from '@ferrule/koa';
import { root } from '../repository/repository.js';

const OPERATION = { service: 'orders', name: 'GET /orders', method: 'GET', path: '/orders', idempotent: true };
const call = (): Call => new Call({ side: 'server', operation: OPERATION });
const answer: Handler = async () => new Reply(200, 'answer');
const called = (name: string): Wrapper => named({ name }, (next) => (given) => next(given));
const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(called) as [Wrapper, Wrapper, Wrapper, Wrapper];
const stack = (): Stack =>
  new Stack(
    [
      { name: 'outer', wrapper: called('outer') },
      { name: 'limit(total)', wrapper: called('limit(total)') },
      { name: 'own' },
      { name: 'off', wrapper: false },
      { name: 'limit(attempt)', wrapper: called('limit(attempt)') },
    ],
    'own',
  );

describe('a stack', () => {
  const table: readonly (readonly [what: string, options: readonly WrapperOption[], names: string])[] = [
    ['puts wrappers without a position at home, the first outermost', [a, b], 'outer limit(total) a b limit(attempt)'],
    ['puts one before a step, outside of it', [{ wrapper: a, before: 'outer' }], 'a outer limit(total) limit(attempt)'],
    ['puts one after a step, inside of it', [{ wrapper: a, after: 'outer' }], 'outer a limit(total) limit(attempt)'],
    [
      'keeps the order of several before one step',
      [
        { wrapper: a, before: 'outer' },
        { wrapper: b, before: 'outer' },
      ],
      'a b outer limit(total) limit(attempt)',
    ],
    [
      'keeps the order of several after one step',
      [
        { wrapper: a, after: 'outer' },
        { wrapper: b, after: 'outer' },
      ],
      'outer a b limit(total) limit(attempt)',
    ],
    [
      'keeps that order when another was put between them',
      [{ wrapper: a, after: 'outer' }, { wrapper: b, before: 'a' }, { wrapper: c, after: 'a' }, { wrapper: d, after: 'outer' }, b],
      'outer b a c d limit(total) b limit(attempt)',
    ],
    ['finds a step that is turned off', [{ wrapper: a, before: 'off' }, { wrapper: b, after: 'off' }, c], 'outer limit(total) c a b limit(attempt)'],
    [
      'takes a name for all of a kind: before the outermost, after the innermost',
      [
        { wrapper: a, before: 'limit' },
        { wrapper: b, after: 'limit' },
      ],
      'outer a limit(total) limit(attempt) b',
    ],
    [
      'takes the step, not a wrapper of the same name',
      [called('outer'), { wrapper: a, before: 'outer' }],
      'a outer limit(total) outer limit(attempt)',
    ],
  ];
  for (const [what, options, names] of table) {
    it(what, () => expect(stack().addAll(options).names.join(' ')).to.equal(names));
  }

  it('runs in the order that it names', async () => {
    const log: string[] = [];
    const noting = (name: string): Wrapper => named({ name }, (next) => (given) => (log.push(name), next(given)));
    const made = new Stack([{ name: 'x', wrapper: noting('x') }, { name: 'y' }], 'y').add(noting('a')).add(noting('b'), { before: 'x' });
    await made.around(answer)(call());
    expect(log).to.deep.equal(made.names);
  });

  it('has copies of its own', () => {
    const original = stack();
    expect(original.copy().add(a).names).to.include('a');
    expect(original.names).to.not.include('a');
  });

  it('names the steps when there is none of that name', () => {
    expect(() => stack().add(a).add(b, { before: 'outr' })).to.throw(
      TypeError,
      'The position of b: there is no step "outr". The steps are outer, limit(total), own, off, limit(attempt); added were a.',
    );
    const typo = { wrapper: a, before: 'timeot' };
    expect(() => client('http://127.0.0.1:1', { wrappers: [typo] })).to.throw(/no step "timeot".*timeout\(total\), rateLimit.*attemptWrappers/);
    expect(() => createService({ name: 'x', adapter: expressAdapter(), wrappers: [typo] })).to.throw(
      /context, observe, errors, rateLimit, concurrencyLimit, limits, timeout, wrapp/,
    );
    expect(() => createService({ name: 'x', adapter: expressAdapter(), routes: [get('/x', { wrappers: [typo] }, () => 1)] })).to.throw(
      /no step "timeot"/,
    );
  });

  it('refuses what is no wrapper and no position', () => {
    class Audit {
      wrap(next: Handler): Handler {
        return next;
      }
    }
    const bad: readonly (readonly [unknown, RegExp])[] = [
      [undefined, /undefined is no wrapper/],
      [{}, /an object is no wrapper.*wrap\(next\)/],
      [timeout, /timeout gave|timeout/],
      [Audit, /Audit is a class. Give an instance/],
      [{ wrapper: a, before: 'own', after: 'own' }, /Give one of the two/],
      [{ wrapper: a, befor: 'own' }, /has no "befor"/],
    ];
    for (const [option, message] of bad) {
      expect(
        () =>
          stack()
            .addAll([option as WrapperOption])
            .around(answer),
        String(message),
      ).to.throw(TypeError, message);
    }
    expect(() => stack().addAll(a as unknown as [])).to.throw(/is no list/);
    expect(() => get('/x', Audit as unknown as Wrapper, () => 1)).to.throw(/Audit is a class/);
    expect(() => get('/x', { wrappers: a as unknown as [] }, () => 1)).to.throw(/Give an array/);
    expect(() => new Stack([{ name: 'x' }, { name: 'x' }], 'x')).to.throw(/two steps/);
    expect(() => new Stack([{ name: 'x' }], 'y')).to.throw(/no step "y"/);
  });

  it('takes an object with wrap: called once, as itself, with its name and traits', async () => {
    class Audit {
      readonly replays = true;
      made = 0;
      wrap(next: Handler): Handler {
        this.made++;
        return (given) => next(given);
      }
    }
    const audit = new Audit();
    const made = stack().add(audit, { before: 'outer' });
    const handler = made.around(answer);
    for (let n = 0; n < 3; n++) await handler(call());
    expect([made.names[0], audit.made]).to.deep.equal(['Audit', 1]);
    expect(wrapperOf({ name: 'audit', wrap: (next) => next }, 'x')).to.be.a('function');
    expect([isPlaced(audit), isPlaced(a), isPlaced({ wrapper: a })]).to.deep.equal([false, false, true]);
    expect(() =>
      get(
        '/x',
        { wrappers: [audit] },
        nativeHandler(() => {}),
      ),
    ).to.throw(/Audit may run the handler again/);
    const service = {
      name: 'x',
      health: () => false,
      routes: [
        get(
          '/x',
          { wrappers: [{ wrapper: audit, before: 'timeout' }] },
          nativeHandler(() => {}),
        ),
      ],
    };
    expect(() => createMountable(service)).to.throw(/Audit may run the handler again/);
  });
});

describe('positions', () => {
  it('stand in the inbound stack, for all routes and for one', () => {
    const service = createService({
      name: 'x',
      adapter: koaAdapter(),
      wrappers: [a, { wrapper: b, before: 'timeout' }],
      limits: [called('limit')],
      routes: [get('/plain', () => 1), get('/x', { wrappers: [c, { wrapper: d, after: 'observe' }] }, called('e'), () => 1)],
    });
    const { stack: around, routes } = service.describe();
    expect(around).to.deep.equal(['context', 'observe', 'errors', 'limit', 'b', 'timeout', 'a']);
    expect(routes.map(({ chain }) => chain)).to.deep.equal([around, ['context', 'observe', 'd', 'errors', 'limit', 'b', 'timeout', 'a', 'c', 'e']]);
  });

  it('stand in the outbound stack', () => {
    const made = client('http://127.0.0.1:1', {
      wrappers: [a, { wrapper: b, after: 'retry' }],
      attemptWrappers: [c, { wrapper: d, before: 'timeout' }],
    });
    expect(made.describe()).to.deep.equal([
      'observe(call)',
      'a',
      'd',
      'timeout(total)',
      'retry',
      'b',
      'balance',
      'observe(attempt)',
      'c',
      'timeout(attempt)',
      'remoteErrors',
      'http',
    ]);
  });

  it('of a route are refused where there are no steps', () => {
    const placed = route('GET', '/x', { wrappers: [{ wrapper: a, before: 'timeout' }] }, () => 1);
    expect(placed.placed).to.have.length(1);
    expect(inboundStack({ timeout: false, observe: false }).steps).to.deep.equal([
      'context',
      'observe',
      'errors',
      'rateLimit',
      'concurrencyLimit',
      'limits',
      'timeout',
      'wrappers',
      'route',
    ]);
  });

  it('decide what a request meets', async () => {
    const log: string[] = [];
    const noting = (name: string): Wrapper =>
      named({ name }, (next) => (given) => (log.push(`${name} ${String(given.deadline !== undefined)}`), next(given)));
    const service = createService({
      name: 'x',
      adapter: expressAdapter(),
      logger: silentLogger,
      signals: false,
      drainDelay: 0,
      listen: { host: '127.0.0.1' },
      wrappers: [noting('inside'), { wrapper: noting('outside'), before: 'timeout' }],
      routes: [get('/x', { wrappers: [{ wrapper: noting('route'), before: 'timeout' }] }, () => 'done')],
    });
    const { port } = await service.start();
    try {
      await using upstream = client(`http://127.0.0.1:${port}`, { timeout: false, attemptTimeout: false });
      expect(await upstream.get('/x')).to.equal('done');
    } finally {
      await service.stop();
    }
    expect(log).to.deep.equal(['outside false', 'route false', 'inside true']);
  });
});

describe('versions', () => {
  it('that describe() tells are those of the packages', () => {
    const versionOf = (name: string): string =>
      (JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')) as { version: string }).version;
    const adapters: readonly HttpAdapter[] = [expressAdapter(), koaAdapter()];
    for (const adapter of adapters) {
      expect(createService({ name: 'x', adapter }).describe().versions).to.deep.equal({
        core: versionOf('core'),
        node: process.versions.node,
        [adapter.name]: versionOf(adapter.name),
      });
    }
  });
});
