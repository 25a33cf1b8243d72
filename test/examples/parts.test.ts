import { expect } from 'chai';
import { sticky } from '@ferrule-examples/balancer';
import { hubRegistry, startHub } from '@ferrule-examples/registry';
import { Call, client, createService, get, silentLogger } from '@ferrule/core';
import { Endpoint } from '@ferrule/core/adapter';
import type { Instance, ServiceError } from '@ferrule/core';
import type { View } from '@ferrule/core/adapter';
import { koaAdapter } from '@ferrule/koa';
import { manualClock, registryCases, skipReason, tcpProxy } from '@ferrule/testing';
import type { OpenRegistry, RegistrySubject, TcpProxy } from '@ferrule/testing';

interface OpenHub extends OpenRegistry {
  readonly proxy: TcpProxy;
  restart(): Promise<void>;
}

const hubSubject: RegistrySubject = {
  name: 'hub',
  async open(): Promise<OpenHub> {
    let hub = await startHub();
    const port = Number(new URL(hub.url).port);
    const proxy = await tcpProxy({ host: '127.0.0.1', port });
    const options = { url: proxy.origin, renewEveryMs: 200 };
    return {
      first: hubRegistry(options),
      second: hubRegistry(options),
      proxy,
      async restart() {
        await hub.close();
        hub = await startHub({ port });
      },
      async close() {
        await proxy.close();
        await hub.close();
      },
    };
  },
  async outage(open, knowledge) {
    const { proxy, restart } = open as OpenHub;
    proxy.refuse(true);
    proxy.cut();
    if (knowledge === 'forgotten') await restart();
    return async () => proxy.refuse(false);
  },
};

describe('the hub registry', () => {
  for (const one of registryCases) {
    const reason = skipReason(registryCases, hubSubject, one.name);
    if (reason === undefined) it(one.name, () => one.run(hubSubject)).timeout(one.deadlineMs + 5_000);
    else it.skip(`${one.name} (${reason})`);
  }

  it('writes its entry again when the hub has forgotten it, and knows it as lost when the hub is away', async () => {
    const clock = manualClock();
    const first = await startHub();
    const port = Number(new URL(first.url).port);
    const registry = hubRegistry({ url: first.url, clock, random: () => 0.5 });
    const reader = hubRegistry({ url: first.url });
    await registry.register({ id: '1', service: 'docs', host: '127.0.0.1', port: 8080 });
    await first.close();
    const away = reader.watch('docs', new AbortController().signal)[Symbol.asyncIterator]();
    expect(await away.next().then(String, (error: unknown) => (error as ServiceError).code)).to.equal('UNAVAILABLE');

    const second = await startHub({ port });
    const ending = new AbortController();
    try {
      const lists = reader.watch('docs', ending.signal)[Symbol.asyncIterator]();
      expect((await lists.next()).value).to.deep.equal([]);
      await clock.advance(5_000);
      expect(((await lists.next()).value as readonly Instance[]).map(({ id }) => id)).to.deep.equal(['1']);
    } finally {
      ending.abort();
      await registry[Symbol.asyncDispose]();
      await reader[Symbol.asyncDispose]();
      await second.close();
    }
  });

  it('takes away what nobody renews, and answers nonsense with 400', async () => {
    const hub = await startHub({ ttlMs: 20 });
    const registry = hubRegistry({ url: hub.url, clock: manualClock() });
    const lists = registry.watch('docs', new AbortController().signal)[Symbol.asyncIterator]();
    await lists.next();
    await registry.register({ id: '1', service: 'docs', host: '127.0.0.1', port: 8080 });
    while (((await lists.next()).value as readonly Instance[]).length > 0); // the list with the entry may have been skipped by now
    expect((await fetch(`${hub.url}/put`, { method: 'POST', body: '{' })).status).to.equal(400);
    expect((await fetch(`${hub.url}/nothing`)).status).to.equal(404);
    await registry[Symbol.asyncDispose]();
    await hub.close();
  });
});

describe('the sticky balancer', () => {
  const call = (user: string | undefined): Call =>
    new Call({
      side: 'client',
      operation: { service: 'docs', name: 'GET /', method: 'GET', path: '/', idempotent: true },
      ...(user !== undefined && { headers: { 'x-user': user } }),
    });
  const endpoints = Array.from({ length: 10 }, (_, n) => new Endpoint({ id: `docs-${n}`, service: 'docs', host: '127.0.0.1', port: 8000 + n }));
  const view = (list: readonly Endpoint[], version: number): View => ({ endpoints: list, version, now: 0 });
  const balancer = sticky({ key: ({ headers }) => headers['x-user'] as string | undefined });
  const users = Array.from({ length: 1_000 }, (_, n) => `user-${n}`);

  it('gives a key the same instance each time, and each instance its share', () => {
    const all = view(endpoints, 1);
    const shares = new Map<string, number>();
    for (const user of users) {
      const picked = balancer.pick(all, call(user))!;
      expect(balancer.pick(all, call(user))).to.equal(picked);
      shares.set(picked.id, (shares.get(picked.id) ?? 0) + 1);
    }
    expect(
      [...shares.values()].every((share) => share > 50 && share < 150),
      [...shares.values()].join(' '),
    ).to.equal(true);
  });

  it('moves only the keys of an instance that leaves', () => {
    const changing = { endpoints, version: 1, now: 0 };
    const before = users.map((user) => balancer.pick(changing, call(user))!);
    changing.endpoints = endpoints.slice(1);
    changing.version = 2;
    for (const [index, user] of users.entries()) {
      const after = balancer.pick(changing, call(user))!;
      if (before[index] === endpoints[0]) expect(after).to.not.equal(endpoints[0]);
      else expect(after).to.equal(before[index]);
    }
  });

  it('declines a call without a key, and refuses what is no function', () => {
    expect(balancer.pick(view(endpoints, 1), call(undefined))).to.equal(undefined);
    expect(() => sticky({ key: 'x-user' as unknown as () => string })).to.throw(TypeError, /sticky key: x-user/);
  });
});

describe('parts of a stranger together', () => {
  it('find, balance and serve', async () => {
    const hub = await startHub();
    const services = ['a', 'b', 'c'].map((id) =>
      createService({
        name: 'docs',
        id,
        adapter: koaAdapter(),
        registry: hubRegistry({ url: hub.url }),
        logger: silentLogger,
        signals: false,
        drainDelay: 0,
        listen: { host: '127.0.0.1' },
        routes: [get('/who', () => id)],
      }),
    );
    const registry = hubRegistry({ url: hub.url });
    try {
      for (const service of services) await service.start();
      await using docs = client('docs', { registry, balancer: sticky({ key: ({ headers }) => headers['x-user'] as string }) });
      const ask = (user: string): Promise<string> => docs.get<string>('/who', { headers: { 'x-user': user } });
      const first = await Promise.all(Array.from({ length: 20 }, (_, n) => ask(`user-${n}`)));
      const again = await Promise.all(Array.from({ length: 20 }, (_, n) => ask(`user-${n}`)));
      expect(again).to.deep.equal(first);
      expect(new Set(first).size).to.be.above(1);
    } finally {
      for (const service of services) await service.stop();
      await registry[Symbol.asyncDispose]();
      await hub.close();
    }
  });
});
