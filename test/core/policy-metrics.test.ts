import { metrics } from '@opentelemetry/api';
import type { Attributes } from '@opentelemetry/api';
import { expect } from 'chai';
import {
  Reply,
  ServiceError,
  bulkhead,
  chaos,
  circuitBreaker,
  client,
  concurrencyLimit,
  createService,
  fallback,
  get,
  guard,
  hedge,
  observePolicies,
  rateLimit,
  replyCache,
  retry,
  serviceFetch,
  memoryRegistry,
  silentLogger,
  throttle,
  timeout,
} from '@ferrule/core';
import type { ClientOptions, Handler } from '@ferrule/core';
import { named } from '@ferrule/core/adapter';
import { expressAdapter } from '@ferrule/express';
import { manualClock } from '@ferrule/testing';
import { metricsSdk } from '../support/metrics-sdk.js';

interface Point {
  readonly name: string;
  readonly unit: string;
  readonly attributes: Attributes;
  readonly value: number;
}

/** An SDK that belongs to one test, and the callbacks that it holds. */
function sdk() {
  const { meterProvider, callbacks, collect } = metricsSdk();
  const points = async (): Promise<readonly Point[]> => {
    const { resourceMetrics, errors } = await collect();
    expect(errors).to.deep.equal([]);
    return resourceMetrics.scopeMetrics.flatMap(({ metrics: all }) =>
      all.flatMap(({ descriptor, dataPoints }) =>
        dataPoints.map((point) => ({
          name: descriptor.name,
          unit: descriptor.unit,
          attributes: point.attributes,
          value: point.value as number,
        })),
      ),
    );
  };
  return {
    meterProvider,
    callbacks,
    points,
    /** `name{outcome} value` of those with the name, sorted. */
    async texts(ofName?: string): Promise<readonly string[]> {
      return (await points())
        .filter(({ attributes }) => ofName === undefined || attributes['ferrule.name'] === ofName)
        .map(({ name, attributes, value }) => {
          const outcome = attributes['ferrule.outcome'];
          return `${name}${outcome === undefined ? '' : `{${String(outcome)}}`} ${value}`;
        })
        .toSorted();
    },
  };
}

const ADDRESS = 'http://127.0.0.1:1';
const scripted = (answer: () => Promise<Reply>) => ({
  name: 'scripted',
  handle: answer,
  forget: () => {},
  [Symbol.asyncDispose]: async () => {},
});
const failed = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.fail('It succeeded'),
    (error: unknown) => error,
  );

describe('observePolicies', () => {
  it('measures every policy under the names that people know', async () => {
    const { meterProvider, points, texts } = sdk();
    const clock = manualClock();
    const unavailable = async (): Promise<string> => {
      throw new ServiceError('UNAVAILABLE', 'away');
    };
    const policies = {
      circuitBreaker: circuitBreaker({ clock, consecutive: 2 }),
      retry: retry({ clock, retries: 1, budgets: [] }),
      timeout: timeout({ limit: '1s', clock }),
      bulkhead: bulkhead({ limit: 3, clock }),
      rateLimit: rateLimit({ limit: 1, clock }),
      concurrencyLimit: concurrencyLimit({ initial: 5, min: 1, clock }),
      throttle: throttle({ clock }),
      hedge: hedge({ clock }),
      fallback: fallback('instead'),
      replyCache: replyCache({ clock }),
      chaos: chaos({ enabled: true, error: { rate: 1 }, clock }),
    };
    const stops = Object.entries(policies).map(([name, policy]) => observePolicies({ name, service: 'orders', meterProvider }, policy));

    const broken = guard(unavailable, policies.circuitBreaker);
    for (let n = 0; n < 3; n++) await failed(broken());
    let tries = 0;
    await guard((): Promise<string> => (++tries === 1 ? unavailable() : Promise.resolve('done')), policies.retry)();
    await guard(() => 'done', policies.retry)();
    const late = failed(guard(() => new Promise(() => {}), policies.timeout)());
    await clock.advance(1_000);
    await late;
    let release = (): void => {};
    const open = guard(() => new Promise<void>((resolve) => (release = resolve)), policies.bulkhead, policies.concurrencyLimit)();
    const limited = guard(() => 'done', policies.rateLimit);
    await limited();
    await failed(limited());
    await guard(() => 'done', policies.throttle)();
    expect(await guard(unavailable, policies.fallback)()).to.equal('instead');
    await failed(guard(() => 'done', policies.chaos)());

    expect(await texts()).to.deep.equal(
      [
        'ferrule.bulkhead.expired 0',
        'ferrule.bulkhead.in_use 1',
        'ferrule.bulkhead.limit 3',
        'ferrule.bulkhead.queued 0',
        'ferrule.bulkhead.rejected 0',
        'ferrule.chaos.injected 1',
        'ferrule.chaos.state 1',
        'ferrule.circuit_breaker.calls{failure} 2',
        'ferrule.circuit_breaker.calls{ignored} 0',
        'ferrule.circuit_breaker.calls{rejected} 1',
        'ferrule.circuit_breaker.calls{success} 0',
        'ferrule.circuit_breaker.slow_calls 0',
        'ferrule.circuit_breaker.state 1',
        'ferrule.circuit_breaker.transitions 1',
        'ferrule.concurrency_limit.expired 0',
        'ferrule.concurrency_limit.in_use 1',
        'ferrule.concurrency_limit.limit 5',
        'ferrule.concurrency_limit.queued 0',
        'ferrule.concurrency_limit.rejected 0',
        'ferrule.fallback.substituted 1',
        'ferrule.hedge.attempts 0',
        'ferrule.hedge.forbidden 0',
        'ferrule.hedge.won 0',
        'ferrule.rate_limiter.keys 1',
        'ferrule.rate_limiter.rejected 1',
        'ferrule.reply_cache.bytes 0',
        'ferrule.reply_cache.calls{hit} 0',
        'ferrule.reply_cache.calls{miss} 0',
        'ferrule.reply_cache.calls{shared} 0',
        'ferrule.reply_cache.calls{stale} 0',
        'ferrule.reply_cache.size 0',
        'ferrule.reply_cache.stored 0',
        'ferrule.retry.attempts 1',
        'ferrule.retry.calls{failed_with_retry} 0',
        'ferrule.retry.calls{failed_without_retry} 0',
        'ferrule.retry.calls{successful_with_retry} 1',
        'ferrule.retry.calls{successful_without_retry} 1',
        'ferrule.retry.forbidden 0',
        'ferrule.throttle.accepts 1',
        'ferrule.throttle.rejected 0',
        'ferrule.throttle.requests 1',
        'ferrule.timeout.total 1',
      ].toSorted(),
    );
    const all = await points();
    const keys = new Set(all.flatMap(({ attributes }) => Object.keys(attributes)));
    expect([...keys].toSorted()).to.deep.equal(['ferrule.name', 'ferrule.outcome', 'ferrule.service']);
    for (const { unit } of all) expect(unit).not.to.equal('');
    release();
    await open;
    for (const stop of stops) stop();
  });

  it('tells a state as the number that it has in Resilience4j', async () => {
    const { meterProvider, texts } = sdk();
    const clock = manualClock();
    const breaker = circuitBreaker({ clock, consecutive: 1, openFor: '1s', jitter: 0 });
    observePolicies({ name: 'db', meterProvider }, breaker);
    const state = async (): Promise<string> => (await texts()).find((text) => text.startsWith('ferrule.circuit_breaker.state'))!.split(' ')[1]!;
    expect(await state()).to.equal('0');
    await failed(
      guard(async () => {
        throw new ServiceError('UNAVAILABLE', 'away');
      }, breaker)(),
    );
    expect(await state()).to.equal('1');
    await clock.advance(2_000);
    let release = (): void => {};
    const trial = guard(() => new Promise<void>((resolve) => (release = resolve)), breaker)();
    expect(await state()).to.equal('2');
    release();
    await trial;
    breaker.disable();
    expect(await state()).to.equal('3');
    breaker.open();
    expect(await state()).to.equal('4');
  });

  it('sums what has one name and tells the worst of their states; a sum does not fall when one leaves', async () => {
    const { meterProvider, texts } = sdk();
    const [one, other, third] = [circuitBreaker(), circuitBreaker(), circuitBreaker()];
    const stopOne = observePolicies({ name: 'db', meterProvider }, one);
    const stopOther = observePolicies({ name: 'db', meterProvider }, other, third);
    third.disable();
    await guard(() => 1, one)();
    await guard(() => 1, other)();
    other.open();
    const now = async (): Promise<readonly string[]> => (await texts()).filter((text) => /success|state|transitions/.test(text));
    expect(await now()).to.deep.equal([
      'ferrule.circuit_breaker.calls{success} 2',
      'ferrule.circuit_breaker.state 4',
      'ferrule.circuit_breaker.transitions 2',
    ]);
    stopOther();
    expect(await now()).to.deep.equal([
      'ferrule.circuit_breaker.calls{success} 2',
      'ferrule.circuit_breaker.state 0',
      'ferrule.circuit_breaker.transitions 2',
    ]);
    stopOne();
  });

  it('counts a policy once that stands in two places', async () => {
    const { meterProvider, texts, callbacks } = sdk();
    const shared = bulkhead(7);
    const stops = [observePolicies({ name: 'db', meterProvider }, shared), observePolicies({ name: 'db', meterProvider }, shared)];
    expect(await texts()).to.include('ferrule.bulkhead.limit 7');
    stops[0]!();
    stops[0]!();
    expect(await texts()).to.include('ferrule.bulkhead.limit 7');
    expect(callbacks.size).to.equal(1);
    stops[1]!();
    expect(callbacks.size).to.equal(0);
  });

  it('survives a policy whose stats() throws', async () => {
    const { meterProvider, texts } = sdk();
    const stats = (): never => {
      throw new Error('broken');
    };
    const bad = Object.assign(
      named({ name: 'bulkhead' }, (next: Handler): Handler => next),
      { stats },
    );
    observePolicies({ name: 'db', meterProvider }, bad, bulkhead(2));
    expect(await texts()).to.include('ferrule.bulkhead.limit 2');
  });

  it('does nothing without an SDK', () => {
    let asked = 0;
    const watched = Object.assign(
      named({ name: 'bulkhead' }, (next: Handler): Handler => next),
      { stats: () => ({ limit: ++asked }) },
    );
    observePolicies('db', watched)();
    expect(asked).to.equal(0);
  });

  it('refuses what is no policy, and a name that is none', () => {
    expect(() => observePolicies('', bulkhead(1))).to.throw(TypeError, /observePolicies name: "" is no name/);
    expect(() => observePolicies('db', { stats: () => ({}) })).to.throw(TypeError, /no policy with counts.*circuitBreaker\(\)/);
    expect(() => observePolicies('db', bulkhead as never)).to.throw(TypeError, /no policy with counts/);
    expect(() => observePolicies({ name: 'db', service: '' }, bulkhead(1))).to.throw(TypeError, /observePolicies service/);
    expect(() => observePolicies({ name: 'db', nam: 'x' } as never)).to.throw(TypeError, /Did you mean name/);
    expect(() => observePolicies({ name: 'db', meterProvider: {} as never })).to.throw(TypeError, /meterProvider/);
  });
});

describe('the policies of a client', () => {
  const options: ClientOptions = {
    bulkhead: 3,
    circuitBreaker: true,
    retry: { budgets: [] },
    transport: scripted(async () => new Reply(200, 'fine')),
  };

  it('are measured while it lives, by service and place', async () => {
    const { meterProvider, points, callbacks } = sdk();
    const one = client(ADDRESS, { ...options, telemetry: { meterProvider } });
    await one.get('/');
    const found = (await points()).filter(({ name }) => name.startsWith('ferrule.') && !name.startsWith('ferrule.client.'));
    expect(new Set(found.map(({ attributes }) => attributes['ferrule.service']))).to.deep.equal(new Set(['127.0.0.1:1']));
    expect(new Set(found.map(({ attributes }) => attributes['ferrule.name']))).to.deep.equal(
      new Set(['bulkhead', 'circuitBreaker', 'retry', 'timeout(total)', 'timeout(attempt)']),
    );
    expect(found.find(({ attributes }) => attributes['ferrule.outcome'] === 'successful_without_retry')!.value).to.equal(1);
    expect(callbacks.size).to.equal(4);
    await one[Symbol.asyncDispose]();
    expect(callbacks.size).to.equal(0);
  });

  it('count the timeouts of requests with a time of their own too', async () => {
    const { meterProvider, texts } = sdk();
    const clock = manualClock();
    await using one = client(ADDRESS, {
      clock,
      retry: false,
      telemetry: { meterProvider },
      transport: scripted(() => new Promise(() => {})),
    });
    const late = [failed(one.get('/', { timeout: '20s' })), failed(one.get('/'))];
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(5_000);
    await late[1];
    await clock.advance(20_000);
    await late[0];
    const total = async (name: string): Promise<number> => Number((await texts(name)).find((text) => text.includes('timeout.total'))!.split(' ')[1]);
    expect((await total('timeout(total)')) + (await total('timeout(attempt)'))).to.be.at.least(2);
  });

  it('leave nothing behind: not after 10,000 clients, not after clients whose options were refused', async () => {
    const { meterProvider, callbacks, points } = sdk();
    for (let n = 0; n < 10_000; n++) await client(ADDRESS, { ...options, telemetry: { meterProvider } })[Symbol.asyncDispose]();
    expect(callbacks.size).to.equal(0);
    expect(() => client(ADDRESS, { ...options, telemetry: { meterProvider }, hedge: { max: 9 } })).to.throw(TypeError);
    expect(callbacks.size).to.equal(0);
    expect(await points()).to.deep.equal([]);
    const fetching = serviceFetch({ registry: memoryRegistry(), telemetry: { meterProvider }, bulkhead: 1 });
    expect(callbacks.size).to.equal(0);
    await fetching[Symbol.asyncDispose]();
  }).timeout(20_000);

  it('are measured from its next call on when the SDK comes later, and not at all with telemetry: false', async () => {
    const { meterProvider, texts, callbacks } = sdk();
    await using silent = client(ADDRESS, { ...options, telemetry: false });
    await using one = client(ADDRESS, options);
    await one.get('/');
    try {
      metrics.setGlobalMeterProvider(meterProvider);
      await silent.get('/');
      expect(callbacks.size).to.equal(0);
      await one.get('/');
      await one.get('/');
      expect(await texts('retry')).to.include('ferrule.retry.calls{successful_without_retry} 3');
      expect(callbacks.size).to.equal(4);
    } finally {
      metrics.disable();
    }
  });
});

describe('the policies of a service', () => {
  it('are measured from its start to its stop: of the service, and of each route', async () => {
    const { meterProvider, points, callbacks } = sdk();
    metrics.setGlobalMeterProvider(meterProvider);
    try {
      const shared = circuitBreaker();
      const service = createService({
        name: 'orders',
        adapter: expressAdapter(),
        logger: silentLogger,
        signals: false,
        drainDelay: 0,
        listen: { host: '127.0.0.1' },
        rateLimit: { limit: 100 },
        routes: [get('/x', bulkhead(3), shared, () => 1), get('/y', shared, () => 2)],
      });
      expect(callbacks.size).to.equal(0);
      await service.start();
      const found = (await points()).filter(({ name }) => name.startsWith('ferrule.'));
      expect(
        [...new Set(found.map(({ attributes }) => `${String(attributes['ferrule.service'])} ${String(attributes['ferrule.name'])}`))].toSorted(),
      ).to.deep.equal(['orders bulkhead of GET /x', 'orders circuitBreaker of GET /x and 1 more', 'orders rateLimit', 'orders timeout']);
      await service.stop();
      expect(callbacks.size).to.equal(0);
    } finally {
      metrics.disable();
    }
  });
});
