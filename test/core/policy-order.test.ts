import { expect } from 'chai';
import {
  Bulkhead,
  Cached,
  Call,
  Chaos,
  CircuitBreaker,
  ConcurrencyLimit,
  Controller,
  Fallback,
  Get,
  Hedge,
  RateLimit,
  Reply,
  Retry,
  Throttle,
  Timeout,
  bulkhead,
  chaos,
  circuitBreaker,
  client,
  concurrencyLimit,
  controllerRoutes,
  createService,
  fallback,
  fromConfig,
  get,
  hedge,
  loadConfig,
  monitor,
  rateLimit,
  replyCache,
  retry,
  silentLogger,
  throttle,
  timeout,
} from '@ferrule/core';
import type { ClientOptions, ConfigError, ConfigSource, Handler, RoutesMarker } from '@ferrule/core';
import { traitsOf } from '@ferrule/core/adapter';
import { expressAdapter } from '@ferrule/express';
import { manualClock } from '@ferrule/testing';

/** Everything on, written from the inside out. */
const EVERYTHING: ClientOptions = {
  chaos: { enabled: true, error: { rate: 0.5 } },
  attemptTimeout: '1s',
  throttle: true,
  hedge: true,
  retry: true,
  circuitBreaker: true,
  concurrencyLimit: true,
  bulkhead: 3,
  rateLimit: { limit: 5 },
  timeout: '2s',
  replyCache: true,
  fallback: new Reply(200),
  errors: [{ toError: () => undefined }],
};
const ADDRESS = 'http://127.0.0.1:1';

describe('the order of the policies', () => {
  it('of a client with everything on is the one of the design, whatever order the options are in', async () => {
    await using all = client(ADDRESS, EVERYTHING);
    expect(all.describe()).to.deep.equal([
      'ownErrors',
      'observe(call)',
      'fallback',
      'replyCache',
      'timeout(total)',
      'rateLimit',
      'bulkhead',
      'concurrencyLimit',
      'circuitBreaker',
      'retry',
      'hedge',
      'throttle',
      'balance',
      'observe(attempt)',
      'timeout(attempt)',
      'chaos',
      'remoteErrors',
      'http',
    ]);
    expect(all.policies().map(({ name }) => name)).to.deep.equal([
      'fallback',
      'replyCache',
      'timeout(total)',
      'rateLimit',
      'bulkhead',
      'concurrencyLimit',
      'circuitBreaker',
      'retry',
      'hedge',
      'throttle',
      'timeout(attempt)',
      'chaos',
    ]);
    expect(all.policies().find(({ name }) => name === 'bulkhead')!.stats).to.include({ active: 0, limit: 3 });
  });

  it('of a service has its limits above the timeout', () => {
    const service = createService({
      name: 'orders',
      adapter: expressAdapter(),
      concurrencyLimit: true,
      rateLimit: { limit: 5 },
      limits: [bulkhead(100)],
    });
    expect(service.describe().stack).to.deep.equal(['context', 'observe', 'errors', 'rateLimit', 'concurrencyLimit', 'bulkhead', 'timeout']);
  });

  it('has a hedge that spends what the retry around it may spend', async () => {
    const spent: string[] = [];
    const budget = {
      began: () => void spent.push('began'),
      succeeded: () => {},
      failed: () => {},
      allows: () => (spent.push('allows'), false),
      spend: () => {},
    };
    const transport = {
      name: 'scripted',
      handle: async () => new Reply(503),
      forget: () => {},
      [Symbol.asyncDispose]: async () => {},
    };
    await using one = client(ADDRESS, {
      clock: manualClock(),
      transport,
      ejector: false,
      hedge: { ratio: 1, elsewhere: () => true },
      retry: { budgets: [budget] },
    });
    await one.get('/').catch(() => {});
    expect(spent).to.deep.equal(['began', 'allows', 'allows']);
  });

  for (const [option, value, message] of [
    ['hedge', 5, /hedge: 5 does not fit\. Give its options.*or true or false/],
    ['hedge', { max: 9 }, /hedge max: 9/],
    ['throttle', 'yes', /throttle: "yes" does not fit/],
    ['replyCache', 'on', /replyCache: "on" does not fit/],
    ['concurrencyLimit', 5, /concurrencyLimit: 5 does not fit/],
    ['chaos', true, /chaos: true does not fit.*enabled/],
    ['chaos', { error: { rate: 1 } }, /chaos enabled: undefined does not fit/],
    ['chaos', retry(), /chaos: .* does not fit/],
    ['fallback', { service: 5 }, /fallback: .* is no Reply.*\{ service: client \}/],
    ['rateLimit', true, /rateLimit: true does not fit/],
  ] as const) {
    it(`refuses the client option ${option}: ${JSON.stringify(value)}`, () => {
      expect(() => client(ADDRESS, { [option]: value })).to.throw(TypeError, message);
    });
  }

  it('refuses limits of a service that are none', () => {
    const make = (options: object) => () => createService({ name: 'x', adapter: expressAdapter(), ...options });
    expect(make({ rateLimit: 5 })).to.throw(TypeError, /createService rateLimit: 5 does not fit/);
    expect(make({ concurrencyLimit: 5 })).to.throw(TypeError, /createService concurrencyLimit: 5 does not fit/);
    expect(make({ rateLimit: { limit: 0 } })).to.throw(TypeError, /rateLimit limit: 0/);
  });
});

/** Each decorator with its options, beside the factory with the same. */
const TWINS: Readonly<Record<string, readonly [RoutesMarker, { stats(): object }]>> = {
  fallback: [Fallback('x'), fallback('x')],
  replyCache: [Cached({ ttl: '10s' }), replyCache({ ttl: '10s' })],
  timeout: [Timeout('1s'), timeout('1s')],
  rateLimit: [RateLimit({ limit: 7 }), rateLimit({ limit: 7 })],
  bulkhead: [Bulkhead({ limit: 7, queue: 2 }), bulkhead({ limit: 7, queue: 2 })],
  concurrencyLimit: [ConcurrencyLimit({ initial: 7, min: 3 }), concurrencyLimit({ initial: 7, min: 3 })],
  circuitBreaker: [CircuitBreaker({ threshold: 0.7 }), circuitBreaker({ threshold: 0.7 })],
  retry: [Retry({ retries: 1 }), retry({ retries: 1 })],
  hedge: [Hedge({ delay: '50ms' }), hedge({ delay: '50ms' })],
  throttle: [Throttle({ k: 3 }), throttle({ k: 3 })],
  chaos: [Chaos({ enabled: true }), chaos({ enabled: true })],
};

describe('a policy decorator', () => {
  for (const [name, [decorator, factory]] of Object.entries(TWINS)) {
    it(`makes what ${name}() makes, for each service anew`, () => {
      @Controller('/x')
      class Guarded {
        @decorator
        @Get('/')
        one(): string {
          return 'done';
        }
      }
      const [first, second] = [controllerRoutes(Guarded)[0]!.wrappers, controllerRoutes(Guarded)[0]!.wrappers];
      const [made] = first;
      expect(first).to.have.length(1);
      expect(made).not.to.equal(second[0]);
      expect(traitsOf(made!)).to.deep.equal(traitsOf(factory as never));
      expect((made as unknown as { stats(): object }).stats()).to.deep.equal(factory.stats());
    });
  }

  it('nests in the fixed order, whatever order they were written in', () => {
    const decorators = Object.values(TWINS).map(([decorator]) => decorator);
    const shuffled = [...decorators.filter((_, index) => index % 2 === 0), ...decorators.filter((_, index) => index % 2 === 1)];
    const all: RoutesMarker = ((target: never, key: never, descriptor: never) => {
      for (const one of shuffled) (one as (...parts: readonly unknown[]) => unknown)(target, key, descriptor);
    }) as never;
    @Controller('/x')
    class Guarded {
      @all
      @Get('/')
      one(): string {
        return 'done';
      }
    }
    expect(controllerRoutes(Guarded)[0]!.wrappers.map((wrapper) => traitsOf(wrapper).name)).to.deep.equal(Object.keys(TWINS));
  });

  it('@Cached answers the second call with the reply to the first', async () => {
    let runs = 0;
    @Controller('/x')
    class Counted {
      @Cached({ ttl: '10s' })
      @Get('/')
      one(): number {
        return ++runs;
      }
    }
    const [route] = controllerRoutes(Counted);
    const [cache] = route!.wrappers;
    const handler: Handler = cache!(async (call) => new Reply(200, await route!.handler(call)));
    const operation = { service: 'x', name: 'GET /x', method: 'GET', path: '/x', idempotent: true };
    const bodies = [];
    for (let n = 0; n < 3; n++) bodies.push((await new Call({ side: 'server', operation }).run(handler)).body);
    expect(bodies).to.deep.equal([1, 1, 1]);
  });
});

/** What can stand in a file, by its key; each is more than a default. */
const CONFIGURED = {
  retry: { retries: 1, immediate: false, maxElapsed: '3s', stormGuard: true, backoff: { type: 'fixed', delay: '10ms' } },
  circuitBreaker: { threshold: 0.7, window: { calls: 50 }, failOn: ['UNAVAILABLE'] },
  bulkhead: { limit: 7, queue: 3, maxWait: '1s' },
  rateLimit: { limit: 7, per: '2s', algorithm: 'sliding-window' },
  concurrencyLimit: { algorithm: 'vegas', initial: 7, min: 2, max: 9, queue: 0.5, maxWait: '1s' },
  replyCache: { ttl: '10s', shared: true, staleIfError: '1h', vary: ['x-tenant'], maxEntries: 50 },
  hedge: { delay: '50ms', max: 2, ratio: 0.1 },
  throttle: { k: 1.5, window: '10s', minRequests: 5, failOn: ['UNAVAILABLE'] },
  timeout: '4s',
  attemptTimeout: false,
} as const;

describe('policies in a configuration', () => {
  const problems = async (source: unknown): Promise<readonly string[]> => {
    const error: unknown = await loadConfig(source as ConfigSource, { env: {} }).catch((thrown: unknown) => thrown);
    return (error as ConfigError).problems.map(({ path, message }) => `${path}: ${message}`);
  };

  for (const [key, value] of Object.entries(CONFIGURED)) {
    it(`${key} is read as it was written, and is what the client has`, async () => {
      const source = { registry: 'memory', clients: { orders: { [key]: value } } } as unknown as ConfigSource;
      const config = await loadConfig(source, { env: {} });
      expect(config.values.clients).to.deep.equal({ orders: { [key]: value } });
      await using parts = await fromConfig(config, { logger: silentLogger });
      if (key === 'retry') expect(parts.clientOptions('orders').retry).to.include({ retries: 1, maxElapsed: '3s', stormGuard: true });
      else expect(parts.clientOptions('orders')).to.have.deep.property(key, value);
      const names = parts.client('orders').describe();
      expect(names.some((name) => name === key || name === 'timeout(total)')).to.equal(true);
    });
  }

  it('are on and off by true and false where they need nothing else', async () => {
    for (const key of ['circuitBreaker', 'concurrencyLimit', 'replyCache', 'hedge', 'throttle', 'retry']) {
      for (const on of [true, false]) {
        await using parts = await fromConfig(
          { registry: 'memory', clients: { defaults: { [key]: on } } },
          {
            env: {},
            logger: silentLogger,
          },
        );
        expect(parts.client('orders').describe().includes(key), `${key} ${on}`).to.equal(on);
      }
    }
  });

  it('come from the environment too', async () => {
    const config = await loadConfig(
      {},
      {
        env: {
          FERRULE_CLIENTS_ORDERS_HEDGE_MAX: '2',
          FERRULE_CLIENTS_ORDERS_REPLY_CACHE_TTL: '10s',
          FERRULE_CLIENTS_ORDERS_CONCURRENCY_LIMIT: 'true',
          FERRULE_SERVICE_RATE_LIMIT_LIMIT: '100',
        },
      },
    );
    expect(config.values).to.deep.equal({
      clients: { orders: { hedge: { max: 2 }, replyCache: { ttl: '10s' }, concurrencyLimit: true } },
      service: { rateLimit: { limit: 100 } },
    });
  });

  it('of a service are the limits of all its routes', async () => {
    await using parts = await fromConfig(
      { service: { name: 'orders', rateLimit: { limit: 5 }, concurrencyLimit: { max: 50 } } },
      { env: {}, logger: silentLogger },
    );
    const service = createService({ ...parts.service, adapter: expressAdapter() });
    expect(service.describe().stack).to.include.members(['rateLimit', 'concurrencyLimit']);
  });

  it('that make no sense are told with their place', async () => {
    const told = await problems({
      service: { rateLimit: { limit: 5, algorithm: 'sliding-window', burst: 9 }, concurrencyLimit: { min: 9, max: 3 } },
      clients: { orders: { replyCache: { cacheControl: false } } },
    });
    expect(told).to.have.length(3);
    expect(told[0]).to.match(/^service\.rateLimit.*burst/);
    expect(told[1]).to.match(/^service\.concurrencyLimit.*min/);
    expect(told[2]).to.match(/^clients\.orders.*ttl/);
  });

  it('never turn chaos on: not in a file, not by a variable', async () => {
    for (const chaosEntry of [true, { enabled: true, error: { rate: 1 } }]) {
      expect(await problems({ clients: { orders: { chaos: chaosEntry } } })).to.have.length(1);
      expect((await problems({ clients: { orders: { chaos: chaosEntry } } }))[0]).to.match(/^clients\.orders\.chaos.*in code/);
      expect(await problems({ service: { chaos: chaosEntry } })).to.have.length(1);
    }
    const failure: unknown = await loadConfig({}, { env: { FERRULE_CLIENTS_ORDERS_CHAOS: '{"enabled":true}' } }).catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(Error);
    await using parts = await fromConfig({ registry: 'memory', clients: { orders: { timeout: '1s' } } }, { env: {}, logger: silentLogger });
    expect(parts.client('orders').faults()).to.deep.equal([]);
  });
});

describe('chaos', () => {
  it('shows in describe() and in health details while it is there, and goes with the service', async () => {
    let hidden = false;
    const health = monitor({ showDetails: 'when-authorized', authorize: () => !hidden });
    let on = true;
    const around = chaos({ enabled: () => on, error: { rate: 0 } });
    const service = createService({
      name: 'orders',
      adapter: expressAdapter(),
      health,
      logger: silentLogger,
      signals: false,
      drainDelay: 0,
      listen: { host: '127.0.0.1' },
      routes: [get('/x', around, () => 1)],
      clients: { services: { [ADDRESS]: { chaos: { enabled: true } } } },
    });
    service.client(ADDRESS);
    expect(service.describe().faults).to.deep.equal([
      { name: 'chaos of GET /x', enabled: true },
      { name: 'chaos of client 127.0.0.1:1', enabled: true },
    ]);
    expect(service.describe().routes[0]!.chain).to.include('chaos');
    expect(service.describe().clients[0]!.stack).to.include('chaos');
    const { port } = await service.start();
    const body = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/health`)).text();
    const notes = async (): Promise<readonly string[]> => (JSON.parse(await body()) as { readonly notes: readonly string[] }).notes.slice(1);
    expect(await notes()).to.deep.equal([
      'faults are injected on purpose: chaos of GET /x (enabled)',
      'faults are injected on purpose: chaos of client 127.0.0.1:1 (enabled)',
    ]);
    on = false;
    expect((await notes())[0]).to.equal('faults are injected on purpose: chaos of GET /x (disabled)');
    hidden = true;
    expect(await body()).to.equal('{"status":"pass"}');
    await service.stop();
    expect((await health.all()).notes).to.equal(undefined);
  });

  it('that was made before is steered while it runs', async () => {
    const faults = chaos({ enabled: true, error: { rate: 1, status: 503 } });
    const transport = { name: 'scripted', handle: async () => new Reply(200, 'fine'), forget: () => {}, [Symbol.asyncDispose]: async () => {} };
    await using one = client(ADDRESS, { chaos: faults, transport, retry: false });
    expect(await one.get('/').catch((error: unknown) => error)).to.include({ reason: 'CHAOS', status: 503 });
    faults.inject({});
    expect(await one.get('/')).to.equal('fine');
    expect(one.policies().at(-1)).to.deep.include({ name: 'chaos' });
  });
});
