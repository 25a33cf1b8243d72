import { createService, isServiceError, memoryRegistry, monitor, silentLogger } from '@ferrule/core';
import type { Address, HttpAdapter, Instance, RegisterOptions, Registration, Registry, Service, ServiceOptions } from '@ferrule/core';
import { keeper } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';
import type { ManualClock } from '@ferrule/testing';
import { expect } from 'chai';

const ADDRESS: Address = { host: '127.0.0.1', port: 8080 };
const adapter = (log: string[]): HttpAdapter => ({
  name: 'scripted',
  mount: () => {},
  attach: () => {},
  listen: async () => ADDRESS,
  startDraining: () => void log.push('startDraining'),
  close: async () => void log.push('close'),
});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('registering', () => {
  let clock: ManualClock;
  let log: string[];
  const registryOf = (register: (instance: Instance, options: RegisterOptions) => Promise<Registration>): Registry => ({
    ...memoryRegistry(),
    name: 'scripted',
    register: (instance, options = {}) => register(instance, options),
  });
  const registrationOf = (instance: Instance, more: Partial<Registration> = {}): Registration => ({
    instance,
    report: async (status, note) => void log.push(`report ${status}${note === undefined ? '' : ` ${note}`}`),
    deregister: async () => void log.push('deregister'),
    [Symbol.asyncDispose]: async () => {},
    ...more,
  });
  const make = (more: Partial<ServiceOptions>): Service =>
    createService({ name: 'orders', id: 'orders-1', adapter: adapter(log), clock, signals: false, logger: silentLogger, random: () => 0.5, ...more });

  beforeEach(() => {
    clock = manualClock();
    log = [];
  });

  describe('with failFast', () => {
    const failing = async (registry: Registry): Promise<unknown> => {
      const started = make({ registry, failFast: true })
        .start()
        .catch((error: unknown) => error);
      await turn();
      await clock.advance(60_000);
      return started;
    };

    it('says that the registry did not answer, with names and time', async () => {
      const error = await failing(registryOf(() => new Promise(() => {})));
      expect(isServiceError(error)).to.equal(true);
      expect(error).to.include({ code: 'DEADLINE_EXCEEDED' });
      expect(String(error)).to.include('Service orders (orders-1) could not be registered in the scripted registry within 10000 ms');
    });

    it('says what the registry failed of when it tries again, as the cause too', async () => {
      const refused = new Error('connect ECONNREFUSED 127.0.0.1:8500');
      const entry = { put: () => Promise.reject(refused), renew: async () => 'gone' as const, remove: async () => {} };
      const registry = registryOf(async (instance, { signal, onRetry }) => {
        const kept = keeper(instance, entry, { everyMs: 15_000, clock, random: () => 0.5, logger: silentLogger, onRetry });
        await kept.begin(signal);
        return kept;
      });
      const error = await failing(registry);
      expect(error).to.include({ code: 'UNAVAILABLE', cause: refused });
      expect(String(error)).to.match(/orders \(orders-1\) .* scripted registry within 10000 ms: connect ECONNREFUSED/);
    });

    it('gives on what the registry rejects with', async () => {
      const denied = new Error('no');
      expect(await failing(registryOf(() => Promise.reject(denied)))).to.equal(denied);
    });
  });

  it('brings a readiness that changed meanwhile with the entry', async () => {
    let status: 'pass' | 'warn' = 'pass';
    let changed = (): void => {};
    const given: (string | undefined)[] = [];
    const answers: (() => void)[] = [];
    const registry = registryOf(
      (instance) => new Promise((resolve) => (given.push(instance.status), answers.push(() => resolve(registrationOf(instance))))),
    );
    const health = monitor({ clock, checks: [{ name: 'cache', run: () => ({ status }), onChange: (tell) => ((changed = tell), () => {}) }] });
    const started = make({ registry, health }).start();
    await turn();
    await clock.advance(2_000); // it is ready without the registry
    await started;
    status = 'warn';
    changed();
    await turn();
    expect([given, log]).to.deep.equal([['pass'], []]);
    answers[0]!();
    await turn();
    expect(log).to.deep.equal(['report warn not passing: cache']);
  });

  it('takes a later attempt to begin with the readiness of then', async () => {
    let changed = (): void => {};
    let status: 'pass' | 'fail' = 'pass';
    let down = true;
    const given: (string | undefined)[] = [];
    const registry = registryOf(async (instance) => {
      given.push(instance.status);
      if (down) throw new Error('down');
      return registrationOf(instance);
    });
    const health = monitor({ clock, checks: [{ name: 'db', run: () => ({ status }), onChange: (tell) => ((changed = tell), () => {}) }] });
    await make({ registry, health }).start();
    status = 'fail';
    changed();
    await turn();
    down = false;
    await clock.advance(60_000);
    expect([given[0], given.at(-1), log]).to.deep.equal(['pass', 'fail', []]);
  });

  describe('and draining, of a registry that can show it', () => {
    it('leaves the entry until nothing is served any more', async () => {
      const registry = registryOf(async (instance) => registrationOf(instance, { drain: async () => void log.push('drain') }));
      const service = make({ registry, drainDelay: 0 });
      await service.start();
      await service.stop();
      expect(log).to.deep.equal(['drain', 'startDraining', 'close', 'deregister']);
    });

    it('removes it at once when it could not be shown', async () => {
      const registry = registryOf(async (instance) => registrationOf(instance, { drain: () => Promise.reject(new Error('no')) }));
      const service = make({ registry, drainDelay: 0 });
      await service.start();
      await service.stop();
      expect(log).to.deep.equal(['deregister', 'startDraining', 'close']);
    });
  });

  describe('reports readiness', () => {
    let status: 'pass' | 'warn' | 'fail';
    let changed: () => void;
    const started = async (more: Partial<ServiceOptions> = {}): Promise<Service> => {
      const registry = registryOf(async (instance) => registrationOf(instance));
      const check = { name: 'db', run: () => ({ status }), onChange: (tell: () => void) => ((changed = tell), () => {}) };
      const service = make({ registry, drainDelay: 0, health: monitor({ clock, checks: [check] }), ...more });
      await service.start();
      return service;
    };
    const flip = async (to: typeof status): Promise<void> => {
      status = to;
      changed();
      await turn();
    };
    beforeEach(() => void (status = 'pass'));

    it('as soon as the monitor knows, whoever asked it', async () => {
      const service = await started({ readinessInterval: '1h' });
      await clock.advance(2_000);
      status = 'fail';
      await service.monitor.ready(); // a probe
      await turn();
      expect(log).to.deep.equal(['report fail not passing: db']);
    });

    it('at most once a second, and the newest of what came meanwhile', async () => {
      await started({ readinessInterval: '1h' });
      for (const to of ['fail', 'pass', 'warn', 'pass', 'warn'] as const) await flip(to);
      expect(log).to.deep.equal(['report fail not passing: db']);
      await clock.advance(999);
      expect(log).to.have.length(1);
      await clock.advance(1);
      expect(log).to.deep.equal(['report fail not passing: db', 'report warn not passing: db']);
      await clock.advance(60_000);
      expect(log).to.have.length(2);
    });

    it('not when it is as it was told before the second is over', async () => {
      await started({ readinessInterval: '1h' });
      for (const to of ['fail', 'pass', 'fail'] as const) await flip(to);
      await clock.advance(60_000);
      expect(log).to.deep.equal(['report fail not passing: db']);
    });

    it('not of a service that drains: it is deregistered', async () => {
      const service = await started();
      await service.stop();
      await flip('fail');
      await clock.advance(60_000);
      expect([log, clock.pending]).to.deep.equal([['deregister', 'startDraining', 'close'], 0]);
    });
  });
});

describe('the status of a monitor', () => {
  it('is told when it changes, and only then', async () => {
    const clock = manualClock();
    let status: 'pass' | 'warn' | 'fail' = 'pass';
    const health = monitor({ clock, checks: [{ name: 'db', run: () => ({ status }), cacheFor: 0 }] });
    const told: string[] = [];
    const stop = health.onStatus((report) => told.push(`${report.status} ${report.readiness} ${report.checks.map(({ name }) => name).join()}`));
    health.onStatus(() => {
      throw new Error('dropped');
    });
    await health.ready();
    status = 'warn';
    await health.ready();
    await health.ready();
    const remove = health.add({ name: 'disk', run: () => false });
    await health.ready();
    remove();
    health.moveTo('draining');
    expect(told).to.deep.equal(['warn ready db', 'fail ready db,disk', 'warn ready db', 'fail draining db']);
    stop();
    health.moveTo('ready');
    expect(told).to.have.length(4);
  });

  it('follows a check that says when to ask it, also while it runs, until it is removed', async () => {
    let changed = (): void => {};
    let ended = 0;
    let runs = 0;
    let end = (): void => {};
    const health = monitor({ clock: manualClock() });
    const remove = health.add({
      name: 'db',
      run: () => (runs++, new Promise<void>((resolve) => (end = resolve))),
      onChange: (tell) => ((changed = tell), () => void ended++),
    });
    changed();
    await turn();
    for (let times = 0; times < 5; times++) changed();
    expect(runs).to.equal(1);
    end();
    await turn();
    expect(runs).to.equal(2); // once for all five
    end();
    await turn();
    expect(runs).to.equal(2);
    remove();
    changed();
    await turn();
    expect([runs, ended]).to.deep.equal([2, 1]);
  });

  it('refuses an onChange that is no function', () => {
    expect(() => monitor({ checks: [{ name: 'db', run: () => {}, onChange: 5 as never }] })).to.throw(TypeError, 'onChange of check db');
  });
});
