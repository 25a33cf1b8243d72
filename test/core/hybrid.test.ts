import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import {
  client,
  createService,
  ejector,
  get,
  hybrid,
  hybridStrategies,
  isServiceError,
  memoryRegistry,
  silentLogger,
  staticRegistry,
} from '@ferrule/core';
import type { Discovery, HybridConnections, HybridOptions, Instance, Registry, SwitchEvent, Wrapper } from '@ferrule/core';
import { newest } from '@ferrule/core/adapter';
import { expressAdapter } from '@ferrule/express';
import { manualClock, seededRandom } from '@ferrule/testing';

/** An upstream that answers with its name, on one port that it keeps while it is down. */
interface Upstream extends AsyncDisposable {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  status: number;
  calls: number;
  stop(): Promise<void>;
  start(): Promise<void>;
}

async function upstream(name: string): Promise<Upstream> {
  let server: Server | undefined;
  const self: Upstream = {
    name,
    get address() {
      return `127.0.0.1:${self.port}`;
    },
    port: 0,
    status: 200,
    calls: 0,
    async start() {
      server = createServer((request, response) => {
        if (request.url !== '/health') self.calls++;
        response.writeHead(self.status, { 'content-type': 'application/json' }).end(JSON.stringify(name));
      });
      server.listen(self.port, '127.0.0.1');
      await once(server, 'listening');
      (self as { port: number }).port = (server.address() as AddressInfo).port;
    },
    async stop() {
      const stopping = server;
      server = undefined;
      if (stopping === undefined) return;
      const closed = once(stopping, 'close');
      stopping.close();
      stopping.closeAllConnections();
      await closed;
    },
    [Symbol.asyncDispose]: () => self.stop(),
  };
  await self.start();
  return self;
}

function registered(one: Upstream, change: Partial<Instance> = {}): Instance {
  return { id: one.name, service: 'orders', host: '127.0.0.1', port: one.port, ...change };
}

const quick = { interval: 20, timeout: 200, jitter: 0, fall: 2, rise: 2, recovery: { base: 20, cap: 20 } } as const;

function nextSwitch(connections: HybridConnections): Promise<SwitchEvent> {
  return new Promise((resolve) => {
    const end = connections.onSwitch((event) => {
      end();
      resolve(event);
    });
  });
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

const statsOf = (connections: HybridConnections, service = 'orders') => connections.stats().find((one) => one.service === service);

describe('hybrid connections on real sockets', () => {
  for (const [how, check] of [
    ['that is found by calls', false],
    ['that is found by probes too', quick],
  ] as const) {
    it(`leave a direct address ${how} for the registered ones without a failed call, and return`, async () => {
      await using direct = await upstream('direct');
      await using one = await upstream('one');
      await using other = await upstream('other');
      const registry = memoryRegistry();
      await registry.register(registered(one));
      await registry.register(registered(other));
      const seen: SwitchEvent[] = [];
      await using connections = hybrid({
        direct: { orders: direct.address },
        registry,
        check,
        onSwitch: (event) => seen.push(event),
        client: { ejector: ejector({ base: 50, jitter: 0 }) },
      });
      await using orders = client('orders', connections.clientOptions);
      for (let call = 0; call < 10; call++) expect(await orders.get('/')).to.equal('direct');
      expect(one.calls + other.calls).to.equal(0);
      expect(statsOf(connections)).to.include({ side: 'direct', routing: 'as-configured', strategy: 'retry' });

      const away = nextSwitch(connections);
      await direct.stop();
      let isAway = false;
      void away.then(() => (isAway = true));
      let calls = 0;
      for (; !isAway; calls++) {
        expect(await orders.get('/')).to.be.oneOf(['one', 'other']);
        expect(calls, 'a bounded number').to.be.below(200);
      }
      expect(await away).to.include({ service: 'orders', from: 'direct', to: 'registry' });
      for (let call = 0; call < 20; call++) expect(await orders.get('/')).to.be.oneOf(['one', 'other']);
      expect(statsOf(connections)).to.include({ side: 'registry', consecutiveFailures: 0 });

      const back = nextSwitch(connections);
      let isBack = false;
      void back.then(() => (isBack = true));
      await direct.start();
      for (calls = 0; !isBack; calls++) expect(await orders.get('/')).to.be.oneOf(['one', 'other', 'direct']);
      expect(await back).to.include({ from: 'registry', to: 'direct' });
      for (let call = 0; call < 10; call++) expect(await orders.get('/')).to.equal('direct');
      expect(seen).to.deep.equal(connections.history());
      expect(seen.map(({ from, to }) => `${from} ${to}`)).to.deep.equal(['direct registry', 'registry direct']);
      const stats = statsOf(connections)!;
      expect(stats.direct.calls).to.be.at.least(20);
      expect(stats.direct.latencyMs).to.be.above(0);
      expect(stats.registry.calls).to.be.at.least(20);
      expect(stats.registry.failures).to.equal(0);
      expect(stats.switches).to.equal(2);
    });
  }

  it('work on the direct addresses while the registry is away, from the start', async () => {
    await using direct = await upstream('direct');
    const away: Discovery = {
      watch: () => {
        throw new Error('away');
      },
      services: () => Promise.reject(new Error('away')),
    };
    for (const registry of [
      away,
      { ...away, watch: (_service: string, signal: AbortSignal) => newest<readonly Instance[]>(signal, () => () => {}) },
    ]) {
      await using connections = hybrid({ direct: { orders: direct.address }, registry });
      await using orders = client('orders', connections.clientOptions);
      expect(await orders.get('/')).to.equal('direct');
      expect(statsOf(connections)!.registry.state).to.be.oneOf(['failed', 'pending']);
    }
  });

  it('work on what the registry listed last while it is away and the direct addresses are dead', async () => {
    await using direct = await upstream('direct');
    await using one = await upstream('one');
    const registry = memoryRegistry();
    await registry.register(registered(one));
    await using connections = hybrid({ direct: { orders: direct.address }, registry, check: quick });
    await using orders = client('orders', connections.clientOptions);
    expect(await orders.get('/')).to.equal('direct');
    while (statsOf(connections)!.registry.listed !== 1) await new Promise(setImmediate);
    await registry[Symbol.asyncDispose]();
    await direct.stop();
    for (let call = 0; call < 20; call++) expect(await orders.get('/')).to.equal('one');
  });

  it('fail rather than go to the registry without fallback, and find other services there', async () => {
    await using direct = await upstream('direct');
    await using one = await upstream('one');
    const registry = memoryRegistry();
    await registry.register(registered(one));
    await registry.register(registered(one, { id: 'users', service: 'users' }));
    await using connections = hybrid({ direct: { orders: direct.address }, registry, fallback: false, check: quick });
    await using orders = client('orders', { ...connections.clientOptions, retry: false });
    await using users = client('users', connections.clientOptions);
    expect(await orders.get('/')).to.equal('direct');
    expect(await users.get('/')).to.equal('one');
    one.calls = 0;
    await direct.stop();
    while (connections.health.report('orders')[0]?.state !== 'unhealthy') await new Promise(setImmediate);
    for (let call = 0; call < 20; call++) {
      expect(await rejection(orders.get('/'))).to.satisfy((error: unknown) => isServiceError(error) && error.code === 'UNAVAILABLE');
    }
    expect(one.calls).to.equal(0);
    expect(() => connections.route('orders', 'registry-only')).to.throw(TypeError, /fallback: false/);
  });

  it('prefer the registry when told so, and fall back to the direct addresses', async () => {
    await using direct = await upstream('direct');
    await using one = await upstream('one');
    const registry = memoryRegistry();
    const registration = await registry.register(registered(one));
    await using connections = hybrid({ direct: { orders: direct.address }, registry, prefer: 'registry', check: false });
    await using orders = client('orders', connections.clientOptions);
    expect(await orders.get('/')).to.equal('one');
    const away = nextSwitch(connections);
    await registration.deregister();
    expect(await away).to.include({ from: 'registry', to: 'direct' });
    expect(await orders.get('/')).to.equal('direct');
  });

  it('go where a person says, and back', async () => {
    await using direct = await upstream('direct');
    await using one = await upstream('one');
    const registry = memoryRegistry();
    await registry.register(registered(one));
    await using connections = hybrid({ direct: { orders: direct.address }, registry });
    await using orders = client('orders', connections.clientOptions);
    expect(await orders.get('/')).to.equal('direct');
    for (const [routing, expected, reason] of [
      ['prefer-registry', 'one', 'by hand'],
      ['direct-only', 'direct', 'by hand'],
      ['registry-only', 'one', 'by hand'],
      [undefined, 'direct', 'no longer by hand'],
    ] as const) {
      const moved = nextSwitch(connections);
      connections.route('orders', routing);
      expect(await moved).to.include({ to: expected === 'one' ? 'registry' : 'direct' });
      expect(statsOf(connections)!.strategy).to.be.oneOf(routing === undefined ? [undefined, 'retry'] : [reason]);
      expect(await orders.get('/')).to.equal(expected);
    }
  });

  it('serve a service: it registers in the registry, and its clients use both sides', async () => {
    await using direct = await upstream('direct');
    const registry = memoryRegistry();
    await using connections = hybrid({ direct: { orders: direct.address }, registry });
    await using service = createService({
      name: 'shop',
      adapter: expressAdapter(),
      registry: connections.registry,
      clients: connections.clientOptions,
      routes: [get('/', () => service.client('orders').get('/'))],
      listen: { host: '127.0.0.1' },
      logger: silentLogger,
      signals: false,
      drainDelay: 0,
    });
    await service.start();
    expect(await registry.services()).to.deep.equal(['shop']);
    await using shop = client('shop', connections.clientOptions);
    expect(await shop.get('/')).to.equal('direct');
  });
});

describe('hybrid strategies', () => {
  const PORTS = { direct: 1, registry: 2 };

  /** Connections without traffic, at the time of a manual clock; what is listed is looked at in their directory. */
  async function scene(options: Partial<HybridOptions> = {}) {
    const clock = manualClock();
    const registry: Registry = memoryRegistry();
    await registry.register({ id: 'r', service: 'orders', host: '10.0.0.1', port: PORTS.registry });
    const log: string[] = [];
    const write = (fields: object, message: string): void =>
      void log.push(`${message} ${String((fields as { error?: unknown }).error ?? '')}`.trim());
    const connections = hybrid({
      direct: { orders: { id: 'd', host: '10.0.0.1', port: PORTS.direct } },
      registry,
      check: false,
      clock,
      random: seededRandom(1),
      logger: { debug: () => {}, info: () => {}, warn: write, error: write },
      ...options,
    });
    connections.directory.lookup('orders');
    await clock.advance(5);
    return {
      clock,
      registry,
      connections,
      log,
      list: () => connections.directory.lookup('orders').instances.map(({ id, priority = 0 }) => `${id}/${priority}`),
      stats: () => statsOf(connections)!,
      /** What the attempt's outcome is told to. */
      async attempt(outcome: 'ok' | 'failed', id = 'd') {
        const [count] = connections.clientOptions.attemptWrappers as readonly [(next: unknown) => (call: unknown) => Promise<unknown>];
        const reply = outcome === 'ok' ? Promise.resolve({}) : Promise.reject(new Error('no'));
        const listeners: ((status: number) => void)[] = [];
        const call = {
          endpoint: { id, origin: '' },
          operation: { service: 'orders' },
          aborted: false,
          onAnswered: (listener: (status: number) => void) => void listeners.push(listener),
        };
        const settled = count(() => {
          for (const listener of listeners) listener(outcome === 'ok' ? 200 : 500);
          return reply;
        })(call);
        await rejection(settled);
        await clock.advance(0);
      },
    };
  }

  it('are by default those of the original design: retry, then direct ones if they are healthy, then what was known last', async () => {
    expect(hybridStrategies.map(({ name }) => name)).to.deep.equal(['retry', 'direct_only', 'cache_fallback']);
    const { attempt, stats, list, clock, connections, registry } = await scene();
    expect(stats()).to.include({ strategy: 'retry', routing: 'as-configured', consecutiveFailures: 0 });
    expect(list()).to.deep.equal(['d/0', 'r/1']);
    for (let failures = 0; failures < 3; failures++) await attempt('failed');
    expect(stats()).to.include({ strategy: 'direct_only', routing: 'prefer-direct', consecutiveFailures: 3 });
    await attempt('ok');
    expect(stats(), 'held for a while').to.include({ strategy: 'direct_only', consecutiveFailures: 0 });
    await clock.advance(10_000);
    expect(stats()).to.include({ strategy: 'retry', routing: 'as-configured' });

    connections.health.setHealth('orders', 'd', false);
    for (let failures = 0; failures < 3; failures++) await attempt('failed', 'r');
    await clock.advance(1_000);
    expect(stats()).to.include({ strategy: 'cache_fallback', routing: 'last-known' });
    const gone = await registry.register({ id: 'r', service: 'orders', host: '10.0.0.1', port: PORTS.registry });
    await gone.deregister();
    await clock.advance(10);
    expect(list(), 'the registry has lost all, and its last list is served').to.deep.equal(['d/0', 'r/1']);
    await attempt('ok', 'r');
    await clock.advance(10_000);
    expect(list()).to.deep.equal(['d/0']);
    expect(stats().direct).to.include({ calls: 4, failures: 3, listed: 1, healthy: 0 });
    expect(stats().registry).to.include({ calls: 4, failures: 3, listed: 0 });
  });

  it('are asked by priority, and the first whose condition holds is in force as long as it does', async () => {
    let busy = false;
    const asked: string[] = [];
    const { clock, stats, list } = await scene({
      interval: '5s',
      strategies: [
        { name: 'low', condition: () => true, action: 'registry-only' },
        {
          name: 'high',
          priority: 1,
          condition: (state) => {
            asked.push(`${state.service} ${state.direct.listed} ${state.registry.state}`);
            return busy;
          },
          action: 'direct-only',
        },
      ],
    });
    expect(stats()).to.include({ strategy: 'low', routing: 'registry-only' });
    expect(list()).to.deep.equal(['r/0']);
    busy = true;
    await clock.advance(5_000);
    expect(stats()).to.include({ strategy: 'high', routing: 'direct-only' });
    expect(list()).to.deep.equal(['d/0']);
    busy = false;
    await clock.advance(5_000);
    expect(stats()).to.include({ strategy: 'low' });
    expect(asked[0]).to.match(/^orders 1 (idle|pending|known)$/);
  });

  it('make a switch an event with their name, in a bounded history', async () => {
    let side: 'prefer-direct' | 'prefer-registry' = 'prefer-direct';
    const { clock, connections } = await scene({
      history: 3,
      strategies: [
        { name: 'one', condition: () => side === 'prefer-direct', action: 'prefer-direct' },
        { name: 'other', condition: () => side === 'prefer-registry', action: 'prefer-registry' },
      ],
    });
    const seen: SwitchEvent[] = [];
    connections.onSwitch((event) => seen.push(event));
    for (let turn = 0; turn < 5; turn++) {
      side = turn % 2 === 0 ? 'prefer-registry' : 'prefer-direct';
      await clock.advance(5_000);
    }
    expect(seen.map(({ from, to, reason }) => `${from} ${to}: ${reason}`)).to.deep.equal([
      'direct registry: strategy other',
      'registry direct: strategy one',
      'direct registry: strategy other',
      'registry direct: strategy one',
      'direct registry: strategy other',
    ]);
    expect(connections.history()).to.deep.equal(seen.slice(-3));
    expect(seen[0]!.at).to.be.at.most(clock.wallTime());
  });

  it('that set each other off cannot spin', async () => {
    const { clock, stats, connections } = await scene({
      strategies: [
        { name: 'a', condition: ({ routing }) => routing !== 'prefer-registry', action: 'prefer-registry' },
        { name: 'b', condition: ({ routing }) => routing === 'prefer-registry', action: 'direct-only' },
      ],
    });
    const before = stats().switches;
    await clock.advance(20_000);
    expect(stats().switches - before, 'once a second at most').to.be.within(1, 20);
    await connections[Symbol.asyncDispose]();
    expect(clock.pending).to.equal(0);
  });

  const failing: readonly [string, unknown, RegExp][] = [
    ['throws', () => { throw new Error('action failed'); }, /Error: action failed/],
    ['rejects', () => Promise.reject(new Error('action rejected')), /Error: action rejected/],
    ['is late', () => new Promise(() => {}), /TimeoutError/],
    ['asks for nonsense', () => 'everywhere', /it asks for everywhere/],
  ]; // prettier-ignore
  for (const [what, action, message] of failing) {
    it(`that fail are rolled back, left aside and make room for others: an action that ${what}`, async () => {
      const rolledBack: string[] = [];
      let acted = 0;
      const { clock, stats, log } = await scene({
        interval: '1s',
        strategies: [
          {
            name: 'bad',
            priority: 1,
            timeout: '2s',
            condition: () => true,
            action: () => {
              acted++;
              return (action as () => Promise<'direct-only'>)();
            },
            rollback: (state, { error, signal }) => void rolledBack.push(`${state.service} ${String(error)} ${signal.aborted}`),
          },
          { name: 'good', condition: () => true, action: 'prefer-registry' },
        ],
      });
      await clock.advance(3_000);
      expect(rolledBack).to.have.length(1);
      expect(rolledBack[0]).to.match(message);
      expect(stats()).to.include({ strategy: 'good', routing: 'prefer-registry', failedActions: 1 });
      await clock.advance(20_000);
      expect(acted).to.equal(1);
      await clock.advance(15_000);
      expect(acted, 'tried again').to.equal(2);
      expect(log.filter((line) => line.startsWith('The action of a strategy failed'))).to.have.length(2);
    });
  }

  it('have a rollback that may fail or hang itself, and a condition that may throw', async () => {
    for (const rollback of [
      () => {
        throw new Error('rollback failed');
      },
      () => new Promise(() => {}),
    ]) {
      // prettier-ignore
      const { clock, stats, log } = await scene({
        strategies: [
          { name: 'bad', priority: 2, timeout: '1s', condition: () => true, action: () => Promise.reject(new Error('no')), rollback },
          { name: 'worse', priority: 1, condition: () => { throw new Error('no condition'); }, action: 'direct-only' },
        ],
      }); // prettier-ignore
      await clock.advance(3_000);
      expect(stats()).to.include({ strategy: undefined, routing: 'as-configured' });
      expect(log.some((line) => line.startsWith('The rollback of a strategy failed'))).to.equal(true);
      expect(log.some((line) => line.includes('no condition'))).to.equal(true);
    }
  });

  it('whose action runs are aborted when the connections are disposed of', async () => {
    const signals: AbortSignal[] = [];
    const { connections, clock } = await scene({
      strategies: [{ name: 'slow', condition: () => true, action: (_state, { signal }) => new Promise<undefined>(() => signals.push(signal)) }],
    });
    expect(signals).to.have.length(1);
    await connections[Symbol.asyncDispose]();
    expect(signals[0]!.aborted).to.equal(true);
    await clock.advance(0);
    expect(clock.pending).to.equal(0);
  });

  it('do not reach the registry without fallback, whatever they ask for', async () => {
    const { clock, stats, list } = await scene({
      fallback: false,
      strategies: [
        { name: 'over', priority: 2, condition: () => true, action: 'registry-only' },
        { name: 'order', priority: 1, condition: () => true, action: 'prefer-registry' },
      ],
    });
    await clock.advance(1_000);
    expect(stats()).to.include({ strategy: 'order', failedActions: 1 });
    expect(list()).to.deep.equal(['d/0']);
  });

  it('say nothing about a service without direct addresses, until it has one', async () => {
    const { clock, connections } = await scene({ strategies: [{ name: 'any', condition: () => true, action: 'direct-only' }] });
    connections.directory.lookup('users');
    await clock.advance(10);
    expect(statsOf(connections, 'users')).to.include({ strategy: undefined, routing: 'as-configured' });
    connections.direct.add('users', '10.0.0.2:1');
    await clock.advance(10);
    expect(statsOf(connections, 'users')).to.include({ strategy: 'any', routing: 'direct-only' });
  });
});

describe('hybrid', () => {
  it('takes a static registry, which it leaves open, and options for one service', async () => {
    const direct = staticRegistry({ orders: '10.0.0.1:1', users: '10.0.0.1:2' });
    const registry = memoryRegistry();
    const clock = manualClock();
    const connections = hybrid({ direct, registry, clock, check: false, services: { users: { fallback: false } } });
    expect(connections.direct).to.equal(direct);
    for (const service of ['orders', 'users']) connections.directory.lookup(service);
    await clock.advance(0);
    expect(connections.registry.modeOf('orders')).to.equal('merge');
    expect(connections.registry.modeOf('users')).to.equal('either');
    await connections[Symbol.asyncDispose]();
    await connections[Symbol.asyncDispose]();
    expect(await direct.services()).to.deep.equal(['orders', 'users']);
    expect(await registry.services()).to.deep.equal([]);
    expect(clock.pending).to.equal(0);
  });

  it('keeps the wrappers and listeners that clients were given', async () => {
    const mine: readonly Wrapper[] = [(next) => next];
    const changes: unknown[] = [];
    const connections = hybrid({
      direct: { orders: '10.0.0.1:1' },
      registry: memoryRegistry(),
      client: { attemptWrappers: mine, attemptTimeout: '2s', onPriority: (change) => changes.push(change) },
    });
    expect(connections.clientOptions.attemptWrappers).to.have.length(2);
    expect(connections.clientOptions.attemptTimeout).to.equal('2s');
    connections.clientOptions.onPriority!({ service: 'orders', from: 0, to: 1, reason: 'x', at: 0 });
    expect(changes).to.have.length(1);
    await connections[Symbol.asyncDispose]();
  });

  it('knows a thousand services at most: the oldest that nobody watches makes room', async () => {
    const clock = manualClock();
    const connections = hybrid({ direct: { s0: '10.0.0.1:1' }, registry: memoryRegistry(), clock, check: false });
    for (let index = 0; index < 1_000; index++) connections.route(`s${index}`, 'prefer-registry');
    expect(connections.registry.modeOf('s0')).to.equal('merge-reversed');
    connections.route('one-more', 'direct-only');
    expect(connections.stats()).to.have.length(1_000);
    expect(statsOf(connections, 's0')).to.equal(undefined);
    expect(connections.registry.modeOf('s0')).to.equal('either');
    await connections[Symbol.asyncDispose]();
    expect(clock.pending).to.equal(0);
  });

  const fine = { direct: { orders: '10.0.0.1:1' }, registry: memoryRegistry() };
  const strategy = { name: 'a', condition: () => true, action: 'direct-only' } as const;
  const bad: readonly [string, unknown, RegExp][] = [
    ['no direct addresses', { registry: fine.registry }, /hybrid direct: it is missing/],
    ['a bad address', { ...fine, direct: { orders: 'nowhere' } }, /"orders".*"nowhere"/],
    ['no registry', { direct: fine.direct }, /hybrid registry/],
    ['a misspelt option', { ...fine, prefers: 'direct' }, /no option "prefers".*prefer/],
    ['an unknown side', { ...fine, prefer: 'dns' }, /hybrid prefer: "dns"/],
    ['a flag that is none', { ...fine, fallback: 'no' }, /hybrid fallback: "no"/],
    ['a bad check', { ...fine, check: { interval: 0 } }, /hybrid check interval: 0/],
    ['a bad check of one service', { ...fine, services: { orders: { check: { rise: 0 } } } }, /hybrid services\["orders"\] check rise: 0/],
    ['a misspelt option of one service', { ...fine, services: { orders: { fallbak: false } } }, /no option "fallbak"/],
    ['a registry for clients', { ...fine, client: { registry: fine.registry } }, /hybrid client.registry: it is what hybrid makes itself/],
    ['a bad client', { ...fine, client: { timeout: 'long' } }, /timeout: "long"/],
    ['a history of none', { ...fine, history: -1 }, /hybrid history: -1/],
    ['a hot loop', { ...fine, interval: 1 }, /hybrid interval: 1/],
    ['a strategy without a name', { ...fine, strategies: [{ ...strategy, name: '' }] }, /strategies\[0\] name: ""/],
    ['two strategies of one name', { ...fine, strategies: [strategy, strategy] }, /strategies\[1\] name: "a" is taken/],
    ['a strategy without a condition', { ...fine, strategies: [{ ...strategy, condition: true }] }, /condition: true/],
    ['an unknown action', { ...fine, strategies: [{ ...strategy, action: 'panic' }] }, /action: "panic"/],
    ['a priority that is none', { ...fine, strategies: [{ ...strategy, priority: 'high' }] }, /priority: "high"/],
  ];
  for (const [what, options, message] of bad) {
    it(`refuses ${what}`, () => {
      expect(() => hybrid(options as HybridOptions)).to.throw(TypeError, message);
    });
  }
});
