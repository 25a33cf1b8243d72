import { expect } from 'chai';
import { createService, get, memoryRegistry, monitor, post, silentLogger } from '@ferrule/core';
import type {
  Address,
  Check,
  ClientOptions,
  HttpAdapter,
  Instance,
  ListenOptions,
  Mountable,
  Registration,
  Registry,
  Service,
  ServiceOptions,
  Wrapper,
} from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';
import { manualClock } from '@ferrule/testing';
import type { ManualClock } from '@ferrule/testing';

/** Everything that happens, in order. */
type Log = string[];

interface Scripted {
  readonly adapter: HttpAdapter;
  mounted?: Mountable;
  /** Set to make `listen` fail. */
  listenError?: Error;
  /** Set to make `close` wait for its signal. */
  busy?: boolean;
  /** Set to make `close` never end. */
  hangs?: boolean;
}

function scriptedAdapter(log: Log, address: Address = { host: '127.0.0.1', port: 8080 }): Scripted {
  const scripted: Scripted = {
    adapter: {
      name: 'scripted',
      mount(mountable) {
        scripted.mounted = mountable;
        log.push('mount');
      },
      attach: () => void log.push('attach'),
      async listen(options?: ListenOptions) {
        log.push(options === undefined ? 'listen' : `listen ${options.port}`);
        if (scripted.listenError !== undefined) throw scripted.listenError;
        return address;
      },
      startDraining: () => void log.push('startDraining'),
      async close(signal) {
        log.push('close');
        if (scripted.hangs === true) await new Promise(() => {});
        if (scripted.busy === true) await new Promise((resolve) => signal!.addEventListener('abort', resolve, { once: true }));
        log.push(signal!.aborted ? 'cut' : 'closed');
      },
    },
  };
  return scripted;
}

interface ScriptedRegistry extends Registry {
  readonly instances: Instance[];
  down: boolean;
  /** Set to make calls wait for ever. */
  stuck: boolean;
  readonly reported: string[];
}

function scriptedRegistry(log: Log, name = 'scripted'): ScriptedRegistry {
  const registry: ScriptedRegistry = {
    name,
    instances: [],
    down: false,
    stuck: false,
    reported: [],
    async register(instance): Promise<Registration> {
      log.push('register');
      if (registry.stuck) await new Promise(() => {});
      if (registry.down) throw new Error('registry is down');
      registry.instances.push(instance);
      const registration: Registration = {
        instance,
        async report(status, note) {
          if (registry.down) throw new Error('registry is down');
          registry.reported.push(note === undefined ? status : `${status} ${note}`);
        },
        async deregister() {
          log.push('deregister');
          if (registry.stuck) await new Promise(() => {});
          registry.instances.splice(registry.instances.indexOf(instance), 1);
        },
        [Symbol.asyncDispose]: () => registration.deregister(),
      };
      return registration;
    },
    // oxlint-disable-next-line require-yield -- nobody looks anything up here
    async *watch() {},
    services: () => Promise.resolve([]),
    [Symbol.asyncDispose]: async () => void log.push('registry disposed'),
  };
  return registry;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.fail('it resolved'),
    (error: unknown) => error,
  );

describe('life cycle of a service', () => {
  let log: Log;
  let clock: ManualClock;
  let scripted: Scripted;
  let registry: ScriptedRegistry;
  const make = (more: Partial<ServiceOptions> = {}): Service =>
    createService({ name: 'orders', adapter: scripted.adapter, registry, clock, signals: false, logger: silentLogger, random: () => 0.5, ...more });

  beforeEach(() => {
    log = [];
    clock = manualClock();
    scripted = scriptedAdapter(log);
    registry = scriptedRegistry(log);
  });

  it('starts in the order: mount, checks, listen, ready, register', async () => {
    const check: Check = { name: 'db', run: () => void log.push(`check (${service.state})`) };
    const service = make({ health: { checks: [check] } });
    expect([service.state, service.address, service.id]).to.deep.equal(['idle', undefined, undefined]);
    const register = registry.register.bind(registry);
    registry.register = (instance) => {
      log.push(service.state);
      return register(instance);
    };
    const address = await service.start();
    expect(log).to.deep.equal(['mount', 'check (starting)', 'listen', 'ready', 'register']);
    expect([service.state, service.address, address]).to.deep.equal(['ready', address, { host: '127.0.0.1', port: 8080 }]);
    expect(await service.monitor.ready().then(({ status }) => status)).to.equal('pass');
  });

  for (const [whose, more] of [
    ['its own monitor', 0],
    ['a monitor that was given to it', 1],
  ] as const) {
    it(`asks no check in the background after the stop with ${whose}${more === 0 ? '' : ', but leaves that to its owner'}`, async () => {
      let runs = 0;
      const check: Check = { name: 'db', interval: '10s', run: () => void runs++ };
      const health = more === 0 ? { checks: [check] } : monitor({ checks: [check], clock });
      const service = make({ health });
      await service.start();
      await clock.advance(20_000);
      const stopped = service.stop();
      await clock.advance(2_000);
      await stopped;
      const before = runs;
      expect(before).to.be.at.least(2);
      await clock.advance(10_000);
      expect(runs - before).to.equal(more);
      if ('close' in health) health.close();
    });
  }

  it('stops in the order: not ready, deregister, keep serving, close, what it made, hooks from the last to the first', async () => {
    const service = make();
    service.onStop(() => void log.push(`first hook (${service.state})`));
    service.onStop(async () => void log.push('second hook'));
    service.onDrain(() => void log.push('drain hook'));
    await service.start();
    log.length = 0;
    const stopped = service.stop();
    expect([service.state, (await service.monitor.ready()).status, (await service.monitor.live()).status]).to.deep.equal([
      'draining',
      'fail',
      'pass',
    ]);
    await clock.advance(1_999);
    expect(log).to.deep.equal(['deregister', 'startDraining']);
    await clock.advance(1);
    await stopped;
    expect(log).to.deep.equal(['deregister', 'startDraining', 'drain hook', 'close', 'closed', 'second hook', 'first hook (draining)']);
    expect([service.state, service.address, clock.pending]).to.deep.equal(['stopped', undefined, 0]);
  });

  it('registers what it was told, under an id that a person can read', async () => {
    const service = make({ version: '1.2.3', zone: 'a', weight: 2, tags: ['x'], metadata: { k: 'v' } });
    await service.start();
    const [{ id, ...rest }] = registry.instances as [Instance];
    expect(id)
      .to.match(/^orders-127\.0\.0\.1-8080-[0-9a-f]{8}$/)
      .and.to.equal(service.id);
    expect(rest).to.deep.equal({
      version: '1.2.3',
      zone: 'a',
      weight: 2,
      tags: ['x'],
      metadata: { k: 'v' },
      service: 'orders',
      host: '127.0.0.1',
      port: 8080,
      status: 'pass',
    });
  });

  it('registers under a given id and address', async () => {
    const service = make({ id: 'me', advertise: { host: 'orders.internal', port: 80 } });
    await service.start();
    expect(registry.instances[0]).to.include({ id: 'me', host: 'orders.internal', port: 80 });
  });

  it('gives all starts one promise, and all stops one', async () => {
    const service = make({ drainDelay: 0 });
    expect(service.start()).to.equal(service.start());
    await service.start();
    const stops = [service.stop(), service.stop(), service[Symbol.asyncDispose]()];
    expect(stops[1]).to.equal(stops[0]);
    await Promise.all(stops);
    expect(log.filter((what) => what === 'close').length).to.equal(1);
    expect(await failure(service.start())).to.include({ code: 'FAILED_PRECONDITION' });
  });

  it('stops before it was started', async () => {
    const service = make();
    service.onStop(() => void log.push('hook'));
    await service.stop();
    expect([service.state, log]).to.deep.equal(['stopped', ['hook']]);
    expect(await failure(service.start())).to.include({ code: 'FAILED_PRECONDITION' });
    expect(() => service.onStop(() => {})).to.throw(/has stopped already/);
  });

  it('undoes what it began when it cannot listen', async () => {
    scripted.listenError = new Error('EADDRINUSE');
    const service = make();
    service.onStop(() => void log.push('hook'));
    expect(await failure(service.start())).to.equal(scripted.listenError);
    expect(log).to.deep.equal(['mount', 'listen', 'startDraining', 'close', 'closed', 'hook']);
    expect([service.state, clock.pending]).to.deep.equal(['stopped', 0]);
  });

  it('says whose port is taken and what helps, with the code of Node, and says it again at a second start', async () => {
    scripted.listenError = Object.assign(new Error('listen EADDRINUSE: address already in use 0.0.0.0:80'), { code: 'EADDRINUSE' });
    const service = make();
    const error = await failure(service.start());
    expect(error).to.include({ code: 'EADDRINUSE', cause: scripted.listenError });
    expect((error as Error).message).to.match(/^Service orders: listen EADDRINUSE: .*0\.0\.0\.0:80\. .*listen\.port/);
    const again = await failure(service.start());
    expect(again).to.include({ code: 'FAILED_PRECONDITION', cause: error });
    expect((again as Error).message).to.match(/^Service orders did not start \(Service orders: listen EADDRINUSE.*\) and does not start again/);
  });

  it('can be stopped while its checks run: start rejects, and nothing was listened to', async () => {
    const service = make({ health: { checks: [{ name: 'db', run: () => new Promise(() => {}) }] } });
    const started = failure(service.start());
    await turn();
    await service.stop();
    expect(await started).to.include({ code: 'CANCELLED' });
    expect(log).to.deep.equal(['mount']);
    expect(service.state).to.equal('stopped');
  });

  it('can be stopped while it registers: the late entry is taken back', async () => {
    let answer: ((registration: Registration) => void) | undefined;
    const late = await scriptedRegistry(log).register({ id: 'x', service: 'orders', host: 'h', port: 1 });
    registry.register = () => new Promise((resolve) => (answer = resolve));
    const service = make({ drainDelay: 0 });
    const started = failure(service.start());
    await turn();
    const stopped = service.stop();
    expect(await started).to.include({ code: 'CANCELLED' });
    await stopped;
    expect(service.state).to.equal('stopped');
    answer!(late);
    await turn();
    expect(log.at(-1)).to.equal('deregister');
  });

  it('takes back every entry when attempts that were given up are answered after all, and reports to all of them', async () => {
    const answers: (() => void)[] = [];
    const entries = new Set<number>();
    const reports: string[] = [];
    let attempts = 0;
    registry.register = (instance) => {
      const number = ++attempts;
      const registration: Registration = {
        instance,
        report: async (status) => void reports.push(`${number} ${status}`),
        deregister: async () => void entries.delete(number),
        [Symbol.asyncDispose]: () => registration.deregister(),
      };
      return new Promise((resolve) =>
        answers.push(() => {
          entries.add(number);
          resolve(registration);
        }),
      );
    };
    const service = make({ drainDelay: 0, readinessInterval: '1s' });
    const started = service.start();
    await clock.advance(3_000); // it is ready without an entry
    await started;
    await clock.advance(15_000); // the first attempt is given up after 10 s
    expect(attempts).to.equal(2);
    for (const answer of answers) answer();
    await turn();
    expect([...entries]).to.deep.equal([1, 2]);
    await service.stop();
    expect([...entries]).to.deep.equal([]);
    expect(reports).to.deep.equal([]);
  });

  describe('when the registry is down at start', () => {
    it('is ready all the same, and registers in the background as soon as it can', async () => {
      registry.down = true;
      const service = make();
      await service.start();
      expect([service.state, registry.instances.length, service.describe().registry]).to.deep.equal([
        'ready',
        0,
        { kind: 'scripted', registered: false },
      ]);
      await clock.advance(60_000);
      const attempts = log.filter((what) => what === 'register').length;
      expect(attempts).to.be.within(4, 40);
      registry.down = false;
      await clock.advance(30_000);
      expect([registry.instances.length, service.describe().registry]).to.deep.equal([1, { kind: 'scripted', registered: true }]);
      const settled = log.length;
      await clock.advance(60_000);
      expect(log.length).to.equal(settled);
    });

    it('does not wait for one that does not answer, but tries again', async () => {
      registry.stuck = true;
      const service = make();
      let started = false;
      void service.start().then(() => (started = true));
      await clock.advance(1_999);
      expect(started).to.equal(false);
      await clock.advance(1);
      expect([started, service.state]).to.deep.equal([true, 'ready']);
      registry.stuck = false;
      await clock.advance(20_000);
      expect(registry.instances.length).to.equal(1);
    });

    it('never tries again after a stop', async () => {
      registry.down = true;
      const service = make({ drainDelay: 0 });
      await service.start();
      await service.stop();
      const attempts = log.length;
      registry.down = false;
      await clock.advance(60_000);
      expect([log.length, clock.pending]).to.deep.equal([attempts, 0]);
    });

    it('rejects with failFast, and undoes what it began', async () => {
      registry.down = true;
      const service = make({ failFast: true });
      expect(String(await failure(service.start()))).to.contain('registry is down');
      expect(log).to.deep.equal(['mount', 'listen', 'register', 'startDraining', 'close', 'closed']);
      expect([service.state, clock.pending]).to.deep.equal(['stopped', 0]);
    });
  });

  describe('when a critical check fails at start', () => {
    let healthy: boolean;
    const checks: readonly Check[] = [{ name: 'db', run: () => healthy }];
    beforeEach(() => (healthy = false));

    it('logs what the check threw', async () => {
      const down = new Error('connect ECONNREFUSED 10.0.0.7:5432');
      const logged: object[] = [];
      const logger = { ...silentLogger, warn: (fields: object) => void logged.push(fields) };
      await make({
        logger,
        health: {
          checks: [
            { name: 'db', run: () => Promise.reject(down) },
            { name: 'queue', run: () => false },
          ],
        },
      }).start();
      expect(logged).to.deep.equal([
        {
          service: 'orders',
          checks: [
            { check: 'db', output: 'Error', error: down },
            { check: 'queue', output: 'false' },
          ],
        },
      ]);
    });

    it('listens but is not ready, and is ready and registered when the check passes', async () => {
      const service = make({ health: { checks } });
      await service.start();
      expect([service.state, (await service.monitor.ready()).status, registry.instances.length]).to.deep.equal(['starting', 'fail', 0]);
      expect(log).to.deep.equal(['mount', 'listen']);
      await clock.advance(30_000);
      expect(service.state).to.equal('starting');
      healthy = true;
      await clock.advance(11_000);
      expect([service.state, (await service.monitor.ready()).status, registry.instances.length]).to.deep.equal(['ready', 'pass', 1]);
    });

    it('can be stopped meanwhile', async () => {
      const service = make({ health: { checks } });
      await service.start();
      await service.stop();
      healthy = true;
      await clock.advance(60_000);
      expect([service.state, registry.instances.length, clock.pending]).to.deep.equal(['stopped', 0, 0]);
    });

    it('rejects with failFast, naming the check, before it listens', async () => {
      const service = make({ health: { checks }, failFast: true });
      const error = await failure(service.start());
      expect(error).to.include({ code: 'UNAVAILABLE' });
      expect(String(error)).to.contain('db (false)');
      expect(log).to.deep.equal(['mount']);
    });

    it('does not mind one that is not critical', async () => {
      const service = make({ health: { checks: [{ ...checks[0]!, critical: false }] } });
      await service.start();
      expect(service.state).to.equal('ready');
    });
  });

  describe('bounds of the stop', () => {
    /** Milliseconds until `stop` resolved. */
    const measure = async (service: Service, reason?: string): Promise<number> => {
      const from = clock.now();
      let tookMs = -1;
      void service.stop(reason).then(() => (tookMs = clock.now() - from));
      for (let ms = 0; ms < 40_000 && tookMs < 0; ms += 500) await clock.advance(ms === 0 ? 0 : 500);
      return tookMs;
    };

    const never = (): Promise<void> => new Promise(() => {});
    const cases: readonly (readonly [string, Partial<ServiceOptions>, () => void, number])[] = [
      ['cuts what is left after drainTimeout', {}, () => (scripted.busy = true), 22_000],
      ['goes by the drainTimeout it is given', { drainTimeout: '5s' }, () => (scripted.busy = true), 7_000],
      ['goes on without a registry that does not answer', {}, () => (registry.stuck = true), 7_000],
      ['ends at shutdownTimeout when closing hangs', {}, () => (scripted.hangs = true), 28_000],
      ['ends at the shutdownTimeout it is given', { shutdownTimeout: '10s' }, () => (scripted.hangs = true), 10_000],
      ['drains for less when shutdownTimeout leaves less', { shutdownTimeout: '10s' }, () => (scripted.busy = true), 8_500],
    ];
    for (const [what, more, script, tookMs] of cases) {
      it(what, async () => {
        const service = make(more);
        await service.start();
        script();
        expect(await measure(service)).to.equal(tookMs);
        expect([service.state, clock.pending]).to.deep.equal(['stopped', 0]);
      });
    }

    it('gives each hook its own time, and goes on after one that hangs, throws or rejects', async () => {
      const service = make({ drainDelay: 0 });
      service.onStop(() => void log.push('reached'));
      service.onStop(never);
      service.onStop(never, { timeout: '1s', name: 'flush' });
      service.onStop(() => Promise.reject(new Error('no')));
      service.onStop(() => {
        throw new Error('no');
      });
      await service.start();
      expect(await measure(service)).to.equal(6_000);
      expect(log.at(-1)).to.equal('reached');
    });
  });

  describe('the delay between deregistering and closing', () => {
    const delayOf = async (service: Service, reason?: string): Promise<number> => {
      const from = clock.now();
      let tookMs = -1;
      void service.stop(reason).then(() => (tookMs = clock.now() - from));
      for (let ms = 0; ms < 4_000 && tookMs < 0; ms += 250) await clock.advance(ms === 0 ? 0 : 250);
      return tookMs;
    };

    it('is 2 s for a registered service', async () => {
      const service = make();
      await service.start();
      expect(await delayOf(service)).to.equal(2_000);
    });

    it('is none when nobody can have heard of it', async () => {
      const service = createService({ name: 'orders', adapter: scripted.adapter, clock, signals: false, logger: silentLogger });
      await service.start();
      expect(await delayOf(service)).to.equal(0);
    });

    it('is 2 s without a registry when an orchestrator says SIGTERM', async () => {
      const service = createService({ name: 'orders', adapter: scripted.adapter, clock, signals: false, logger: silentLogger });
      await service.start();
      expect(await delayOf(service, 'SIGTERM')).to.equal(2_000);
    });

    it('is what it was set to, whoever may have heard', async () => {
      const service = createService({ name: 'orders', adapter: scripted.adapter, clock, signals: false, logger: silentLogger, drainDelay: '1s' });
      await service.start();
      expect(await delayOf(service)).to.equal(1_000);
      const none = createService({
        name: 'orders',
        adapter: scriptedAdapter(log).adapter,
        registry,
        clock,
        signals: false,
        logger: silentLogger,
        drainDelay: 0,
      });
      await none.start();
      expect(await delayOf(none)).to.equal(0);
    });
  });

  describe('options', () => {
    const mistakes: readonly (readonly [string, object, RegExp])[] = [
      ['an option that is misspelt', { drainDelais: 1 }, /no option "drainDelais"/],
      ['no name', { name: '' }, /createService name: "" is no name/],
      ['a name that is left out', { name: undefined }, /createService name: undefined/],
      ['no adapter', { adapter: undefined }, /createService adapter: there is none/],
      ['an object for an adapter', { adapter: {} }, /createService adapter: .* has no mount\(\)/],
      ['an adapter that was not called', { adapter: expressAdapter }, /adapter: the function expressAdapter has to be called/],
      ['a registry that is none', { registry: {} }, /registry: .* has no register\(\)/],
      ['a word for a registry', { registry: 'file' }, /registry: "file" has no register\(\)/],
      ['routes that are no list', { routes: {} }, /createService routes: .* is no list/],
      ['a route that is none', { routes: ['x'] }, /createService routes\[0\]: "x" is no route/],
      ['a route that is not there', { routes: [undefined] }, /createService routes\[0\]: undefined is no route/],
      ['a route that health would shadow', { routes: [get('/health', () => 'ours')] }, /GET \/health would never be reached/],
      ['one with a slash, in capitals', { routes: [post('/Health/Live/', () => 'ours')] }, /POST \/Health\/Live\/ would never be reached/],
      ['one where a group of checks has its path', { routes: [get('/health/groups/:name', () => 1)] }, /GET \/health\/groups\/:name/],
      ['a port of health that is none', { healthServer: { port: '9000' } }, /healthServer port: "9000"/],
      ['a host of health that is none', { healthServer: { port: 0, host: '' } }, /healthServer host: ""/],
      ['one port for both', { listen: { port: 8080 }, healthServer: { port: 8080 } }, /healthServer port: 8080 is that of listen/],
      ['an option of healthServer that is misspelt', { healthServer: { prot: 1 } }, /createService healthServer: there is no option "prot"/],
      ['one below a path of health of its own', { health: { path: '/up' }, routes: [get('/up/ready', () => 1)] }, /GET \/up\/ready/],
      ['wrappers that are no list', { wrappers: 5 }, /createService wrappers: 5 is no list/],
      ['limits that are no list', { limits: {} }, /createService limits/],
      ['a mapper that is none', { errors: [5] }, /createService errors: 5 is no error mapper/],
      ['a mapper that is misspelt', { errors: [{ toReplay: () => undefined }] }, /createService errors: .* is no error mapper/],
      ['mappers that are no list', { errors: 5 }, /createService errors: 5 is no list/],
      ['a health option that is misspelt', { health: { chekcs: [] } }, /monitor: there is no option "chekcs"/],
      ['a word for health', { health: 'on' }, /createService health: "on"/],
      ['an option of advertise that is misspelt', { advertise: { hots: 'x' } }, /createService advertise: there is no option "hots"/],
      ['a number for listen', { listen: 3456 }, /createService listen: 3456 is no options object/],
      ['an option of listen that is misspelt', { listen: { prot: 1 } }, /createService listen: there is no option "prot"/],
      ['a limit of listen that is misspelt', { listen: { server: { timeout: 1 } } }, /createService listen\.server: there is no option "timeout"/],
      ['a port in text', { listen: { port: '80' } }, /listen\.port: "80" is no port/],
      ['a host that is none', { listen: { host: 5 } }, /createService listen\.host: 5/],
      ['a check that is none', { health: { checks: [{ nam: 'db' }] } }, /checks: .*nam.* is no check/],
      ['a word for resolve', { resolve: 'x' }, /createService resolve: "x" is no function/],
      ['a word for signals', { signals: 'SIGTERM' }, /createService signals: "SIGTERM"/],
      ['a word for failFast', { failFast: 'yes' }, /createService failFast: "yes"/],
      ['a number for random', { random: 5 }, /createService random: 5/],
      ['a logger without methods', { logger: {} }, /createService logger: .* has no debug\(\)/],
      ['a clock without methods', { clock: {} }, /createService clock: .* has no now\(\)/],
      ['an option of clients that is misspelt', { clients: { foo: 1 } }, /createService clients: there is no option "foo"/],
      ['a duration of clients without a unit', { clients: { timeout: 'abc' } }, /timeout: "abc" is no duration/],
      ['a word for clients', { clients: 'all' }, /createService clients: "all"/],
      ['a duration without a unit', { drainDelay: '2' }, /drainDelay: "2"/],
      ['a bad weight', { weight: -1 }, /instance\.weight: -1/],
      ['a bad port to advertise', { advertise: { port: 0 } }, /instance\.port: 0/],
      ['a bad host to advertise', { advertise: { host: 'http://x' } }, /instance\.host/],
      ['a stop that cannot fit', { drainTimeout: '60s' }, /shutdownTimeout: 28000 ms is less than/],
      ['a delay that cannot fit', { drainDelay: '30s' }, /shutdownTimeout: 28000 ms is less than/],
      ['an interval without a pause', { readinessInterval: 0 }, /readinessInterval: 0/],
      ['a bad health option', { health: { path: 'x' } }, /path: "x"/],
    ];
    for (const [what, more, message] of mistakes) it(`refuses ${what} at construction`, () => expect(() => make(more)).to.throw(message));

    it('takes a drainTimeout beyond the default when shutdownTimeout has room for it', () => {
      expect(() => make({ drainTimeout: '60s', shutdownTimeout: '70s' })).to.not.throw();
      expect(() => make({ shutdownTimeout: 0, drainDelay: 0 })).to.not.throw();
    });

    it('takes a monitor that was made elsewhere', () => {
      const health = monitor({ clock });
      expect(make({ health }).monitor).to.equal(health);
      expect(health.readiness).to.equal('starting');
    });

    it('hands listen options on', async () => {
      await make({ listen: { port: 3_000 } }).start();
      expect(log).to.include('listen 3000');
    });
  });

  it('leaves the registry open: it may serve others', async () => {
    const service = make({ drainDelay: 0 });
    await service.start();
    await service.stop();
    expect(log).to.not.include('registry disposed');
  });

  it('shares one client for each target, and closes them when it stops', async () => {
    const service = make({ registry: memoryRegistry(), drainDelay: 0 });
    const users = service.client('users');
    expect(service.client('users')).to.equal(users);
    expect(service.client('http://127.0.0.1:1').service).to.equal('127.0.0.1:1');
    await service.start();
    await service.stop();
    expect(() => service.client('users')).to.throw(/has stopped/);
    expect(await failure(users.get('/x'))).to.include({ code: 'FAILED_PRECONDITION' });
  });

  describe('a client with options', () => {
    const users = (service: Service, more?: ClientOptions) => service.client('users', more);

    it('is made once: the same options, or none, give the same one, so that its budgets are its own', () => {
      const service = make();
      const wrapper: Wrapper = (next) => next;
      const options = (): ClientOptions => ({ timeout: '1s', retry: { retries: 2, budgets: [] }, headers: { accept: 'x' }, wrappers: [wrapper] });
      const made = users(service, options());
      for (const again of [options(), undefined]) expect(users(service, again)).to.equal(made);
      expect(service.describe().clients).to.have.length(1);
    });

    const others: readonly (readonly [string, ClientOptions | undefined, ClientOptions, string])[] = [
      ['another value', { timeout: '1s' }, { timeout: '2s' }, 'timeout'],
      ['one more', { timeout: '1s' }, { timeout: '1s', retry: false }, 'retry'],
      ['one less', { timeout: '1s', retry: false }, { timeout: '1s' }, 'retry'],
      ['another one inside', { retry: { retries: 1 } }, { retry: { retries: 2 } }, 'retry'],
      ['other functions', { random: () => 0.5 }, { random: () => 0.5 }, 'random'],
      ['other instances', { registry: memoryRegistry() }, { registry: memoryRegistry() }, 'registry'],
      ['options after none', undefined, { timeout: '1s' }, 'timeout'],
    ];
    for (const [what, first, second, name] of others) {
      it(`refuses ${what} for the same target, and names it`, () => {
        const service = make();
        users(service, first);
        expect(() => users(service, second)).to.throw(TypeError, `client "users": ${name} is not what its client was made with`);
      });
    }

    it('may be made anew for a thousand targets, not for every value that somebody sends', () => {
      const service = make();
      for (let port = 1; port <= 1_000; port++) service.client(`http://127.0.0.1:${port}`);
      expect(() => service.client('http://127.0.0.1:1001')).to.throw(RangeError, /1000 targets/);
      expect(service.client('http://127.0.0.1:7')).to.equal(service.client('http://127.0.0.1:7'));
    });
  });

  describe('readiness that changes after the start', () => {
    let status: 'pass' | 'warn' | 'fail';
    const started = async (more: Partial<ServiceOptions> = {}): Promise<Service> => {
      const check: Check = { name: 'db', run: () => ({ status }), cacheFor: 0 };
      const service = make({ health: { checks: [check] }, ...more });
      await service.start();
      return service;
    };
    beforeEach(() => void (status = 'pass'));

    it('is told to the registry once for each change, every 5 s', async () => {
      await started();
      await clock.advance(20_000);
      expect(registry.reported).to.deep.equal([]);
      status = 'fail';
      await clock.advance(4_999);
      expect(registry.reported).to.deep.equal([]);
      await clock.advance(1);
      expect(registry.reported).to.deep.equal(['fail not passing: db']);
      await clock.advance(20_000);
      status = 'warn';
      await clock.advance(5_000);
      status = 'pass';
      await clock.advance(5_000);
      expect(registry.reported).to.deep.equal(['fail not passing: db', 'warn not passing: db', 'pass']);
    });

    it('is told again when the registry did not take it', async () => {
      await started({ readinessInterval: '1s' });
      status = 'fail';
      registry.down = true;
      await clock.advance(3_000);
      registry.down = false;
      expect(registry.reported).to.deep.equal([]);
      await clock.advance(1_000);
      expect(registry.reported).to.deep.equal(['fail not passing: db']);
    });

    it('is not looked at before the instance is registered, after it stopped, or with false', async () => {
      let asked = 0;
      const health = { checks: [{ name: 'db', run: () => void asked++, cacheFor: 0 }] };
      registry.down = true;
      const service = make({ health, drainDelay: 0 });
      const starting = service.start();
      await clock.advance(10_000);
      await starting;
      expect(asked).to.equal(1); // by start
      registry.down = false;
      await clock.advance(60_000);
      expect(asked).to.be.above(1);
      await service.stop();
      asked = 0;
      await clock.advance(60_000);
      expect([asked, clock.pending]).to.deep.equal([0, 0]);

      await make({ health, readinessInterval: false }).start();
      asked = 0;
      await clock.advance(60_000);
      expect(asked).to.equal(0);
    });

    it('is seen by others', async () => {
      const shared = memoryRegistry();
      await started({ registry: shared });
      status = 'fail';
      await clock.advance(5_000);
      const stop = new AbortController();
      for await (const list of shared.watch('orders', stop.signal)) {
        expect(list.map((instance) => instance.status)).to.deep.equal(['fail']);
        stop.abort();
      }
    });
  });

  it('logs to standard error by default, a JSON object a line with the name of the service', async () => {
    const lines: string[] = [];
    const { write } = process.stderr;
    process.stderr.write = (line: string | Uint8Array) => lines.push(String(line)) > 0;
    try {
      const service = createService({ name: 'orders', adapter: scripted.adapter, clock, signals: false });
      await service.start();
      await service.stop();
    } finally {
      process.stderr.write = write;
    }
    const said = lines.map((line) => JSON.parse(line) as { level: string; msg: string; service: string });
    expect(said.map(({ level, msg, service }) => `${service} ${level} ${msg}`)).to.deep.equal([
      'orders info Ready',
      'orders info Stopping',
      'orders info Stopped',
    ]);
  });

  it('hands its logger and clock to its adapter', () => {
    const { mountable } = make();
    expect([mountable.logger, mountable.clock]).to.deep.equal([silentLogger, clock]);
  });

  it('needs a registry for a client of a name', () => {
    const service = createService({ name: 'orders', adapter: scripted.adapter, signals: false, logger: silentLogger });
    expect(() => service.client('users')).to.throw(TypeError, /registry/);
  });
});
