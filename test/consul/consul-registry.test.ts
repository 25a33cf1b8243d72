import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { consulRegistry } from '@ferrule/consul';
import type { ConsulRegistryOptions } from '@ferrule/consul';
import { createService, monitor, silentLogger } from '@ferrule/core';
import type { Instance, Registry } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';
import { manualClock } from '@ferrule/testing';
import { expect } from 'chai';
import { agentSays, describeWithConsul, newAgent, wipe } from '../support/consul.js';
import type { ConsulAgent } from '../support/consul.js';
import { firstList, rejection, watching } from '../support/watching.js';

const INSTANCE: Instance = { id: 'orders-1', service: 'orders', host: '127.0.0.1', port: 8080 };
const CHECK = 'service:orders-1';

interface AgentCheck {
  readonly Status: string;
  readonly Output: string;
}

describeWithConsul('consulRegistry on an agent', () => {
  let agent: ConsulAgent;
  let open: Registry[] = [];

  const registry = (options: ConsulRegistryOptions = {}): Registry => {
    const made = consulRegistry({ address: agent.address, ...options });
    open.push(made);
    return made;
  };
  const checks = (): Promise<Record<string, AgentCheck>> => agentSays(agent, '/agent/checks');

  /** Another one after it was gone from the catalogue. */
  const createIndex = async (): Promise<number> =>
    (await agentSays<{ Service: { CreateIndex: number } }[]>(agent, '/health/service/orders'))[0]!.Service.CreateIndex;

  before(async () => {
    agent = await newAgent();
    await agent.start();
  });
  after(() => agent.kill());
  beforeEach(() => wipe(agent));
  afterEach(async () => {
    await Promise.allSettled(open.map((one) => one[Symbol.asyncDispose]()));
    open = [];
  });

  it('stores weights, tags and pairs where the tools of Consul look for them', async () => {
    const given = { ...INSTANCE, version: '1.2.3', zone: 'eu-1', weight: 10, tags: ['blue'], metadata: { commit: 'abc' } };
    await registry({ tags: ['team-a'] }).register(given);
    const found = await agentSays<{ Weights: object; Tags: string[]; Meta: Record<string, string> }>(agent, '/agent/service/orders-1');
    expect(found.Weights).to.deep.equal({ Passing: 10, Warning: 10 });
    expect(found.Tags).to.deep.equal(['blue', 'team-a', 'version=1.2.3', 'zone=eu-1']);
    expect(found.Meta['commit']).to.equal('abc');
    const byTag = await agentSays<unknown[]>(agent, '/health/service/orders?passing&tag=version%3D1.2.3');
    expect(byTag).to.have.length(1);
  });

  it('carries metadata that Consul would refuse: long values, any characters, more than one piece', async () => {
    const metadata = { long: 'é'.repeat(2_000), 'consul-x': '1', 'ferrule-id': '2', 'a key': "it's", plain: '3' };
    await registry().register({ ...INSTANCE, metadata });
    expect({ ...(await firstList(registry(), 'orders'))[0]?.metadata }).to.deep.equal(metadata);
  });

  it('refuses metadata that has no room in Consul, before it registers anything', async () => {
    const metadata = Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`key${index}`, 'x']));
    const error = await rejection(registry().register({ ...INSTANCE, metadata }));
    expect(error).to.be.instanceOf(TypeError).and.have.property('message').that.includes('instance.metadata');
    expect(await registry().services()).to.deep.equal([]);
  });

  it('reads what other tools have registered', async () => {
    const body = {
      ID: 'x',
      Name: 'orders',
      Address: '10.0.0.9',
      Port: 81,
      Tags: ['version=2.0', 'red'],
      Meta: { zone: 'z', a: 'b' },
      Weights: { Passing: 3, Warning: 1 },
    };
    await fetch(`${agent.address}/v1/agent/service/register`, { method: 'PUT', body: JSON.stringify(body) });
    await agentSays(agent, '/agent/service/register', 'GET').catch(() => {});
    const lists = watching(registry(), 'orders');
    const [seen] = await lists.until((list) => list.length === 1);
    expect(JSON.parse(JSON.stringify(seen))).to.deep.equal({
      id: 'x',
      service: 'orders',
      version: '2.0',
      zone: 'z',
      host: '10.0.0.9',
      port: 81,
      weight: 3,
      tags: ['version=2.0', 'red'],
      metadata: { zone: 'z', a: 'b' },
      status: 'pass',
    });
    await lists.end();
  });

  it('has Consul ask the readiness route of a service, and sees warn and fail there', async () => {
    let state: 'pass' | 'warn' | 'fail' = 'pass';
    const say = (wanted: 'warn' | 'fail') => () => {
      if (state === wanted) throw new Error('as told');
    };
    const service = createService({
      name: 'orders',
      adapter: expressAdapter(),
      registry: registry({ interval: '1s' }),
      listen: { host: '127.0.0.1' },
      health: monitor({
        checks: [
          { name: 'cache', critical: false, run: say('warn'), cacheFor: 1 },
          { name: 'database', run: say('fail'), cacheFor: 1 },
        ],
      }),
      readinessInterval: '1h',
      drainDelay: 0,
      logger: silentLogger,
      signals: false,
    });
    const lists = watching(registry(), 'orders');
    const { port } = await service.start();
    expect((await lists.until((list) => list.length === 1))[0]?.status).to.equal('pass');
    state = 'warn';
    await lists.until((list) => list[0]?.status === 'warn');
    const [check] = Object.values(await checks());
    expect(check?.Output).to.include(`http://127.0.0.1:${port}/health/ready?warn=429: 429`);
    state = 'fail';
    await lists.until((list) => list[0]?.status === 'fail');
    state = 'pass';
    await lists.until((list) => list[0]?.status === 'pass');
    await service.stop();
    expect(await registry().services()).to.deep.equal([]);
    await lists.end();
  });

  it('tells by heartbeats how it is, with a note', async () => {
    const registration = await registry({ check: 'ttl' }).register({ ...INSTANCE, status: 'warn' });
    expect((await checks())[CHECK]?.Status).to.equal('warning');
    await registration.report('fail', 'the disk is full');
    const check = (await checks())[CHECK];
    expect([check?.Status, check?.Output]).to.deep.equal(['critical', 'the disk is full']);
  });

  it('stays listed without a check, and still reports', async () => {
    const registration = await registry({ check: false }).register(INSTANCE);
    expect(await checks()).to.deep.equal({});
    const lists = watching(registry(), 'orders');
    await registration.report('fail');
    await lists.until((list) => list[0]?.status === 'fail');
    await lists.end();
  });

  for (const [what, lose] of [
    ['the entry is gone', '/agent/service/deregister/orders-1'],
    ['a heartbeat is answered that the agent knows no such check', `/agent/check/deregister/${CHECK}`],
  ] as const) {
    it(`registers again when ${what}`, async () => {
      const clock = manualClock();
      await registry({ check: 'ttl', clock, random: () => 0.5 }).register(INSTANCE);
      await agentSays(agent, lose, 'PUT');
      const lists = watching(registry(), 'orders');
      await clock.advance(5_000);
      await lists.until((list) => list.length === 1);
      while ((await checks())[CHECK]?.Status !== 'passing');
      await lists.end();
    });
  }

  it('registers again at once when an entry is gone that Consul checks by itself', async () => {
    // The clock stands: it is no keeper's turn that notices.
    await registry({ clock: manualClock() }).register(INSTANCE, { health: { url: 'http://127.0.0.1:9/health/ready' } });
    const before = await createIndex();
    await agentSays(agent, '/agent/service/deregister/orders-1', 'PUT');
    while ((await createIndex().catch(() => before)) === before);
  });

  for (const check of ['http', 'ttl', false] as const) {
    it(`never registers again after deregister, with check ${check}`, async () => {
      const clock = manualClock();
      const registration = await registry({ check, clock }).register(INSTANCE, { health: { url: 'http://127.0.0.1:9/health/ready' } });
      await registration.deregister();
      await clock.advance(60_000);
      await registration.report('pass');
      expect(await registry().services()).to.deep.equal([]);
      expect(clock.pending).to.equal(0);
    });
  }

  it('leaves an entry to a later owner, and takes it from an earlier one', async () => {
    const [early, late] = [manualClock(), manualClock()];
    await late.advance(1_000);
    const earlier = await registry({ check: 'ttl', clock: early, random: () => 0.5 }).register({ ...INSTANCE, port: 1 });
    await registry({ check: 'ttl', clock: late, random: () => 0.5 }).register({ ...INSTANCE, port: 2 });
    await early.advance(5_000);
    const port = async (): Promise<number | undefined> =>
      (await agentSays<{ Port: number }>(agent, '/agent/service/orders-1').catch(() => undefined))?.Port;
    expect(await port()).to.equal(2);
    // After a loss both are told, and whoever comes first, the later one has it in the end and keeps it.
    await agentSays(agent, '/agent/service/deregister/orders-1', 'PUT');
    do {
      await early.advance(5_000);
      await late.advance(5_000);
      // Stands behind all that the earlier one has under way: it found the entry gone, and its write may come after that of the later one.
      await earlier.report('pass');
    } while ((await port()) !== 2);
    await early.advance(5_000);
    await earlier.report('pass');
    expect(await port()).to.equal(2);
  });

  it('asks for one service once, however many watch it', async () => {
    const one = registry();
    await one.register(INSTANCE);
    const watchers = [watching(one, 'orders'), watching(one, 'orders')];
    for (const lists of watchers) await lists.until((list) => list.length === 1);
    for (const lists of watchers) await lists.end();
  });
});

describeWithConsul('consulRegistry and an agent that comes and goes', () => {
  it('registers as soon as the agent is there', async () => {
    const agent = await newAgent();
    await using registry = consulRegistry({ address: agent.address, logger: silentLogger });
    const registering = registry.register(INSTANCE);
    expect(await rejection(registry.services())).to.have.property('code', 'UNAVAILABLE');
    try {
      await agent.start();
      await registering;
      expect(await registry.services()).to.deep.equal(['orders']);
      await registry[Symbol.asyncDispose]();
    } finally {
      await agent.kill();
    }
  });

  it('with a TTL check is found again long before the next heartbeat after the agent came back empty', async function () {
    this.timeout(60_000);
    const agent = await newAgent({});
    await agent.start();
    // A heartbeat would come after twenty minutes: longer than this test waits.
    const registry = consulRegistry({ address: agent.address, check: 'ttl', ttl: '1h' });
    const other = consulRegistry({ address: agent.address });
    try {
      await registry.register(INSTANCE);
      await agent.kill('SIGKILL');
      await agent.start();
      const lists = watching(other, 'orders', { again: true });
      await lists.until((list) => list.length === 1);
      await lists.end();
    } finally {
      await Promise.allSettled([registry[Symbol.asyncDispose](), other[Symbol.asyncDispose]()]);
      await agent.kill();
    }
  });

  for (const keepsData of [false, true]) {
    it(`is found again, though it watches nothing, after the agent was killed and came back ${keepsData ? 'with its data' : 'empty'}`, async function () {
      this.timeout(60_000);
      const dataDirectory = keepsData ? await mkdtemp(join(tmpdir(), 'ferrule-consul-')) : undefined;
      const agent = await newAgent(dataDirectory === undefined ? {} : { dataDirectory });
      await agent.start();
      const registry = consulRegistry({ address: agent.address });
      const other = consulRegistry({ address: agent.address });
      try {
        await registry.register(INSTANCE, { health: { url: 'http://127.0.0.1:9/health/ready' } });
        await agent.kill('SIGKILL');
        await agent.start();
        const lists = watching(other, 'orders', { again: true });
        await lists.until((list) => list.length === 1);
        await lists.end();
      } finally {
        await Promise.allSettled([registry[Symbol.asyncDispose](), other[Symbol.asyncDispose]()]);
        await agent.kill();
        if (dataDirectory !== undefined) await rm(dataDirectory, { recursive: true, force: true });
      }
    });

    it(`is found again after the agent was killed and came back ${keepsData ? 'with its data' : 'empty'}, and sees what is new`, async function () {
      this.timeout(60_000);
      const dataDirectory = keepsData ? await mkdtemp(join(tmpdir(), 'ferrule-consul-')) : undefined;
      const agent = await newAgent(dataDirectory === undefined ? {} : { dataDirectory });
      await agent.start();
      const registry = consulRegistry({ address: agent.address });
      const other = consulRegistry({ address: agent.address });
      try {
        await registry.register(INSTANCE);
        // As a Directory does: it watches again, with backoff.
        const lists = watching(registry, 'orders', { again: true });
        await lists.until((list) => list.length === 1);
        await agent.kill('SIGKILL');
        await lists.lost;
        await agent.start();
        await lists.until((list) => list.length === 1);
        await other.register({ ...INSTANCE, id: 'orders-2' });
        await lists.until((list) => list.length === 2);
        await lists.end();
        await registry[Symbol.asyncDispose]();
        expect((await firstList(other, 'orders')).map(({ id }) => id)).to.deep.equal(['orders-2']);
      } finally {
        await Promise.allSettled([registry[Symbol.asyncDispose](), other[Symbol.asyncDispose]()]);
        await agent.kill();
        if (dataDirectory !== undefined) await rm(dataDirectory, { recursive: true, force: true });
      }
    });
  }
});
