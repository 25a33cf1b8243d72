import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { consulRegistry, createRegistry } from '@ferrule/consul';
import type { ConsulRegistryOptions } from '@ferrule/consul';
import type { Instance, Logger } from '@ferrule/core';
import { expect } from 'chai';
import { cert as CERTIFICATE, key as PRIVATE_KEY } from '../support/tls-fixture.js';

const SECRET = '5ec2e7-70ce9';
const INSTANCE: Instance = { id: 'orders-1', service: 'orders', host: '127.0.0.1', port: 8080 };

/** What came to an agent that knows one service, `orders`. */
interface Agent {
  readonly server: Server;
  readonly requests: IncomingMessage[];
  /** The token that it takes; undefined: any. */
  takes: string | undefined;
}

function agentOn(server: Server): Agent {
  const agent: Agent = { server, requests: [], takes: undefined };
  server.on('request', (req, res) => {
    agent.requests.push(req);
    req.resume();
    const known = agent.takes === undefined || req.headers['x-consul-token'] === agent.takes;
    // A bad proxy says what it was sent.
    res.writeHead(known ? 200 : 403, { 'content-type': known ? 'application/json' : 'text/plain' });
    res.end(known ? '{"consul":[],"orders":[]}' : `${'.'.repeat(180)}${req.headers.authorization} ${String(req.headers['x-consul-token'])}`);
  });
  return agent;
}

function rejection(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => expect.fail('it resolved'),
    (error: unknown) => error as Error,
  );
}

/** Sets these variables of Consul's and no others while `work` runs. */
async function withEnvironment<T>(variables: Readonly<Record<string, string>>, work: () => T): Promise<Awaited<T>> {
  const before = Object.entries(process.env).filter(([name]) => name.startsWith('CONSUL_'));
  for (const [name] of before) delete process.env[name];
  Object.assign(process.env, variables);
  try {
    return await work();
  } finally {
    for (const name of Object.keys(variables)) delete process.env[name];
    Object.assign(process.env, Object.fromEntries(before));
  }
}

describe('consulRegistry and where its agent is', () => {
  let folder: string;
  let plain: Agent;
  let secure: Agent;
  let socket: Agent;
  const file = (name: string): string => join(folder, name);
  const port = ({ server }: Agent): number => (server.address() as AddressInfo).port;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ferrule-consul-'));
    await Promise.all([writeFile(file('ca.pem'), CERTIFICATE), writeFile(file('key.pem'), PRIVATE_KEY), writeFile(file('text'), 'no PEM')]);
    plain = agentOn(createServer());
    secure = agentOn(createSecureServer({ cert: CERTIFICATE, key: PRIVATE_KEY, ca: CERTIFICATE, requestCert: true, rejectUnauthorized: false }));
    socket = agentOn(createServer());
    plain.server.listen(0, '127.0.0.1');
    secure.server.listen(0, '127.0.0.1');
    socket.server.listen(file('agent.sock'));
    for (const { server } of [plain, secure, socket]) if (!server.listening) await once(server, 'listening');
  });
  after(async () => {
    for (const { server } of [plain, secure, socket]) {
      server.closeAllConnections();
      server.close();
    }
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    for (const agent of [plain, secure, socket]) {
      agent.requests.length = 0;
      agent.takes = undefined;
    }
  });

  /** Asks for the services once: the request that came to `agent`. */
  const asks = async (agent: Agent, variables: Readonly<Record<string, string>>, options: ConsulRegistryOptions = {}): Promise<IncomingMessage> => {
    const registry = await withEnvironment(variables, () => consulRegistry(options));
    try {
      expect(await registry.services()).to.deep.equal(['orders']);
    } finally {
      await registry[Symbol.asyncDispose]();
    }
    expect(agent.requests).to.have.length(1);
    return agent.requests[0]!;
  };

  const tlsVariables = (): Record<string, string> => ({
    CONSUL_HTTP_ADDR: `127.0.0.1:${port(secure)}`,
    CONSUL_HTTP_SSL: 'true',
    CONSUL_CACERT: file('ca.pem'),
    CONSUL_TLS_SERVER_NAME: 'users.test',
  });

  it('takes CONSUL_HTTP_ADDR with and without a scheme, and an empty variable for none', async () => {
    await asks(plain, { CONSUL_HTTP_ADDR: `127.0.0.1:${port(plain)}`, CONSUL_HTTP_TOKEN: '', CONSUL_HTTP_SSL: '' });
    plain.requests.length = 0;
    const { headers } = await asks(plain, { CONSUL_HTTP_ADDR: `http://127.0.0.1:${port(plain)}`, CONSUL_HTTP_SSL: '0' });
    expect(headers).to.not.have.any.keys('x-consul-token', 'authorization');
  });

  it('lets an option win over its variable', async () => {
    const { headers } = await asks(
      plain,
      { CONSUL_HTTP_ADDR: '127.0.0.1:1', CONSUL_HTTP_TOKEN: 'other', CONSUL_HTTP_TOKEN_FILE: '/nowhere', CONSUL_HTTP_AUTH: 'a:b' },
      { address: `127.0.0.1:${port(plain)}`, token: SECRET, auth: 'me:too' },
    );
    expect([headers['x-consul-token'], headers.authorization]).to.deep.equal([SECRET, `Basic ${Buffer.from('me:too').toString('base64')}`]);
  });

  it('takes the token of CONSUL_HTTP_TOKEN_FILE before CONSUL_HTTP_TOKEN, and reads it again when the agent refuses it', async () => {
    await writeFile(file('token'), 'first\n');
    const variables = { CONSUL_HTTP_ADDR: `127.0.0.1:${port(plain)}`, CONSUL_HTTP_TOKEN: 'other', CONSUL_HTTP_TOKEN_FILE: file('token') };
    const registry = await withEnvironment(variables, () => consulRegistry());
    await registry.services();
    await writeFile(file('token'), 'second\n');
    plain.takes = 'second';
    await Promise.all([registry.services(), registry.services()]);
    await registry.services();
    expect(plain.requests.map(({ headers }) => headers['x-consul-token'])).to.have.members(['first', 'first', 'first', 'second', 'second', 'second']);
    plain.takes = 'third';
    expect(await rejection(registry.services())).to.have.property('code', 'PERMISSION_DENIED');
    await registry[Symbol.asyncDispose]();
  });

  it('sends CONSUL_HTTP_AUTH as basic authentication', async () => {
    const { headers } = await asks(plain, { CONSUL_HTTP_ADDR: `127.0.0.1:${port(plain)}`, CONSUL_HTTP_AUTH: 'user:pa:ss' });
    expect(headers.authorization).to.equal(`Basic ${Buffer.from('user:pa:ss').toString('base64')}`);
  });

  it('asks through a unix socket', async () => {
    const { headers } = await asks(socket, { CONSUL_HTTP_ADDR: `unix://${file('agent.sock')}`, CONSUL_HTTP_TOKEN: SECRET });
    expect([headers.host, headers['x-consul-token']]).to.deep.equal(['localhost', SECRET]);
    await using registry = consulRegistry({ address: `unix://${file('gone.sock')}` });
    expect((await rejection(registry.services())).message)
      .to.include(`unix://${file('gone.sock')}`)
      .and.to.include('ENOENT');
  });

  it('speaks TLS as CONSUL_HTTP_SSL and its fellows say, with the certificate of the client', async () => {
    const { socket: wire } = await asks(secure, { ...tlsVariables(), CONSUL_CLIENT_CERT: file('ca.pem'), CONSUL_CLIENT_KEY: file('key.pem') });
    expect(wire).to.have.property('authorized', true);
    secure.requests.length = 0;
    // As Consul's own tools: the variable makes an http address https.
    await asks(secure, { ...tlsVariables(), CONSUL_HTTP_ADDR: `http://127.0.0.1:${port(secure)}` });
  });

  it('speaks TLS for an address without a scheme when tls is given', async () => {
    await asks(secure, {}, { address: `127.0.0.1:${port(secure)}`, tls: { caFile: file('ca.pem'), servername: 'users.test' } });
    secure.requests.length = 0;
    await asks(secure, tlsVariables(), { tls: { ca: [CERTIFICATE] } }); // the rest comes from the environment
  });

  it('trusts nobody whose certificate it cannot verify, unless told so', async () => {
    const { CONSUL_HTTP_ADDR, CONSUL_HTTP_SSL } = tlsVariables();
    const variables = { CONSUL_HTTP_ADDR: CONSUL_HTTP_ADDR!, CONSUL_HTTP_SSL: CONSUL_HTTP_SSL! };
    await using registry = await withEnvironment(variables, () => consulRegistry());
    expect((await rejection(registry.services())).message).to.include('DEPTH_ZERO_SELF_SIGNED_CERT');
    expect(secure.requests).to.deep.equal([]);
    await asks(secure, { ...variables, CONSUL_HTTP_SSL_VERIFY: 'false' });
    await using strict = await withEnvironment({ ...variables, CONSUL_HTTP_SSL_VERIFY: 'false' }, () => consulRegistry({ tls: { verify: true } }));
    expect((await rejection(strict.services())).message).to.include('DEPTH_ZERO_SELF_SIGNED_CERT');
  });

  const wrongVariables: readonly (readonly [Readonly<Record<string, string>>, readonly string[]])[] = [
    [{ CONSUL_HTTP_ADDR: 'ftp://agent' }, ['CONSUL_HTTP_ADDR', 'ftp://agent', '127.0.0.1:8500']],
    [{ CONSUL_HTTP_ADDR: 'unix://agent.sock' }, ['CONSUL_HTTP_ADDR', 'whole path']],
    [{ CONSUL_HTTP_SSL: 'yes' }, ['CONSUL_HTTP_SSL', 'yes', "'true' or 'false'"]],
    [{ CONSUL_HTTP_SSL: 'true', CONSUL_HTTP_SSL_VERIFY: 'never' }, ['CONSUL_HTTP_SSL_VERIFY', 'never', "'true' or 'false'"]],
    [{ CONSUL_HTTP_TOKEN: 'two words' }, ['CONSUL_HTTP_TOKEN', 'secret id alone']],
    [{ CONSUL_HTTP_TOKEN_FILE: '/nowhere/token' }, ['CONSUL_HTTP_TOKEN_FILE', '/nowhere/token', 'ENOENT']],
    [{ CONSUL_HTTP_AUTH: 'a\nb' }, ['CONSUL_HTTP_AUTH', 'user:password']],
    [{ CONSUL_HTTP_SSL: 'true', CONSUL_CACERT: '/nowhere/ca.pem' }, ['CONSUL_CACERT', '/nowhere/ca.pem', 'ENOENT']],
    [{ CONSUL_NAMESPACE: 'a/b' }, ['CONSUL_NAMESPACE', 'a/b']],
    [{ CONSUL_PARTITION: 'a/b' }, ['CONSUL_PARTITION', 'a/b']],
  ];
  for (const [variables, words] of wrongVariables) {
    it(`refuses ${JSON.stringify(variables)}, naming the variable and what would be right`, async () => {
      await withEnvironment(variables, () => {
        expect(() => consulRegistry()).to.throw(TypeError, words[0]);
        for (const word of words) expect(() => consulRegistry()).to.throw(word);
      });
    });
  }

  it('refuses certificates that cannot be used, without showing the key', () => {
    const address = 'https://127.0.0.1:8501';
    const table: readonly (readonly [ConsulRegistryOptions['tls'], string])[] = [
      [{ caFile: file('text') }, 'tls.caFile'],
      [{ cert: CERTIFICATE }, 'a key is missing'],
      [{ keyFile: file('key.pem') }, 'a certificate is missing'],
      [{ cert: PRIVATE_KEY, key: PRIVATE_KEY }, 'cannot be used together'],
      [{ verify: 'no' as unknown as boolean }, 'tls.verify'],
      [{ caPath: '/etc' } as object, 'caPath'],
    ];
    for (const [tls, words] of table) {
      let thrown: unknown;
      try {
        consulRegistry({ address, ...(tls && { tls }) });
      } catch (error) {
        thrown = error;
      }
      expect(thrown).to.be.instanceOf(TypeError).and.have.property('message').that.includes(words);
      expect(inspect(thrown)).to.not.include(PRIVATE_KEY.split('\n')[1]);
    }
    expect(() => consulRegistry({ address: 'http://127.0.0.1:8500', tls: {} })).to.throw(TypeError, 'https');
  });

  it('never shows a secret, in an error, its causes, a log line, or the registry inspected', async () => {
    plain.takes = 'another';
    await writeFile(file('token'), SECRET);
    const lines: unknown[] = [];
    const write = (fields: object | string, message?: string): void => void lines.push(fields, message);
    const logger: Logger = { debug: write, info: write, warn: write, error: write };
    const password = 'pass-9e1';
    for (const secret of [{ token: SECRET }, { tokenFile: file('token') }]) {
      const registry = consulRegistry({ address: `127.0.0.1:${port(plain)}`, auth: `user:${password}`, logger, check: 'ttl', ...secret });
      const errors = [
        await rejection(registry.services()),
        await rejection(registry.register(INSTANCE)),
        await rejection(registry.watch('orders', new AbortController().signal)[Symbol.asyncIterator]().next()),
        await rejection(registry.register({ ...INSTANCE, port: -1 })),
      ];
      expect(errors.slice(0, 3).map((error) => (error as { code?: string }).code)).to.deep.equal(Array(3).fill('PERMISSION_DENIED'));
      const shown =
        inspect([errors, lines, registry], { depth: 20, showHidden: true }) + errors.map((error) => JSON.stringify(error) + error.stack).join('\n');
      for (const hidden of [SECRET, SECRET.slice(0, 8), password, Buffer.from(`user:${password}`).toString('base64')])
        expect(shown).to.not.include(hidden);
      await Promise.allSettled([registry[Symbol.asyncDispose]()]);
    }
    const bad: readonly ConsulRegistryOptions[] = [
      { token: `${SECRET}\n` },
      { auth: `user:${SECRET}\u0000` },
      { address: `http://user:${SECRET}@agent` },
      { address: `http://agent/?token=${SECRET}` },
      { address: `http://agent/#${SECRET}` },
      { token: SECRET, tokenFile: '/x' },
      { token: SECRET, check: 'no' as 'ttl' },
      { check: { kind: 'http', headers: { authorization: `${SECRET}\n` } } },
      { check: { kind: 'http', headers: { authorization: SECRET }, interval: 1 } },
    ];
    for (const options of bad) {
      let thrown: unknown;
      try {
        consulRegistry(options);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).to.be.instanceOf(TypeError);
      expect(inspect(thrown, { depth: 20, showHidden: true })).to.not.include(SECRET);
    }
  });
});

describe('consulRegistry options of checks', () => {
  const table: readonly (readonly [object, readonly string[]])[] = [
    [{ check: { kind: 'udp' } }, ['check', "'grpc'"]],
    [{ check: null }, ['check', 'null']],
    [{ check: { kind: 'ttl', interval: '5s' } }, ['interval', 'ttl, heartbeat']],
    [{ check: { kind: 'http', deregisterCriticalAfter: '59s' } }, ['check.deregisterCriticalAfter', '59s', '60000 ms']],
    [{ check: { kind: 'ttl', ttl: '2s' } }, ['check.ttl', '2s', '3000 ms']],
    [{ check: { kind: 'ttl', ttl: '30s', heartbeat: '16s' } }, ['check.heartbeat', '16s', '15000 ms']],
    [{ check: { kind: 'http', interval: '500ms' } }, ['check.interval', '500ms', '1000 ms']],
    [{ check: { kind: 'http', timeout: 0 } }, ['check.timeout', '0']],
    [{ check: { kind: 'http', url: '/health' } }, ['check.url', '/health', 'whole URL']],
    [{ check: { kind: 'http', path: 'health' } }, ['check.path', 'health']],
    [{ check: { kind: 'http', url: 'http://a/', path: '/b' } }, ['url and path']],
    [{ check: { kind: 'http', method: 'get' } }, ['check.method', 'get', 'HEAD']],
    [{ check: { kind: 'http', headers: { 'a b': 'c' } } }, ['check.headers', 'a b']],
    [{ check: { kind: 'http', warn: 'yes' } }, ['check.warn', 'yes']],
    [{ check: { kind: 'tcp', address: 'agent' } }, ['check.address', 'agent', '10.0.0.5:8080']],
    [{ check: { kind: 'grpc', service: 'a b' } }, ['check.service', 'a b']],
    [{ check: { kind: 'grpc', failuresBeforeCritical: -1 } }, ['check.failuresBeforeCritical', '-1']],
    [{ check: 'ttl', deregisterCriticalAfter: '30s' }, ['deregisterCriticalAfter', '30s']],
    [{ weights: { passing: 0 } }, ['weights.passing', '0']],
    [{ weights: { critical: 1 } }, ['critical', 'passing, warning']],
    [{ enableTagOverride: 1 }, ['enableTagOverride', '1']],
    [{ maintenanceOnDrain: 'yes' }, ['maintenanceOnDrain', 'yes']],
    [{ interop: 'eureka' }, ['interop', 'eureka', "'kratos'"]],
    [{ interop: { kind: 'kratos', endpoints: [] } }, ['endpoints']],
    [{ interop: { kind: 'go-micro', endpoints: 'Orders.Find' } }, ['interop.endpoints', 'Orders.Find']],
    [{ namespace: '' }, ['namespace']],
  ];
  for (const [options, words] of table) {
    it(`refuse ${JSON.stringify(options)}, naming the option, the value and what would be right`, () => {
      const make = (): unknown => consulRegistry(options); // what the types forbid
      for (const word of words) expect(make).to.throw(TypeError, word);
    });
  }
});

describe('consulRegistry checks as the agent is told them', () => {
  const common = { CheckID: 'service:orders-1', Status: 'passing' };
  const forgotten = { DeregisterCriticalServiceAfter: '60000ms' };
  const asking = { ...common, ...forgotten, Interval: '10000ms', Timeout: '1000ms' };
  const ready = 'http://127.0.0.1:8080/health/ready';
  const table: readonly (readonly [ConsulRegistryOptions, object | undefined])[] = [
    [{}, { ...asking, Name: 'readiness', HTTP: `${ready}?warn=429` }],
    [{ check: false }, undefined],
    [{ check: 'ttl' }, { ...common, ...forgotten, Name: 'heartbeat', TTL: '15000ms' }],
    [{ check: 'tcp' }, { ...asking, Name: 'port', TCP: '127.0.0.1:8080' }],
    [{ check: 'grpc' }, { ...asking, Name: 'gRPC health', GRPC: '127.0.0.1:8080' }],
    // The original design's: a check every 10 s, and a TTL of 30 s that is renewed every 15 s; forgotten after 5 min.
    [
      { check: { kind: 'http', url: 'http://h/x', method: 'POST', interval: '10s', timeout: '1s', deregisterCriticalAfter: '5m' } },
      { ...asking, Name: 'readiness', HTTP: 'http://h/x', Method: 'POST', DeregisterCriticalServiceAfter: '300000ms' },
    ],
    [{ check: { kind: 'ttl', ttl: '30s', heartbeat: '15s' } }, { ...common, ...forgotten, Name: 'heartbeat', TTL: '30000ms' }],
    [{ check: { kind: 'ttl', deregisterCriticalAfter: false } }, { ...common, Name: 'heartbeat', TTL: '15000ms' }],
    [
      { check: { kind: 'tcp', deregisterCriticalAfter: '2m' }, deregisterCriticalAfter: '5m', interval: '5s' },
      { ...asking, Name: 'port', TCP: '127.0.0.1:8080', Interval: '5000ms', DeregisterCriticalServiceAfter: '120000ms' },
    ],
    [
      {
        check: {
          kind: 'http',
          path: '/up?x=1',
          headers: { 'x-probe': 'consul' },
          tlsSkipVerify: true,
          successBeforePassing: 2,
          failuresBeforeCritical: 3,
        },
      },
      {
        ...asking,
        Name: 'readiness',
        HTTP: 'http://127.0.0.1:8080/up?x=1&warn=429',
        Header: { 'x-probe': ['consul'] },
        TLSSkipVerify: true,
        SuccessBeforePassing: 2,
        FailuresBeforeCritical: 3,
      },
    ],
    [{ check: { kind: 'http', warn: false } }, { ...asking, Name: 'readiness', HTTP: ready }],
    [{ interop: 'kratos' }, { ...asking, Name: 'readiness', HTTP: ready }],
    [
      { check: { kind: 'grpc', address: '[::1]:9000', service: 'shop.Orders', useTls: true, tlsSkipVerify: true } },
      { ...asking, Name: 'gRPC health', GRPC: '[::1]:9000/shop.Orders', GRPCUseTLS: true, TLSSkipVerify: true },
    ],
  ];
  for (const [options, expected] of table) {
    it(`${JSON.stringify(options)}`, async () => {
      const server = createServer();
      const body = new Promise<{ Check?: object }>((resolve) => {
        server.on('request', (req, res) => {
          const parts: Buffer[] = [];
          req.on('data', (part: Buffer) => parts.push(part));
          req.on('end', () => {
            res.writeHead(400).end();
            if (req.url?.includes('/register') === true) resolve(JSON.parse(Buffer.concat(parts).toString()) as object);
          });
        });
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const registry = consulRegistry({ address: `127.0.0.1:${(server.address() as AddressInfo).port}`, ...options });
      await rejection(registry.register(INSTANCE, { health: { url: ready } }));
      expect((await body).Check).to.deep.equal(expected);
      await Promise.allSettled([registry[Symbol.asyncDispose]()]);
      server.close();
    });
  }

  it('has a bound below which nothing is taken: Consul would raise it in silence', () => {
    for (const options of [{ deregisterCriticalAfter: '59999ms' }, { check: { kind: 'tcp', deregisterCriticalAfter: 59_999 } }] as const)
      expect(() => consulRegistry(options)).to.throw(TypeError, '60000 ms');
    consulRegistry({ deregisterCriticalAfter: 60_000 });
  });
});

describe('createRegistry of @ferrule/consul', () => {
  it('makes the registry of a configuration', async () => {
    const config = JSON.parse(
      '{ "address": "agent:8500", "check": { "kind": "ttl", "ttl": "30s", "heartbeat": "15s" }, "tags": ["blue"] }',
    ) as object;
    expect(createRegistry({ ...config })).to.have.property('name', 'consul');
    expect(createRegistry()).to.have.property('name', 'consul');
  });

  it('refuses what the factory refuses, and what no file can hold', () => {
    expect(() => createRegistry({ adress: 'x' })).to.throw(TypeError, 'Did you mean address');
    expect(() => createRegistry({ address: 8500 })).to.throw(TypeError, 'address');
    expect(() => createRegistry({ logger: {} })).to.throw(TypeError, 'logger');
    expect(() => createRegistry(null as unknown as Record<string, unknown>)).to.throw(TypeError);
  });
});
