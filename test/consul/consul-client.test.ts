import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { consulRegistry } from '@ferrule/consul';
import type { ConsulRegistryOptions } from '@ferrule/consul';
import { ServiceError } from '@ferrule/core';
import type { Instance, Logger, Registry } from '@ferrule/core';
import { manualClock } from '@ferrule/testing';
import { expect } from 'chai';

/** An agent that answers as it is told, for what a real one does not do when asked. */
interface FakeAgent {
  readonly address: string;
  /** Method, path and query of each request, in order. */
  readonly requests: readonly string[];
  readonly tokens: readonly unknown[];
  answer: (req: IncomingMessage, res: ServerResponse) => void;
  /** Resolves when so many have come. */
  seen(count: number): Promise<void>;
  close(): Promise<void>;
}

const SECRET = '5ec2e7-70ce9';
const INSTANCE: Instance = { id: 'orders-1', service: 'orders', host: '127.0.0.1', port: 8080 };

const json =
  (body: unknown, index?: number, status = 200) =>
  (_req: IncomingMessage, res: ServerResponse): void => {
    res.writeHead(status, { 'content-type': 'application/json', ...(index !== undefined && { 'x-consul-index': index }) });
    res.end(JSON.stringify(body));
  };
const text =
  (body: string, status: number, type = 'text/plain; charset=utf-8') =>
  (_req: IncomingMessage, res: ServerResponse): void => {
    res.writeHead(status, { 'content-type': type });
    res.end(body);
  };
const silence = (): void => {};

async function fakeAgent(): Promise<FakeAgent> {
  const requests: string[] = [];
  const tokens: unknown[] = [];
  const waiting = new Set<() => void>();
  const server = createServer((req, res) => {
    requests.push(`${req.method} ${req.url}`);
    tokens.push(req.headers['x-consul-token']);
    req.resume();
    fake.answer(req, res);
    for (const look of waiting) look();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const fake: FakeAgent = {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    tokens,
    answer: silence,
    seen: (count) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (requests.length < count) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return fake;
}

function row(id: string): object {
  return { Node: { Address: '10.0.0.1' }, Service: { ID: id, Service: 'orders', Address: '10.0.0.2', Port: 80 }, Checks: [] };
}

function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('consulRegistry and what an agent may answer', () => {
  let agent: FakeAgent;
  let registry: Registry;
  const make = (options: ConsulRegistryOptions = {}): Registry => (registry = consulRegistry({ address: agent.address, ...options }));
  const iterate = (signal = new AbortController().signal): AsyncIterator<readonly Instance[]> =>
    registry.watch('orders', signal)[Symbol.asyncIterator]();

  beforeEach(async () => {
    agent = await fakeAgent();
    make();
  });
  afterEach(async () => {
    agent.answer = json({}, 1, 404);
    await rejection(Promise.resolve(registry[Symbol.asyncDispose]()));
    await agent.close();
  });

  for (const [what, answer, words] of [
    ['500 with text', text('No cluster leader', 500), 'No cluster leader'],
    ['text where JSON was expected', text('<html>hello</html>', 200, 'text/html'), 'no JSON'],
    ['a JSON object where a list was expected', json({ a: 1 }, 7), 'no JSON of the expected form'],
    ['JSON that is none', text('[{', 200, 'application/json'), 'cannot be read'],
    [
      'half an answer',
      (_req, res) => (res.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 }), res.write('[', () => res.destroy())),
      'middle of the answer',
    ],
    ['nothing, and hangs up', (req) => req.socket.destroy(), 'ECONNRESET'],
  ] as readonly (readonly [string, FakeAgent['answer'], string])[]) {
    it(`ends a watch with an error that can be retried when the agent answers ${what}`, async () => {
      agent.answer = answer;
      const error = await rejection(iterate().next());
      expect(error).to.be.instanceOf(ServiceError);
      expect(error).to.include({ code: 'UNAVAILABLE', retryable: true });
      expect((error as Error).message)
        .to.include(words)
        .and.include('GET /v1/health/service/{name}');
    });
  }

  it('rejects what a better token alone would heal, and says which rights are missing', async () => {
    agent.answer = text('Permission denied', 403);
    for (const error of [await rejection(registry.services()), await rejection(registry.register(INSTANCE)), await rejection(iterate().next())]) {
      expect(error).to.include({ code: 'PERMISSION_DENIED', retryable: false });
      expect((error as Error).message).to.include('service:write');
    }
  });

  it('asks for the list, then for what is newer than it, with a wait', async () => {
    make({ wait: '20s' });
    agent.answer = json([row('a')], 42);
    const lists = iterate();
    await lists.next();
    agent.answer = silence;
    await agent.seen(2);
    expect(agent.requests).to.deep.equal(['GET /v1/health/service/orders', 'GET /v1/health/service/orders?index=42&wait=20000ms']);
    await lists.return!();
  });

  it('asks for the whole list again after an index that went backwards', async () => {
    agent.answer = json([row('a')], 42);
    const lists = iterate();
    await lists.next();
    agent.answer = json([row('a')], 12);
    await agent.seen(2);
    agent.answer = json([row('a'), row('b')], 12);
    expect((await lists.next()).value).to.have.length(2);
    expect(agent.requests.map((one) => /index=(\d+)/.exec(one)?.[1])).to.deep.equal([undefined, '42', undefined]);
    await lists.return!();
  });

  it('asks for the whole list again after an error', async () => {
    agent.answer = json([row('a')], 42);
    const lists = iterate();
    await lists.next();
    agent.answer = text('rpc error', 500);
    await rejection(lists.next());
    agent.answer = json([row('a')], 42);
    await iterate().next();
    expect(agent.requests.map((one) => /index=(\d+)/.exec(one)?.[1])).to.deep.equal([undefined, '42', undefined]);
  });

  it('does not repeat a held question over a new connection when the agent dies: its index means nothing to the next agent', async () => {
    agent.answer = json([row('a')], 42);
    const lists = iterate();
    await lists.next();
    const lost = rejection(lists.next());
    agent.answer = (req) => req.socket.destroy();
    expect(await lost).to.have.property('code', 'UNAVAILABLE');
    expect(agent.requests).to.have.length(2);
  });

  it('repeats any other request once when a kept connection was closed meanwhile', async () => {
    agent.answer = json({ orders: [] }, 1);
    await registry.services();
    agent.answer = (req) => {
      agent.answer = json({ users: [] }, 2);
      req.socket.destroy();
    };
    expect(await registry.services()).to.deep.equal(['users']);
    expect(agent.requests).to.have.length(3);
  });

  it('makes no hot loop of an agent that answers at once: two questions, then ten a second', async () => {
    const clock = manualClock();
    make({ clock });
    agent.answer = json([row('a')], 42);
    const lists = iterate();
    await lists.next();
    await agent.seen(2);
    for (let turn = 0; turn < 5; turn++) await clock.advance(0);
    expect(agent.requests).to.have.length(2);
    await clock.advance(99);
    expect(agent.requests).to.have.length(2);
    await clock.advance(1);
    await agent.seen(3);
    await lists.return!();
  });

  it('asks once a second where the agent tells no index, or one that cannot be one, and repeats no list', async () => {
    for (const index of [undefined, 0, -4, '9'.repeat(30), 'abc'] as readonly (number | undefined)[]) {
      const clock = manualClock();
      make({ clock });
      agent.answer = json([row('a')], index);
      const before = agent.requests.length;
      const lists = iterate();
      await lists.next();
      await agent.seen(before + 2);
      for (let turn = 0; turn < 5; turn++) await clock.advance(0);
      await clock.advance(999);
      expect(agent.requests).to.have.length(before + 2);
      agent.answer = json([row('a'), row('b')], index);
      const next = lists.next();
      await clock.advance(1);
      expect((await next).value).to.have.length(2);
      await registry[Symbol.asyncDispose]();
    }
  });

  it('gives up a question that the agent never answers: after requestTimeout, or wait, a sixteenth of it and 5 s', async () => {
    const clock = manualClock();
    make({ clock, wait: '16s', requestTimeout: '3s' });
    const first = rejection(iterate().next());
    await agent.seen(1);
    await clock.advance(3_000);
    expect(await first)
      .to.have.property('message')
      .that.includes('no answer within 3000 ms');

    agent.answer = (req, res) => (req.url!.includes('index=') ? silence() : json([], 42)(req, res));
    // The first failure may have been one connection: the next question is a probe, after some 100 ms.
    const lists = iterate();
    const list = lists.next();
    await clock.advance(200);
    await list;
    await agent.seen(3);
    const second = rejection(lists.next());
    await clock.advance(21_999);
    await clock.advance(1);
    expect(await second)
      .to.have.property('message')
      .that.includes('no answer within 22000 ms');
  });

  it('lets a question run out when nobody watches any more: broken off, it would hold a connection of the agent until its wait is over', async () => {
    const ending = new AbortController();
    agent.answer = json([row('a')], 42);
    const lists = iterate(ending.signal);
    await lists.next();
    let hungUp = false;
    agent.answer = (req) => void req.socket.once('close', () => (hungUp = true));
    await agent.seen(2);
    ending.abort();
    expect((await lists.next()).done).to.equal(true);
    // Who watches again meanwhile is told a list that was asked for anew, and finds the question that is held.
    agent.answer = json([row('a')], 42);
    expect((await iterate().next()).value).to.have.length(1);
    await agent.seen(3);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(agent.requests).to.have.length(3);
    expect(hungUp).to.equal(false);
  });

  it('hangs up when the signal of a question for names aborts', async () => {
    const reason = new Error('enough');
    agent.answer = silence;
    const services = new AbortController();
    const asking = rejection(registry.services(services.signal));
    await agent.seen(1);
    services.abort(reason);
    expect(await asking).to.equal(reason);
  });

  for (const status of [404, 500]) {
    it(`registers again when a heartbeat is answered ${status}, with Consul's words for a check that it does not know`, async () => {
      const clock = manualClock();
      make({ clock, random: () => 0.5, check: 'ttl' });
      let entry: { Meta: object } | undefined;
      let knows = true;
      let registered = 0;
      agent.answer = (req, res) => {
        const path = req.url!.split('?')[0]!;
        if (path === '/v1/agent/service/register') {
          registered++;
          knows = true;
          let body = '';
          req.on('data', (chunk: Buffer) => (body += String(chunk)));
          req.on('end', () => {
            entry = JSON.parse(body) as { Meta: object };
            json(null)(req, res);
          });
        } else if (path.startsWith('/v1/agent/check/update/')) {
          if (knows) json(null)(req, res);
          else text(`CheckID "service:orders-1" does not have associated TTL`, status)(req, res);
        } else if (path.startsWith('/v1/health/')) json(entry === undefined ? [] : [{ Service: entry }], 7)(req, res);
        else if (req.method === 'GET') json(entry)(req, res);
        else json(null)(req, res);
      };
      await registry.register(INSTANCE);
      knows = false;
      await clock.advance(5_000);
      const beats = agent.requests.length;
      await agent.seen(beats + 1);
      while (!knows) await new Promise((resolve) => setImmediate(resolve));
      expect(registered).to.equal(2);
      // Nothing is kept when it ends: the answers say that all is gone.
      entry = undefined;
    });
  }

  it('verifies an entry that Consul checks by itself every 15 s', async () => {
    const clock = manualClock();
    make({ clock, random: () => 0.5 });
    let entry: object | undefined;
    const looks: number[] = [];
    agent.answer = (req, res) => {
      const [path, query = ''] = req.url!.split('?');
      if (path === '/v1/agent/service/register') {
        let body = '';
        req.on('data', (chunk: Buffer) => (body += String(chunk)));
        req.on('end', () => {
          entry = { ...(JSON.parse(body) as object), ContentHash: 'abc' };
          json(null)(req, res);
        });
      } else if (path!.startsWith('/v1/health/')) json(entry === undefined ? [] : [{ Service: entry }], 7)(req, res);
      else if (!query.includes('hash=')) {
        looks.push(clock.now());
        json(entry)(req, res);
      } // else: the question is held open
    };
    await registry.register(INSTANCE, { health: { url: 'http://127.0.0.1:1/health/ready' } });
    while (looks.length < 1) await new Promise((resolve) => setImmediate(resolve)); // the one that the held question begins with
    await clock.advance(15_000);
    while (looks.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(looks[1]).to.equal(15_000);
    entry = undefined;
  });

  it('sends the token in a header alone; no error, no log line and no inspection shows it', async () => {
    const lines: unknown[] = [];
    let told = silence;
    const note = (...line: unknown[]): void => {
      lines.push(line);
      told();
    };
    const logger: Logger = { debug: note, info: note, warn: note, error: note };
    make({ token: SECRET, logger });
    const errors: unknown[] = [];
    for (const answer of [text(`ACL ${SECRET} not found`, 403), text(`it was ${SECRET}`, 500), (req: IncomingMessage) => req.socket.destroy()]) {
      agent.answer = answer;
      make({ token: SECRET, logger });
      errors.push(await rejection(registry.services()), await rejection(iterate().next()));
      const giving = new AbortController();
      const logged = new Promise<void>((resolve) => (told = resolve));
      const registering = rejection(registry.register(INSTANCE, { signal: giving.signal }));
      await Promise.race([logged, registering]);
      giving.abort(new Error('enough'));
      errors.push(await registering);
    }
    expect(agent.tokens.every((token) => token === SECRET)).to.equal(true);
    expect(agent.requests.join('\n')).to.not.include(SECRET);
    const shown = [errors, lines, registry].map((one) => inspect(one, { depth: 20, showHidden: true })).join('\n');
    expect(shown).to.not.include(SECRET);
    expect(errors.map((error) => JSON.stringify(error) + String((error as Error | undefined)?.stack)).join('\n')).to.not.include(SECRET);
  });
});

describe('consulRegistry options', () => {
  for (const [options, words] of [
    [{ adress: 'x' }, ['adress', 'address']],
    [{ address: 'ftp://agent:8500' }, ['address', 'ftp://agent:8500']],
    [{ address: 'unix://consul.sock' }, ['address', 'unix', 'whole path']],
    [{ address: '' }, ['address']],
    [{ address: 'http://agent:8500/?token=x' }, ['address', 'token']],
    [{ check: 'udp' }, ['check', 'udp', "'ttl'"]],
    [{ deregisterCriticalAfter: '10s' }, ['deregisterCriticalAfter', '10s', '60000 ms']],
    [{ interval: '500ms' }, ['interval', '500ms', '1000 ms']],
    [{ timeout: 0 }, ['timeout', '0']],
    [{ ttl: '1s' }, ['ttl', '1s', '3000 ms']],
    [{ wait: '1h' }, ['wait', '1h', '600000 ms']],
    [{ wait: 'soon' }, ['wait', 'soon']],
    [{ maxSockets: 3 }, ['maxSockets', '3', 'from 4']],
    [{ passingOnly: 'yes' }, ['passingOnly']],
    [{ passingOnly: { atLeast: 0 } }, ['passingOnly.atLeast', '0', 'from 1']],
    [{ consistency: 'eventual' }, ['consistency', 'eventual', "'stale'"]],
    [{ filter: ' ' }, ['filter', 'Service.Meta']],
    [{ tags: 'blue' }, ['tags', 'blue']],
    [{ datacenter: 'a b' }, ['datacenter', 'a b']],
  ] as const) {
    it(`refuse ${JSON.stringify(options)}, naming the option, the value and what would be right`, () => {
      const make = (): unknown => consulRegistry(options as unknown as ConsulRegistryOptions); // what the types forbid
      expect(make).to.throw(TypeError, words[0]);
      for (const word of words) expect(make).to.throw(word);
    });
  }

  it('never repeat a secret that they refuse', () => {
    for (const options of [{ address: `http://user:${SECRET}@agent` }, { token: `${SECRET}\n` }]) {
      try {
        consulRegistry(options);
        expect.fail('it was accepted');
      } catch (error) {
        expect(error).to.be.instanceOf(TypeError);
        expect(inspect(error)).to.not.include(SECRET);
      }
    }
  });

  it('may be left out: a registry says its version, and asks nothing before it is used', () => {
    const { version } = createRequire(import.meta.url)('@ferrule/consul/package.json') as { version: string };
    expect(consulRegistry({ address: '127.0.0.1:9' })).to.include({ name: 'consul', version });
  });

  it('come from the environment of Consul when they are left out', async () => {
    const agent = await fakeAgent();
    const { CONSUL_HTTP_ADDR: address, CONSUL_HTTP_TOKEN: token } = process.env;
    agent.answer = json({ consul: [], orders: [], '~~2e~2e~2forders': [] }, 1);
    process.env['CONSUL_HTTP_ADDR'] = agent.address.replace('http://', '');
    process.env['CONSUL_HTTP_TOKEN'] = SECRET;
    try {
      const registry = consulRegistry();
      expect(await registry.services()).to.deep.equal(['../orders', 'orders']);
      expect(agent.tokens).to.deep.equal([SECRET]);
      await registry[Symbol.asyncDispose]();
    } finally {
      restore('CONSUL_HTTP_ADDR', address);
      restore('CONSUL_HTTP_TOKEN', token);
      await agent.close();
    }
  });
});

function restore(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}
