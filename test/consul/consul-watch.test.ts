import { getEventListeners } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { consulRegistry } from '@ferrule/consul';
import type { ConsulRegistryOptions } from '@ferrule/consul';
import { createDirectory } from '@ferrule/core';
import type { Directory, Instance, Registry } from '@ferrule/core';
import { tcpProxy } from '@ferrule/testing';
import type { TcpProxy } from '@ferrule/testing';
import { expect } from 'chai';
import { describeWithConsul, newAgent, wipe } from '../support/consul.js';
import type { ConsulAgent } from '../support/consul.js';

/** More than have a question of their own with eight connections. */
const MANY = Array.from({ length: 40 }, (_, index) => `many-${index}`);

describeWithConsul('consulRegistry and what it watches', () => {
  let agent: ConsulAgent;
  let proxy: TcpProxy;
  const closing: AsyncDisposable[] = [];

  const through = (options: ConsulRegistryOptions = {}): Registry => {
    const registry = consulRegistry({ address: proxy.origin, ...options });
    closing.push(registry);
    return registry;
  };
  const directoryOf = (discovery: Registry): Directory => {
    const directory = createDirectory({ discovery });
    closing.push(directory);
    return directory;
  };
  const put = (path: string, body: unknown): Promise<unknown> =>
    fetch(`${agent.address}/v1${path}`, { method: 'PUT', body: JSON.stringify(body) }).then(async (response) => {
      expect(response.status, await response.text()).to.equal(200);
    });
  const enter = (service: string, fields: object = {}): Promise<unknown> =>
    put('/agent/service/register', {
      ID: `${service}-1`,
      Name: service,
      Address: '10.0.0.1',
      Port: 80,
      Check: { CheckID: `service:${service}-1`, TTL: '1h', Status: 'passing' },
      ...fields,
    });

  before(async () => {
    agent = await newAgent();
    await agent.start();
  });
  after(() => agent.kill());
  beforeEach(async () => {
    await wipe(agent);
    proxy = await tcpProxy({ host: '127.0.0.1', port: Number(new URL(agent.address).port) });
  });
  afterEach(async () => {
    // The directories before their registries.
    for (const one of closing.splice(0).toReversed()) await one[Symbol.asyncDispose]();
    await proxy.close();
  });

  describe('of more services than it has connections', () => {
    let directory: Directory;

    beforeEach(async () => {
      for (const service of MANY) await enter(service);
      directory = directoryOf(through({ maxSockets: 8 }));
      await directory.warmUp(MANY);
    });

    for (const [what, change, fits] of [
      [
        'a status',
        (service: string) => put(`/agent/check/update/service:${service}-1`, { Status: 'critical', Output: 'x' }),
        ([one]: readonly Instance[]) => one?.status === 'fail',
      ],
      [
        'an instance that comes',
        (service: string) => enter(service, { ID: `${service}-2`, Check: { TTL: '1h', Status: 'passing' } }),
        (list: readonly Instance[]) => list.length === 2,
      ],
      [
        'an instance that comes without a check',
        (service: string) => enter(service, { ID: `${service}-2`, Check: undefined }),
        (list: readonly Instance[]) => list.length === 2,
      ],
      [
        'an instance that goes',
        (service: string) => put(`/agent/service/deregister/${service}-1`, {}),
        (list: readonly Instance[]) => list.length === 0,
      ],
      ['tags alone', (service: string) => enter(service, { Tags: ['blue'] }), ([one]: readonly Instance[]) => one?.tags?.[0] === 'blue'],
      ['an address alone', (service: string) => enter(service, { Address: '10.0.0.2' }), ([one]: readonly Instance[]) => one?.host === '10.0.0.2'],
    ] as const) {
      it(`sees ${what}, of one with a question of its own and of one without`, async () => {
        for (const service of [MANY[0]!, MANY.at(-1)!]) {
          const seen = when(directory, service, fits);
          await change(service);
          await seen;
        }
        expect(proxy.connections).to.be.at.most(8);
      });
    }

    it('sees many that change at once, over no more connections, and loses none', async () => {
      const seen = MANY.map((service) => when(directory, service, ([one]) => one?.status === 'warn'));
      await Promise.all(MANY.map((service) => put(`/agent/check/update/service:${service}-1`, { Status: 'warning', Output: 'x' })));
      await Promise.all(seen);
      expect(proxy.accepted).to.be.at.most(8);
    });

    it('sees that a node is lost', async () => {
      const fields = { Node: 'elsewhere', Address: '10.9.9.9', SkipNodeUpdate: false };
      await put('/catalog/register', {
        ...fields,
        Service: { ID: 'x', Service: MANY[20], Port: 1 },
        Check: { CheckID: 'serfHealth', Status: 'passing' },
      });
      await when(directory, MANY[20]!, (list) => list.length === 2);
      await put('/catalog/register', { ...fields, Check: { CheckID: 'serfHealth', Status: 'critical' } });
      await when(directory, MANY[20]!, (list) => list.some(({ id, status }) => id === 'x' && status === 'fail'));
      await put('/catalog/deregister', { Node: 'elsewhere' });
    });

    it('looks at all again when connections broke, and goes on', async () => {
      proxy.cut();
      const changed = [MANY[0]!, MANY.at(-1)!];
      await Promise.all(changed.map((service) => enter(service, { Tags: ['green'] })));
      for (const service of changed) await when(directory, service, ([one]) => one?.tags?.[0] === 'green');
      for (const service of MANY) await when(directory, service, (list) => list.length === 1, false);
    });
  });

  it('sees a change of each when there are many again, after there were few', async () => {
    for (const service of MANY) await enter(service);
    const registry = through({ maxSockets: 8 });
    for (let round = 1; round <= 3; round++) {
      const directory = createDirectory({ discovery: registry });
      await directory.warmUp(MANY);
      const service = MANY[10 * round]!;
      const seen = when(directory, service, ([one]) => one?.status === 'warn');
      await put(`/agent/check/update/service:${service}-1`, { Status: 'warning', Output: 'x' });
      await seen;
      await directory[Symbol.asyncDispose]();
      // Wakes one of the two questions that nobody needs any more: it ends, and the other goes on.
      await put(`/agent/check/update/service:${MANY[0]}-1`, { Status: round % 2 === 0 ? 'passing' : 'critical', Output: 'x' });
    }
    expect(proxy.accepted).to.be.at.most(8);
  });

  it('keeps the object of every instance that did not change', async () => {
    for (const id of ['a', 'b', 'c']) await enter('orders', { ID: id, Check: { CheckID: `check-${id}`, TTL: '1h', Status: 'passing' } });
    const lists = through().watch('orders', new AbortController().signal)[Symbol.asyncIterator]();
    const before = (await lists.next()).value as readonly Instance[];
    await put('/agent/check/update/check-b', { Status: 'warning', Output: 'x' });
    const after = (await lists.next()).value as readonly Instance[];
    expect(after.map((instance, index) => instance === before[index])).to.deep.equal([true, false, true]);
    expect(after[1]).to.include({ id: 'b', status: 'warn' });
    await lists.return!();
  });

  it('tells whoever watches again, while a question still runs, what is true then', async () => {
    await enter('orders');
    const directory = directoryOf(through());
    await directory.ready('orders');
    await enter('orders', { Tags: ['new'] });
    const found = await directory.refresh('orders');
    expect(found.instances).to.have.length(1);
    await when(directory, 'orders', ([one]) => one?.tags?.[0] === 'new');
    expect(proxy.accepted).to.be.at.most(3);
  });

  it('leaves out what fails when asked to, unless too few are left, and what is in maintenance always', async () => {
    const status = (id: string, Status: string): Promise<unknown> => put(`/agent/check/update/check-${id}`, { Status, Output: 'x' });
    for (const id of ['a', 'b', 'c']) await enter('orders', { ID: id, Check: { CheckID: `check-${id}`, TTL: '1h', Status: 'passing' } });
    const directory = directoryOf(through({ passingOnly: { atLeast: 2 } }));
    const ids = (wanted: string): Promise<unknown> => when(directory, 'orders', (list) => list.map(({ id }) => id).join('') === wanted);
    await ids('abc');
    await status('a', 'critical');
    await ids('bc');
    await status('b', 'warning');
    await put('/agent/service/maintenance/c?enable=true', {});
    await ids('ab');
    expect(directory.lookup('orders').instances.map((one) => one.status)).to.deep.equal(['fail', 'warn']);
    await put('/agent/service/maintenance/c?enable=false', {});
    await ids('bc');
  });

  it('asks for what the filter keeps, from whom the consistency says', async () => {
    await enter('orders', { ID: 'a', Meta: { env: 'prod' } });
    await enter('orders', { ID: 'b', Meta: { env: 'test' }, Check: { CheckID: 'check-b', TTL: '1h', Status: 'passing' } });
    for (const consistency of ['default', 'stale', 'consistent'] as const) {
      const directory = directoryOf(through({ filter: 'Service.Meta.env == "prod"', consistency }));
      expect((await directory.ready('orders')).instances.map(({ id }) => id)).to.deep.equal(['a']);
    }
    const error = await rejection(firstList(through({ filter: 'Service.Nonsense ==' }), 'orders'));
    expect(error)
      .to.have.property('message')
      .that.matches(/Consul answered (400|500)/);
  });

  it('takes an answer that drips', async () => {
    for (let index = 0; index < 30; index++) await enter('orders', { ID: `slow-${index}`, Check: undefined });
    proxy.throttle(200_000);
    proxy.delay(20);
    expect(await firstList(through(), 'orders')).to.have.length(30);
  });

  it('leaves no listener on a signal, however often it is used', async () => {
    const registry = through();
    const { signal } = new AbortController();
    for (let turn = 0; turn < 20; turn++) {
      await registry.services(signal);
      for await (const list of registry.watch(`none-${turn}`, signal)) {
        expect(list).to.deep.equal([]);
        break;
      }
    }
    expect(getEventListeners(signal, 'abort')).to.deep.equal([]);
  });

  it('gives names once, sorted', async () => {
    await enter('b');
    await enter('a');
    await enter('a', { ID: 'a-2', Check: undefined, Tags: ['x'] });
    expect(await through().services()).to.deep.equal(['a', 'b']);
  });
});

describeWithConsul('consulRegistry and an agent that takes no more connections', () => {
  it('ends its watch while others hold all of them, and goes on when there is room', async () => {
    const agent = await newAgent({ hcl: 'limits { http_max_conns_per_client = 6 }' });
    await agent.start();
    const { hostname, port } = new URL(agent.address);
    const others: Socket[] = [];
    await using registry = consulRegistry({ address: agent.address, maxSockets: 4 });
    await using directory = createDirectory({ discovery: registry });
    try {
      // Idle ones that came first. Each is answered once, which tells that it has a place: one of whoever asked whether the agent has
      // started may still be there for some seconds, and Consul closes what is too many.
      while (others.length < 6) {
        const socket = connect({ host: hostname, port: Number(port) }).on('error', () => {});
        socket.write(`GET /v1/status/leader HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`);
        const answer = await new Promise<string>((resolve) => {
          socket.once('data', (data) => resolve(data.toString('latin1')));
          socket.once('close', () => resolve(''));
        });
        if (answer.startsWith('HTTP/1.1 200')) others.push(socket.resume());
        else socket.destroy();
      }
      await when(directory, 'orders', () => directory.lookup('orders').state === 'failed', false);
      for (const socket of others) socket.destroy();
      await when(directory, 'orders', () => directory.lookup('orders').state === 'empty', false);
    } finally {
      for (const socket of others) socket.destroy();
      await agent.kill();
    }
  });
});

/** Resolves with the first list of the directory that fits, and is not stale unless that does not matter. */
function when(directory: Directory, service: string, fits: (list: readonly Instance[]) => boolean, fresh = true): Promise<void> {
  return new Promise((resolve) => {
    let leave = (): void => {};
    const look = (): boolean => {
      const { instances, stale } = directory.lookup(service);
      return !(fresh && stale) && fits(instances);
    };
    leave = directory.subscribe(service, () => {
      if (!look()) return;
      leave();
      resolve();
    });
    if (look()) {
      leave();
      resolve();
    }
  });
}

async function firstList(registry: Registry, service: string): Promise<readonly Instance[]> {
  for await (const list of registry.watch(service, new AbortController().signal)) return list;
  throw new Error('no list');
}

function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}
