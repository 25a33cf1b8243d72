import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { consulRegistry } from '@ferrule/consul';
import type { ConsulRegistryOptions } from '@ferrule/consul';
import { createDirectory } from '@ferrule/core';
import type { Directory, Instance, Registry } from '@ferrule/core';
import { manualClock, seededRandom, tcpProxy } from '@ferrule/testing';
import type { ManualClock } from '@ferrule/testing';
import { expect } from 'chai';
import { describeWithConsul, newAgent, wipe } from '../support/consul.js';
import type { ConsulAgent } from '../support/consul.js';

const SERVICES = Array.from({ length: 50 }, (_, index) => `service-${index}`);

/** An agent in this process that can be away in every way, and counts what it is asked, in time of the clock. */
class StandIn {
  readonly asked: number[] = [];
  mode: 'here' | 'resets' | 'no leader' | 'hangs' = 'here';
  readonly #clock: ManualClock;
  readonly #hanging: (() => void)[] = [];
  readonly #server = createServer((req, res) => this.#answer(req, res));

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on; what is open breaks, unless it only hangs. */
  become(mode: StandIn['mode']): void {
    this.mode = mode;
    this.asked.length = 0;
    if (mode !== 'here' && mode !== 'hangs') this.#server.closeAllConnections();
    for (const answer of this.#hanging.splice(0)) answer();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #answer(req: IncomingMessage, res: ServerResponse): void {
    if (!req.url!.includes('index=')) this.asked.push(this.#clock.now());
    if (this.mode === 'hangs') return void this.#hanging.push(() => this.#answer(req, res));
    if (this.mode === 'resets') return void req.socket.resetAndDestroy();
    if (this.mode === 'no leader') return void res.writeHead(500, { 'content-type': 'text/plain' }).end('No cluster leader');
    if (req.url!.includes('index=')) return; // held
    const body = req.url!.startsWith('/v1/catalog/') ? {} : [];
    res.writeHead(200, { 'content-type': 'application/json', 'x-consul-index': '7' }).end(JSON.stringify(body));
  }
}

describe('consulRegistry and an agent that is away for a minute', () => {
  for (const mode of ['resets', 'no leader', 'hangs'] as const) {
    it(`is asked less than once a second for all 50 services, and all are told within 2 s of its return, when it ${mode}`, async () => {
      const clock = manualClock();
      const agent = new StandIn(clock);
      const address = await agent.start();
      const registry = consulRegistry({ address, clock, random: seededRandom(1), maxSockets: 8 });
      const directory = createDirectory({ discovery: registry, clock, random: seededRandom(2) });
      try {
        await during(clock, 3_000, directory.warmUp(SERVICES));
        agent.become(mode);
        // What hangs is only noticed by a question: a round of looks, or a wait that is over.
        if (mode === 'hangs') await run(clock, 45_000);
        else await run(clock, 5_000);
        expect(SERVICES.filter((service) => !directory.lookup(service).stale)).to.deep.equal([]);
        agent.asked.length = 0;
        await run(clock, 60_000);
        expect(agent.asked.length).to.be.within(20, 60);
        agent.become('here');
        const returnedAt = clock.now();
        const fresh = Promise.all(SERVICES.map((service) => until(directory, service, (snapshot) => !snapshot.stale)));
        await during(clock, 10_000, fresh);
        expect(clock.now() - returnedAt).to.be.at.most(2_000);
      } finally {
        await directory[Symbol.asyncDispose]();
        await registry[Symbol.asyncDispose]();
        await agent.close();
      }
    });
  }

  it('tells a service that is looked up meanwhile at once, and whoever is tired of waiting and asks anew', async () => {
    const clock = manualClock();
    const agent = new StandIn(clock);
    const registry = consulRegistry({ address: await agent.start(), clock, random: seededRandom(1) });
    const next = (service: string, signal = new AbortController().signal): Promise<IteratorResult<readonly Instance[]>> =>
      registry.watch(service, signal)[Symbol.asyncIterator]().next();
    try {
      agent.become('resets');
      expect(await rejection(during(clock, 3_000, next('orders')))).to.have.property('code', 'UNAVAILABLE');
      await run(clock, 3_000);
      const patient = next('orders'); // knows, and waits
      await run(clock, 3_000);
      expect(await rejection(next('users'))).to.have.property('code', 'UNAVAILABLE');

      await rejection(next('baskets'));
      const ending = new AbortController();
      const impatient = next('baskets', ending.signal);
      await run(clock, 3_000);
      ending.abort();
      expect((await impatient).done).to.equal(true);
      expect(await rejection(next('baskets'))).to.have.property('code', 'UNAVAILABLE');

      agent.become('here');
      expect((await during(clock, 2_000, patient)).value).to.deep.equal([]);
    } finally {
      await registry[Symbol.asyncDispose]();
      await agent.close();
    }
  });

  it('tells once more when the reason is another one, which a person has to heal', async () => {
    const clock = manualClock();
    let status = 500;
    const server = createServer((_req, res) => res.writeHead(status).end('as told'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const registry = consulRegistry({ address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, clock });
    const next = (): Promise<unknown> => rejection(registry.watch('orders', new AbortController().signal)[Symbol.asyncIterator]().next());
    try {
      expect(await next()).to.have.property('code', 'UNAVAILABLE');
      const second = next();
      await run(clock, 5_000);
      status = 403;
      expect(await during(clock, 5_000, second)).to.have.property('code', 'PERMISSION_DENIED');
    } finally {
      await registry[Symbol.asyncDispose]();
      server.closeAllConnections();
      server.close();
    }
  });
});

describeWithConsul('consulRegistry, a directory, and an agent in trouble', () => {
  let agent: ConsulAgent;
  const register = (service: string, port: number): Promise<unknown> =>
    fetch(`${agent.address}/v1/agent/service/register`, {
      method: 'PUT',
      body: JSON.stringify({ ID: `${service}-1`, Name: service, Address: '10.0.0.1', Port: port, Check: { TTL: '1h', Status: 'passing' } }),
    });
  const setUp = (options: ConsulRegistryOptions = {}): { registry: Registry; directory: Directory } => {
    const registry = consulRegistry({ address: agent.address, ...options });
    return { registry, directory: createDirectory({ discovery: registry }) };
  };

  before(async () => {
    agent = await newAgent();
    await agent.start();
  });
  after(() => agent.kill());
  beforeEach(() => wipe(agent));

  it('serves the last lists while it is killed, and has fresh ones when it is back, empty as it is', async () => {
    for (const service of SERVICES) await register(service, 1);
    const { registry, directory } = setUp({ maxSockets: 8 });
    try {
      await directory.warmUp(SERVICES);
      const lost = Promise.all(SERVICES.map((service) => until(directory, service, (snapshot) => snapshot.stale)));
      await agent.kill('SIGKILL');
      await lost;
      expect(SERVICES.every((service) => directory.lookup(service).instances.length === 1)).to.equal(true);
      const back = Promise.all(SERVICES.map((service) => until(directory, service, (snapshot) => snapshot.state === 'empty' && !snapshot.stale)));
      await agent.start();
      await back;
      await register('service-3', 2);
      await until(directory, 'service-3', ({ instances }) => instances[0]?.port === 2);
    } finally {
      await directory[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    }
  });

  it('sees what changed while it hung, when it goes on', async () => {
    await register('orders', 1);
    const { registry, directory } = setUp();
    try {
      await directory.ready('orders');
      await agent.pause();
      const changing = register('orders', 2);
      expect(directory.lookup('orders').instances[0]?.port).to.equal(1);
      agent.resume();
      await changing;
      await until(directory, 'orders', ({ instances }) => instances[0]?.port === 2);
    } finally {
      agent.resume();
      await directory[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    }
  });

  it('goes on after resets, refusals, and answers that never came whole', async () => {
    await register('orders', 1);
    await using proxy = await tcpProxy({ host: '127.0.0.1', port: Number(new URL(agent.address).port) });
    const { registry, directory } = setUp({ address: proxy.origin, wait: '1s', requestTimeout: '1s' });
    try {
      await directory.ready('orders');
      let port = 1;
      const stale = (): Promise<void> => until(directory, 'orders', (snapshot) => snapshot.stale);
      const fresh = (): Promise<void> => until(directory, 'orders', (snapshot) => !snapshot.stale && snapshot.instances[0]?.port === port);
      proxy.cut();
      await register('orders', ++port);
      await fresh();
      proxy.refuse(true);
      let refused = false;
      void stale().then(() => (refused = true));
      // Again and again: a connection that was being made is none that can be cut.
      for (; !refused; await new Promise((resolve) => setImmediate(resolve))) proxy.cut();
      await register('orders', ++port);
      proxy.refuse(false);
      await fresh();
      // Swallowed: a wait that is over by six seconds says so.
      proxy.blackHole(true);
      await register('orders', ++port);
      await stale();
      proxy.blackHole(false);
      await fresh();
    } finally {
      await directory[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    }
  });
});

/** Lets time pass in steps, each long enough for what goes over the network to arrive. */
async function run(clock: ManualClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 50) {
    await clock.advance(50);
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Lets time pass until the work is done. */
async function during<T>(clock: ManualClock, ms: number, work: Promise<T>): Promise<T> {
  let done = false;
  const settled = (): void => void (done = true);
  work.then(settled, settled);
  for (let passed = 0; !done && passed < ms; passed += 50) {
    // Real time is what the network takes; the clock waits for it.
    for (let turn = 0; !done && turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    if (!done) await clock.advance(50);
  }
  return work;
}

function until(directory: Directory, service: string, fits: (snapshot: ReturnType<Directory['lookup']>) => boolean): Promise<void> {
  return new Promise((resolve) => {
    let leave = (): void => {};
    const look = (): void => {
      if (!fits(directory.lookup(service))) return;
      leave();
      resolve();
    };
    leave = directory.subscribe(service, look);
    look();
  });
}

function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}
