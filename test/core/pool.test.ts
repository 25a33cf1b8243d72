import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { client, createService, httpTransport, isServiceError, serviceFetch, silentLogger, staticRegistry } from '@ferrule/core';
import type { ClientOptions, PoolOptions } from '@ferrule/core';
import type { Transport } from '@ferrule/core/adapter';
import { expressAdapter } from '@ferrule/express';
import { answers, manualClock, scriptedUpstream } from '@ferrule/testing';
import type { ScriptedUpstream } from '@ferrule/testing';

describe('pool options', () => {
  const open: AsyncDisposable[] = [];
  const opened = <D extends AsyncDisposable>(part: D): D => {
    open.push(part);
    return part;
  };
  afterEach(async () => {
    for (const part of open.splice(0).reverse()) await part[Symbol.asyncDispose]();
  });

  /** Remembers how many connections it had at a time. */
  const counting = async (): Promise<ScriptedUpstream & { readonly most: { connections: number } }> => {
    const up = opened(await scriptedUpstream());
    const most = { connections: 0 };
    up.otherwise(async () => {
      most.connections = Math.max(most.connections, up.connections);
      await turn();
      return answers.ok();
    });
    return Object.assign(up, { most });
  };
  const clientTo = (target: string, options?: ClientOptions) => opened(client(target, options));
  const burst = (users: { get(path: string): Promise<unknown> }, calls: number) => Promise.all(Array.from({ length: calls }, () => users.get('/')));

  it('never let a client have more connections to an instance than it may, however many calls there are', async () => {
    const ups = [await counting(), await counting()];
    const registry = staticRegistry({ users: ups.map(({ origin }) => origin) });
    await burst(clientTo('users', { registry, pool: { connections: 2 } }), 60);
    for (const up of ups) {
      expect(up.most.connections).to.equal(2);
      expect(up.requests.length).to.be.above(10);
    }
  });

  it('without them there are as many as there are calls: what the test before this one would see', async () => {
    const up = await counting();
    await burst(clientTo(up.origin), 20);
    expect(up.most.connections).to.be.above(2);
  });

  it('with an idle time of 0 keep no connection at all', async () => {
    const up = opened(await scriptedUpstream());
    up.otherwise(answers.ok());
    const users = clientTo(up.origin, { pool: { idleTimeout: 0 } });
    for (let call = 0; call < 3; call++) await users.get('/');
    expect(up.requests.map(({ connection }) => connection)).to.deep.equal([1, 2, 3]);
    expect(up.requests[0]!.headers.connection).to.equal('close');
  });

  it('bound how long an idle connection is kept, also where the server would keep it for longer', async () => {
    const up = opened(await scriptedUpstream());
    up.otherwise({ body: {}, headers: { 'keep-alive': 'timeout=600' } });
    const users = clientTo(up.origin, { pool: { idleTimeout: 50 } });
    await users.get('/');
    expect(up.connections).to.equal(1);
    // undici's timer, which takes no clock: its connection closes, without anybody asking for it.
    while (up.connections > 0) await turn();
    await users.get('/');
    expect(up.requests[1]!.connection).to.equal(2);
  });

  it('bound the time to connect', async () => {
    const clock = manualClock();
    const server = createServer();
    await once(server.listen({ port: 0, host: '127.0.0.1' }), 'listening');
    const { port } = server.address() as AddressInfo;
    // TLS to a server that says nothing: the TCP connection is there, the TLS one never.
    const users = clientTo(`https://127.0.0.1:${port}`, { clock, retry: false, pool: { connectTimeout: '300ms' } });
    const accepted = once(server, 'connection');
    const failure = users.get('/').then(
      () => undefined,
      (error: unknown) => error,
    );
    await accepted;
    await clock.advance(300);
    expect(isServiceError(await failure) && ((await failure) as Error).message).to.include('UND_ERR_CONNECT_TIMEOUT');
    server.close();
  });

  it('are of one service each, beside clients that share their connections', async () => {
    const up = await counting();
    const registry = staticRegistry({ users: up.origin, orders: up.origin });
    const service = createService({ name: 'shop', logger: silentLogger, signals: false, adapter: expressAdapter(), registry });
    const users = service.client('users', { pool: { connections: 1 } });
    await burst(users, 10);
    expect(up.most.connections).to.equal(1);
    await burst(service.client('orders'), 10);
    expect(up.most.connections).to.be.above(2);
    expect(service.client('users', { pool: { connections: 1 } })).to.equal(users);
    expect(() => service.client('users', { pool: { connections: 2 } })).to.throw(TypeError, /pool is not what its client was made with/);
    await service.stop();
    await closed(up);
  });

  it('of a service hold for each of its clients', async () => {
    const up = await counting();
    const registry = staticRegistry({ users: up.origin });
    const service = createService({
      name: 'shop',
      logger: silentLogger,
      signals: false,
      adapter: expressAdapter(),
      registry,
      clients: { pool: { connections: 3 } },
    });
    await burst(service.client('users'), 20);
    expect(up.most.connections).to.equal(3);
    await service.stop();
    const fetch = opened(serviceFetch({ registry, pool: { connections: 1 } }));
    up.most.connections = 0;
    await closed(up);
    await Promise.all(Array.from({ length: 5 }, async () => (await fetch('http://users/')).text()));
    expect(up.most.connections).to.equal(1);
  });

  it('keep what else a shared transport was made with', async () => {
    const up = opened(await scriptedUpstream({ body: 'x'.repeat(100) }));
    const transport = opened(httpTransport({ replyLimit: 50 }));
    const users = clientTo(up.origin, { transport, retry: false, pool: { connections: 1 } });
    const failure: unknown = await users.get('/').catch((error: unknown) => error);
    expect(isServiceError(failure) && failure.reason).to.equal('REPLY_TOO_LARGE');
    const bare: Transport = { name: 'own', handle: transport.handle, forget: () => {}, [Symbol.asyncDispose]: async () => {} };
    expect(() => client(up.origin, { transport: bare, pool: {} })).to.throw(TypeError, /the transport "own" has no withPool/);
  });

  it('close the connections of an instance that leaves: idle ones now, a busy one when its work has ended', async () => {
    const [leaving, staying] = [opened(await scriptedUpstream()), opened(await scriptedUpstream())];
    let answer: (() => void) | undefined;
    const later = new Promise<void>((resolve) => (answer = resolve));
    leaving.script({ body: { late: true }, after: later });
    leaving.otherwise(answers.ok());
    staying.otherwise(answers.ok());
    const registry = staticRegistry({ users: leaving.origin });
    const users = clientTo('users', { registry, pool: { connections: 2 } });
    const busy = users.get('/');
    await leaving.received(1);
    await users.get('/');
    expect(leaving.connections).to.equal(2);
    registry.replace('users', staying.origin);
    while (leaving.connections > 1) await turn();
    expect(await users.get('/')).to.deep.equal({ ok: true });
    expect(staying.requests).to.have.length(1);
    answer!();
    expect(await busy).to.deep.equal({ late: true });
    await closed(leaving);
    expect(staying.connections).to.equal(1);
  });

  it('also of one whose calls were still waiting for a connection when it left', async () => {
    const leaving = opened(await scriptedUpstream());
    let answer: (() => void) | undefined;
    const later = new Promise<void>((resolve) => (answer = resolve));
    leaving.script({ body: {}, after: later });
    leaving.otherwise(answers.ok());
    const registry = staticRegistry({ users: leaving.origin });
    const users = clientTo('users', { registry, pool: { connections: 1 } });
    const calls = [users.get('/'), users.get('/'), users.get('/')];
    await leaving.received(1);
    registry.replace('users');
    answer!();
    await Promise.all(calls);
    await closed(leaving);
  });

  it('close everything with their client', async () => {
    const up = opened(await scriptedUpstream());
    up.otherwise(answers.ok());
    const transport = opened(httpTransport());
    const users = client(up.origin, { transport, pool: { connections: 1 } });
    await users.get('/');
    await users[Symbol.asyncDispose]();
    await closed(up);
  });

  for (const [pool, message] of [
    [{ connections: 0 }, /client "users" pool connections: 0 does not fit.*idleTimeout: 0/],
    [{ connections: 1.5 }, /Give a whole number from 1/],
    [{ connections: '2' }, /connections: "2" does not fit/],
    [{ idleTimeout: 'soon' }, /pool idleTimeout/],
    [{ connectTimeout: 0 }, /connectTimeout: 0 leaves no time/],
    [{ size: 2 }, /no option "size"/],
    [5, /5 is no options object/],
  ] as const) {
    it(`refuse ${JSON.stringify(pool)}`, () => {
      expect(() => client('users', { registry: staticRegistry(), pool: pool as PoolOptions })).to.throw(message);
      expect(() =>
        createService({ name: 'shop', logger: silentLogger, signals: false, adapter: expressAdapter(), clients: { pool: pool as PoolOptions } }),
      ).to.throw(/pool/);
    });
  }

  /** Until the server has no connection any more. Nothing waits for a time: they close as soon as both sides have heard of it. */
  async function closed(up: ScriptedUpstream): Promise<void> {
    while (up.connections > 0) await turn();
  }
});
