import { expect } from 'chai';
import {
  Call,
  Get,
  ServiceClient,
  client,
  clientOf,
  createService,
  direct,
  httpTransport,
  isServiceError,
  memoryRegistry,
  serviceFetch,
  silentLogger,
  staticRegistry,
} from '@ferrule/core';
import type { ClientOptions, Remote, ServiceError } from '@ferrule/core';
import { ADDRESS } from '@ferrule/core/adapter';
import { expressAdapter } from '@ferrule/express';
import { answers, manualClock, scriptedUpstream } from '@ferrule/testing';
import type { ScriptedUpstream } from '@ferrule/testing';

async function failureOf(work: Promise<unknown>): Promise<ServiceError> {
  try {
    await work;
  } catch (error) {
    expect(isServiceError(error), String(error)).to.equal(true);
    return error as ServiceError;
  }
  throw new Error('it did not fail');
}

/** Addresses that are none, or that no call goes to. */
const WRONG: readonly (readonly [unknown, RegExp])[] = [
  ['127.0.0.1', /has no port/],
  ['ftp://127.0.0.1:80', /has the scheme "ftp"/],
  ['http://a:b@127.0.0.1:80', /holds a user/],
  ['http://127.0.0.1:80/admin', /goes on with "\/admin"/],
  ['127.0.0.1:80@evil:80', /holds a user/],
  ['http://127.0.0.1:65536', /has the port "65536"/],
  ['//evil:80', /goes on with/],
  ['127.0.0.1:80\r\nx: y', /has two colons/],
  ['http://169.254.169.254:80', /metadata service/],
  ['[fe80::1]:80', /link-local/],
  ['http://metadata.google.internal', /metadata service/],
  ['0.0.0.0:80', /link-local, multicast/],
  ['2852039166:80', /looks like an IPv4 address/],
  ['', /has no host/],
  [8080, /is no address/],
  [null, /is no address/],
];

describe('direct connections', () => {
  const open: AsyncDisposable[] = [];
  const opened = <D extends AsyncDisposable>(part: D): D => {
    open.push(part);
    return part;
  };
  afterEach(async () => {
    for (const part of open.splice(0).reverse()) await part[Symbol.asyncDispose]();
  });
  const upstream = async (name: string): Promise<ScriptedUpstream> => {
    const up = opened(await scriptedUpstream());
    up.otherwise({ body: { name } });
    return up;
  };
  const clientTo = (target: string, options?: ClientOptions) => opened(client(target, options));

  describe('the address of a request', () => {
    it('is called in place of an endpoint that would be picked, that once', async () => {
      const [listed, own] = [await upstream('listed'), await upstream('own')];
      const users = clientTo('users', { registry: staticRegistry({ users: listed.origin }) });
      expect(await users.get('/', { address: own.origin })).to.deep.equal({ name: 'own' });
      expect(await users.get('/', { address: `127.0.0.1:${own.port}` })).to.deep.equal({ name: 'own' });
      expect(await users.get('/')).to.deep.equal({ name: 'listed' });
    });

    it('asks no registry', async () => {
      const own = await upstream('own');
      let watched = 0;
      const registry = { ...memoryRegistry(), watch: () => (watched++, memoryRegistry().watch('users', new AbortController().signal)) };
      await clientTo('users', { registry }).get('/', { address: own.origin });
      expect(watched).to.equal(0);
    });

    it('is seen by the wrappers of an attempt, and counted while it is under way', async () => {
      const own = await upstream('own');
      const seen: unknown[] = [];
      const users = clientTo('users', {
        registry: staticRegistry(),
        attemptWrappers: [
          (next) => (call) => {
            seen.push(call.endpoint!.origin, ...users.endpoints().map(({ origin, open: under, waiting }) => [origin, under, waiting]));
            return next(call);
          },
        ],
      });
      await users.get('/', { address: own.origin });
      expect(seen).to.deep.equal([own.origin, [own.origin, 1, 1]]);
      expect(users.endpoints()[0]).to.include({ origin: own.origin, open: 0, waiting: 0, state: 'ready' });
      expect(users.endpoints()[0]!.latencyMs).to.be.a('number');
    });

    it('is called again by retries, which wait for its Retry-After although others are ready', async () => {
      const clock = manualClock();
      const [listed, own] = [await upstream('listed'), await upstream('own')];
      own.script(answers.reset(), answers.unavailable(3));
      let waiting: (() => void) | undefined;
      const second = new Promise<void>((resolve) => (waiting = resolve));
      const users = clientTo('users', {
        registry: staticRegistry({ users: listed.origin }),
        clock,
        retry: { on: ({ delayMs }) => delayMs > 0 && waiting!() },
        timeout: false,
      });
      await users.get('/');
      const reply = users.get('/', { address: own.origin });
      await second;
      await clock.advance(2_999);
      expect(own.requests).to.have.length(2);
      await clock.advance(1);
      expect(await reply).to.deep.equal({ name: 'own' });
      expect(own.requests).to.have.length(3);
      expect(listed.requests).to.have.length(1);
    });

    it('keeps the timeouts and the circuit breaker of the client', async () => {
      const clock = manualClock();
      const own = await upstream('own');
      own.otherwise(answers.hang());
      const circuitBreaker = { threshold: 1, minimumCalls: 1 };
      const users = clientTo('users', { registry: staticRegistry(), clock, timeout: '200ms', retry: false, circuitBreaker });
      const late = failureOf(users.get('/', { address: own.origin }));
      await own.received(1);
      await clock.advance(200);
      expect(await late).to.include({ code: 'DEADLINE_EXCEEDED' });
      expect(await failureOf(users.get('/', { address: own.origin }))).to.include({ reason: 'CIRCUIT_OPEN' });
    });

    it('that refuses connections is called again and never ejected', async () => {
      const gone = await upstream('gone');
      await gone.close();
      const users = clientTo('users', { registry: staticRegistry(), retry: false });
      for (let call = 0; call < 12; call++)
        expect(await failureOf(users.get('/', { address: gone.origin }))).to.include({ reason: 'CONNECT_FAILED' });
      expect(users.endpoints()[0]).to.include({ state: 'ready', open: 0 });
    });

    for (const [address, message] of WRONG) {
      it(`is refused when it is ${JSON.stringify(address)}`, async () => {
        const users = clientTo('users', { registry: staticRegistry() });
        const failure: unknown = await users.get('/', { address: address as string }).catch((error: unknown) => error);
        expect(failure).to.be.instanceOf(TypeError);
        expect((failure as Error).message)
          .to.match(message)
          .and.to.match(/^request GET \//);
      });
    }

    it('may be said by a declared client and by a wrapper', async () => {
      const own = await upstream('own');
      @ServiceClient('users')
      class Users {
        @Get('/') readonly first!: Remote<Record<never, never>, { name: string }>;
      }
      const users = clientOf(Users, clientTo('users', { registry: staticRegistry() }));
      expect(await users.first({ address: own.origin })).to.deep.equal({ name: 'own' });
      const pinned = clientTo('users', {
        registry: staticRegistry(),
        wrappers: [(next) => (call: Call) => (call.values.set(ADDRESS, own.origin), next(call))],
      });
      expect(await pinned.get('/')).to.deep.equal({ name: 'own' });
    });

    it('keeps connections for a minute after the last call, of 64 addresses at most', async () => {
      const clock = manualClock();
      const own = await upstream('own');
      const forgotten: string[] = [];
      const http = opened(httpTransport({ clock }));
      const transport = { ...http, forget: (origin: string) => (forgotten.push(origin), http.forget(origin)) };
      const users = clientTo('users', { registry: staticRegistry(), clock, transport, retry: false, timeout: false, attemptTimeout: false });
      await users.get('/', { address: own.origin });
      await clock.advance(59_999);
      expect(forgotten).to.deep.equal([]);
      await clock.advance(1);
      expect(forgotten).to.deep.equal([own.origin]);
      expect(users.endpoints()).to.deep.equal([]);

      const many = Array.from({ length: 70 }, (_, index) => `http://127.0.0.1:${index + 1}`);
      for (const address of many) await failureOf(users.get('/', { address }));
      expect(forgotten.slice(1)).to.deep.equal(many.slice(0, 6));
      await users[Symbol.asyncDispose]();
      expect(forgotten).to.have.length(71);
      expect(clock.pending).to.equal(0);
    });

    it('is refused by a stack whose client was disposed of', async () => {
      const own = await upstream('own');
      const users = client('users', { registry: staticRegistry() });
      const call = new Call({ side: 'client', operation: { service: 'users', name: 'GET /', method: 'GET', path: '/', idempotent: true } });
      call.values.set(ADDRESS, own.origin);
      await users[Symbol.asyncDispose]();
      expect(await failureOf(call.run(users.handler))).to.include({ reason: 'NO_ENDPOINT', retryable: false });
    });
  });

  describe('direct()', () => {
    it('sends calls to its services there, and others through discovery; a request keeps an address of its own', async () => {
      const [own, other, listed] = [await upstream('own'), await upstream('other'), await upstream('listed')];
      const registry = staticRegistry({ orders: listed.origin, users: listed.origin });
      const wrappers = [direct({ users: `127.0.0.1:${own.port}` })];
      const users = clientTo('users', { registry, wrappers });
      expect(users.describe()).to.include('direct');
      expect(await users.get('/')).to.deep.equal({ name: 'own' });
      expect(await users.get('/', { address: other.origin })).to.deep.equal({ name: 'other' });
      expect(await clientTo('orders', { registry, wrappers }).get('/')).to.deep.equal({ name: 'listed' });
    });

    it('stands in the wrappers of a service for all of its clients, and of a serviceFetch', async () => {
      const own = await upstream('own');
      const wrappers = [direct({ users: own.origin })];
      const service = createService({
        name: 'shop',
        logger: silentLogger,
        signals: false,
        adapter: expressAdapter(),
        registry: staticRegistry(),
        clients: { wrappers },
      });
      expect(await service.client('users').get('/')).to.deep.equal({ name: 'own' });
      await service.stop();
      const fetch = opened(serviceFetch({ registry: staticRegistry(), wrappers }));
      expect(await (await fetch('http://users/')).json()).to.deep.equal({ name: 'own' });
    });

    it('does nothing when it is not enabled', async () => {
      const [own, listed] = [await upstream('own'), await upstream('listed')];
      const wrappers = [direct({ users: own.origin }, { enabled: false })];
      expect(await clientTo('users', { registry: staticRegistry({ users: listed.origin }), wrappers }).get('/')).to.deep.equal({ name: 'listed' });
    });

    it('says that it stands in the wrong place below balance', async () => {
      const listed = await upstream('listed');
      const users = clientTo('users', {
        registry: staticRegistry({ users: listed.origin }),
        attemptWrappers: [direct({ users: listed.origin })],
        retry: false,
      });
      const failure: unknown = await users.get('/').catch((error: unknown) => error);
      expect((failure as Error).message).to.match(/direct: .*Put direct\(\) into wrappers/);
    });

    for (const [address, message] of WRONG) {
      it(`refuses ${JSON.stringify(address)}, naming the service`, () => {
        expect(() => direct({ users: address as string }))
          .to.throw(TypeError, message)
          .with.property('message')
          .that.matches(/^direct "users": /);
      });
    }

    for (const [make, message] of [
      [() => direct(undefined as never), /there are no services/],
      [() => direct(new Map() as never), /no plain object/],
      [() => direct({ users: ['a:1', 'b:1'] as never }), /is a list.*staticRegistry/],
      [() => direct({ 'us ers': 'a:1' }), /direct service/],
      [() => direct({}, { enable: false } as never), /Did you mean enabled/],
      [() => direct({}, { enabled: 1 as never }), /neither true nor false/],
    ] as const) {
      it(`refuses ${String(make)}`, () => expect(make).to.throw(TypeError, message));
    }
  });
});
