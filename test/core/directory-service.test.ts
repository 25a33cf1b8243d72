import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Container } from 'inversify';
import { createService, fileRegistry, get, memoryRegistry, monitor, silentLogger } from '@ferrule/core';
import type { Instance, InstanceStatus, Registry, ServiceOptions } from '@ferrule/core';
import { Tokens } from '@ferrule/core/adapter';
import type { SnapshotStore, StoredSnapshot } from '@ferrule/core/adapter';
import { coreModule, createService as createInjected } from '@ferrule/core/di';
import { expressAdapter } from '@ferrule/express';
import { manualClock } from '@ferrule/testing';
import { Child } from '../support/child.js';
import { instance } from './directory-fixtures.js';

function memoryStore(...lists: readonly StoredSnapshot[]): SnapshotStore {
  const kept = new Map(lists.map((list) => [list.service, list]));
  return {
    name: 'memory',
    load: async (service) => kept.get(service),
    save: async (list) => void kept.set(list.service, list),
    async [Symbol.asyncDispose]() {},
  };
}

/** A memory registry whose watches can be made to fail. */
function frail() {
  const registry = memoryRegistry();
  const failing = { error: undefined as Error | undefined };
  const broken = new Set<(error: Error) => void>();
  const reported: InstanceStatus[] = [];
  const frailRegistry: Registry = {
    ...registry,
    async register(one, options) {
      const registration = await registry.register(one, options);
      return {
        ...registration,
        get instance() {
          return registration.instance;
        },
        async report(status, note) {
          reported.push(status);
          await registration.report(status, note);
        },
        deregister: () => registration.deregister(),
      };
    },
    async *watch(service, signal) {
      if (failing.error !== undefined) throw failing.error;
      const lost = new Promise<never>((_resolve, reject) => broken.add(reject));
      lost.catch(() => {});
      const lists = registry.watch(service, signal)[Symbol.asyncIterator]();
      try {
        for (;;) {
          const step: IteratorResult<readonly Instance[], unknown> = await Promise.race([lists.next(), lost]);
          if (step.done === true) return;
          yield step.value;
        }
      } finally {
        await lists.return?.();
      }
    },
  };
  return {
    registry: frailRegistry,
    reported,
    down(error: Error) {
      failing.error = error;
      for (const lose of broken) lose(error);
      broken.clear();
    },
    up: () => void (failing.error = undefined),
  };
}

function scene(options: Partial<ServiceOptions> = {}) {
  const clock = manualClock();
  const log: { message: string; fields: Record<string, unknown> }[] = [];
  const write = (fields: object, message: string) => void log.push({ message, fields: { ...fields } });
  const { registry, reported, down, up } = frail();
  const service = createService({
    name: 'gateway',
    adapter: expressAdapter(),
    registry,
    listen: { host: '127.0.0.1' },
    signals: false,
    drainDelay: 0,
    clock,
    random: () => 0,
    logger: { debug: write, info: write, warn: write, error: write },
    ...options,
  });
  const warning = async () => {
    await clock.advance(1_000);
    const { status, checks } = await service.monitor.ready();
    return [status, checks.find(({ name }) => name.startsWith('discovery'))?.output];
  };
  return { service, clock, log, registry, reported, down, up, warning };
}

describe('a service and its discovery', () => {
  it('has no check of it before a client needs it, and one that passes then', async () => {
    const { service, warning } = scene();
    await service.start();
    expect(service.monitor.checks).to.deep.equal([]);
    expect(service.describe().discovery).to.equal(undefined);
    service.client('http://127.0.0.1:1');
    expect(service.monitor.checks, 'an address is not discovered').to.deep.equal([]);
    service.client('orders');
    expect(service.monitor.checks).to.deep.equal(['discovery']);
    expect(await warning()).to.deep.equal(['pass', undefined]);
    expect(service.describe().discovery).to.deep.include({ watches: 0, services: [] });
    await service.stop();
    expect(service.monitor.checks, 'a monitor may outlive it').to.deep.equal([]);
  });

  it('warns while the registry is away and says what is served from where; live is untouched; the registry is not told', async () => {
    const at = Date.UTC(2026, 0, 1);
    const users: StoredSnapshot = { service: 'users', instances: [instance('u', { service: 'users' })], at };
    const { service, registry, reported, warning, down, up, clock } = scene({
      discovery: { store: memoryStore(users), warmUp: ['orders'] },
      readinessInterval: '1s',
    });
    await registry.register(instance('1'));
    await service.start();
    expect(await warning()).to.deep.equal(['pass', undefined]);
    down(new Error('consul token hunter2 refused'));
    expect(await warning()).to.deep.equal(['warn', 'registry away since 2026-01-01T00:00:01.000Z, serving 1 service from memory']);
    service.client('users');
    const { directory } = sharedDirectory(service);
    await directory.ready('users');
    await directory.ready('nobody');
    expect(await warning()).to.deep.equal([
      'warn',
      'registry away since 2026-01-01T00:00:01.000Z, serving 1 service from the memory store, serving 1 service from memory, no list of nobody',
    ]);
    expect((await service.monitor.live()).status).to.equal('pass');
    const described = service.describe().discovery!;
    expect(described.services.map(({ service: name, source, stale }) => `${name} ${source} ${stale}`)).to.deep.equal([
      'orders registry true',
      'users store true',
      'nobody undefined false',
    ]);
    expect(JSON.stringify(service.describe())).to.not.include('hunter2');
    await clock.advance(5_000);
    expect(reported, 'it is no news about this instance').to.deep.equal([]);
    up();
    await clock.advance(1_000);
    expect(await warning()).to.deep.equal(['pass', undefined]);
    await service.stop();
  });

  it('learns of a change at once, without being asked', async () => {
    const { service, registry, down, clock } = scene({ discovery: { warmUp: ['orders'] } });
    await registry.register(instance('1'));
    await service.start();
    const heard: string[] = [];
    service.monitor.onStatus(({ status }) => heard.push(status));
    down(new Error('down'));
    await clock.advance(0);
    expect(heard).to.deep.equal(['warn']);
    await service.stop();
  });

  it('warms services up by the time it is ready', async () => {
    const { service, registry } = scene({ discovery: { warmUp: ['orders', 'users'] } });
    await registry.register(instance('1'));
    await service.start();
    expect(service.describe().discovery!.services.map(({ service: name, state }) => `${name} ${state}`)).to.deep.equal([
      'orders bound',
      'users empty',
    ]);
    await service.stop();
  });

  it('starts although a warm-up fails, and logs it; and waits 2 s for one that hangs', async () => {
    const failing = scene({ discovery: { warmUp: ['orders'] } });
    const error = new Error('down');
    failing.down(error);
    await failing.service.start();
    expect(failing.log.find(({ message }) => message.startsWith('Some services are not known'))?.fields).to.deep.equal({
      known: 0,
      failed: [{ service: 'orders', error }],
    });
    await failing.service.stop();

    const silent: Registry = {
      ...memoryRegistry(),
      async *watch(_service, signal) {
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        yield [];
      },
    };
    const hanging = scene({ registry: silent, discovery: { warmUp: ['orders'] } });
    const started = hanging.service.start();
    while (hanging.service.address === undefined) await new Promise((resolve) => setImmediate(resolve));
    await hanging.clock.advance(1_999);
    expect(hanging.service.state).to.equal('starting');
    await hanging.clock.advance(1);
    await started;
    expect(hanging.service.state).to.equal('ready');
    await hanging.service.stop();
  });

  it('writes what it was told to the store by the time it has stopped', async () => {
    const saved: StoredSnapshot[] = [];
    const store = { ...memoryStore(), save: async (list: StoredSnapshot) => void saved.push(list) };
    const { service, registry } = scene({ discovery: { store, warmUp: ['orders'] } });
    await registry.register(instance('1'));
    await service.start();
    await service.stop();
    expect(saved.map(({ service: name, instances }) => `${name} ${instances.length}`)).to.deep.equal(['orders 1']);
  });

  it('keeps apart the checks of two services with one monitor', async () => {
    const health = monitor();
    const [one, other] = [scene({ health, name: 'one' }), scene({ health, name: 'other' })];
    one.service.client('orders');
    other.service.client('orders');
    expect(health.checks).to.deep.equal(['discovery', 'discovery of other']);
    await one.service.stop();
    await other.service.stop();
    expect(health.checks).to.deep.equal([]);
  });

  it('takes a store from a container; its own option wins', async () => {
    const container = new Container();
    const [bound, given] = [memoryStore(), { ...memoryStore(), name: 'given' }];
    container.bind(Tokens.SnapshotStore).toConstantValue(bound);
    container.load(
      coreModule({ name: 'gateway', adapter: expressAdapter(), registry: memoryRegistry(), logger: silentLogger, discovery: { staleFor: '5m' } }),
    );
    const injected = createInjected(container);
    injected.client('orders');
    expect(injected.describe().discovery!.levels.store?.name).to.equal('memory');
    const own = createInjected(container, { adapter: expressAdapter(), discovery: { store: given } });
    own.client('orders');
    expect(own.describe().discovery!.levels.store?.name).to.equal('given');
    await injected.stop();
    await own.stop();
  });

  for (const [options, message] of [
    [{ discovery: { stalefor: '1m' } as never }, /createService discovery.*stalefor.*staleFor/],
    [{ discovery: { staleFor: 'long' } }, /createService discovery staleFor.*long/],
    [{ discovery: { warmUp: ['a b'] } }, /discovery\.warmUp services\[0\].*a b/],
    [{ discovery: { warmUp: 'orders' as never } }, /discovery\.warmUp.*list/],
    [{ discovery: { store: {} as never } }, /discovery store.*load/],
    [{ discovery: null as never }, /createService discovery: null/],
    [{ discovery: { warmUp: ['a'] }, registry: undefined as never }, /no registry.*fileRegistry/],
  ] as const) {
    it(`refuses an option that does not fit: ${message.source}`, () => {
      expect(() => scene(options)).to.throw(TypeError, message);
    });
  }
});

/** What the clients of a service share, by way of what they are made of. */
function sharedDirectory(service: ReturnType<typeof createService>) {
  return {
    directory: {
      ready: async (name: string) => {
        await service
          .client(name)
          .get('/', { timeout: '1s' })
          .catch(() => {});
      },
    },
  };
}

describe('a process whose registry is dead from the start', function () {
  this.timeout(30_000);
  let parent: string;
  const children: Child[] = [];
  beforeEach(() => void (parent = mkdtempSync(join(tmpdir(), 'ferrule-dead-'))));
  afterEach(() => {
    for (const { process: child } of children.splice(0)) child.kill('SIGKILL');
    rmSync(parent, { recursive: true, force: true });
  });

  it('serves from the file store of the one before it, is ready with a warning, and passes when the registry is back', async () => {
    const [directory, store] = [join(parent, 'registry'), join(parent, 'lists')];
    const registry = fileRegistry({ directory });
    const orders = createService({
      name: 'orders',
      adapter: expressAdapter(),
      registry,
      listen: { host: '127.0.0.1' },
      signals: false,
      drainDelay: 0,
      logger: silentLogger,
      routes: [get('/order', () => ({ id: 7 }))],
    });
    await orders.start();
    const gateway = async (): Promise<{ child: Child; ask(path: string): Promise<[number, unknown]> }> => {
      const child = new Child(new URL('../support/gateway-process.js', import.meta.url), directory, store);
      children.push(child);
      const port = await child.port('gateway');
      return {
        child,
        async ask(path) {
          const reply = await fetch(`http://127.0.0.1:${port}${path}`);
          return [reply.status, await reply.json()];
        },
      };
    };

    const first = await gateway();
    expect(await first.ask('/order')).to.deep.equal([200, { id: 7 }]);
    expect(await first.ask('/health/ready')).to.have.nested.property('[1].status', 'pass');
    first.child.process.kill('SIGTERM');
    expect(await first.child.exit).to.deep.equal([0, null]);

    chmodSync(directory, 0o777); // From now on the registry refuses to work.
    const second = await gateway();
    expect(await second.ask('/order')).to.deep.equal([200, { id: 7 }]);
    const [status, ready] = (await second.ask('/health/ready')) as [number, { status: string; checks: { discovery: { output: string }[] } }];
    expect([status, ready.status]).to.deep.equal([200, 'warn']);
    expect(ready.checks.discovery[0]!.output).to.match(/^registry away since .+Z, serving 1 service from the file store$/);
    expect(await second.ask('/health/live')).to.have.nested.property('[1].status', 'pass');

    chmodSync(directory, 0o700);
    await second.child.line('The registry answers again');
    expect(await second.ask('/order')).to.deep.equal([200, { id: 7 }]);
    // An answer of a check is used for a second.
    let [, now] = (await second.ask('/health/ready')) as [number, { status: string }];
    for (let again = 0; now.status !== 'pass' && again < 200; again++) [, now] = (await second.ask('/health/ready')) as [number, { status: string }];
    expect(now.status).to.equal('pass');
    await orders.stop();
    await registry[Symbol.asyncDispose]();
  });
});
