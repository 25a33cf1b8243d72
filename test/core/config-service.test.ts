import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { Container } from 'inversify';
import { ServiceClient, createService, currentCall, fromConfig, get, silentLogger } from '@ferrule/core';
import type { ConfigSource, Ejector, FromConfigOptions, Remote, Service } from '@ferrule/core';
import { coreModule, createService as createInjected } from '@ferrule/core/di';
import { expressAdapter } from '@ferrule/express';
import { agentSays, describeWithConsul, newAgent } from '../support/consul.js';
import type { ConsulAgent } from '../support/consul.js';

const SERVICE = { listen: { host: '127.0.0.1' }, signals: false, drainDelay: 0, readinessInterval: false } as const;

/** A server that answers with its name. */
async function upstream(name: string): Promise<{ readonly address: string; readonly server: Server }> {
  const server = createServer((_req, res) => res.setHeader('content-type', 'application/json').end(JSON.stringify({ from: name })));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

const opened = (source: unknown, options: FromConfigOptions = {}) =>
  fromConfig(source as ConfigSource, { env: {}, logger: silentLogger, ...options });

function orders(options: Partial<Parameters<typeof createService>[0]>): Service {
  const routes = [
    get('/orders/:id', ({ params }) => ({ id: params['id'] })),
    get('/headers', () => ({ tenant: currentCall()?.header('x-tenant') ?? null })),
    get('/who', () => ({ version: options.version ?? null })),
  ];
  return createService({ name: 'orders', ...options, adapter: expressAdapter(), routes });
}

describe('fromConfig with services', () => {
  let folder: string;
  before(() => void (folder = mkdtempSync(join(tmpdir(), 'ferrule-config-'))));
  after(() => rmSync(folder, { recursive: true }));

  it('makes a service and its clients of one YAML file: registered in files, direct, and by rules', async () => {
    const payments = await upstream('payments');
    const path = join(folder, 'ferrule.yaml');
    writeFileSync(
      path,
      `
service:
  name: orders
  version: 1.4.0
  zone: eu-1
  tags: [blue]
  metadata: { tier: gold }
  weight: 3
  listen: { host: 127.0.0.1 }
  signals: false
  drainDelay: 0
  readinessInterval: false
registry:
  type: file
  directory: ${JSON.stringify(join(folder, 'registry'))}
  heartbeat: 1s
discovery:
  staleFor: 10m
  store: { type: file, directory: ${JSON.stringify(join(folder, 'lists'))} }
direct:
  services: { payments: "\${PAYMENTS}" }
routing:
  - { name: nobody, service: orders, match: [{ header: x-to, value: nobody }], target: { version: ^9 } }
clients:
  defaults: { timeout: 4s, headers: { x-tenant: acme } }
  orders: { timeout: 3s, balancer: round-robin, retry: { retries: 1, backoff: { type: fixed, delay: 1ms } } }
`,
    );
    const parts = await opened(path, { env: { PAYMENTS: payments.address } });
    const service = orders(parts.service);
    service.onStop(() => parts[Symbol.asyncDispose]());
    await service.start();

    // Of the service, of the parts, and of the process outside of both: all of them find it.
    expect(await service.client('orders').get('/orders/7')).to.deep.equal({ id: '7' });
    const outside = await opened({ registry: { type: 'file', directory: join(folder, 'registry') } });
    expect(await outside.client('orders').get('/who')).to.deep.equal({ version: '1.4.0' });
    const [instance] = await outside.directory!.ready('orders').then(({ instances }) => instances);
    expect(instance).to.deep.include({ version: '1.4.0', zone: 'eu-1', tags: ['blue'], weight: 3 });
    await outside[Symbol.asyncDispose]();

    expect(await parts.client('payments').get('/')).to.deep.equal({ from: 'payments' });
    expect(await service.client('payments').get('/')).to.deep.equal({ from: 'payments' });
    expect(await parts.client('orders').get('/headers')).to.deep.equal({ tenant: 'acme' });
    const failure: unknown = await service
      .client('orders')
      .get('/who', { headers: { 'x-to': 'nobody' } })
      .catch((error: unknown) => error);
    expect(failure).to.have.property('reason', 'NO_ENDPOINT');
    expect(service.describe().discovery?.levels.store).not.to.equal(undefined);

    await service.stop();
    expect(() => parts.client('orders')).to.throw(/closed/);
    payments.server.close();
  });

  it('lets code win over the configuration, and the own options of a client over those of all', async () => {
    await using parts = await opened({
      registry: 'memory',
      clients: {
        defaults: { timeout: '4s', attemptTimeout: '1s' },
        orders: { attemptTimeout: '2s', canary: { percent: 5, by: { header: 'x-user' }, canary: { version: '2' } } },
      },
      routing: [{ name: 'all', target: {} }],
    });
    const options = parts.clientOptions('orders', { timeout: '1s' });
    expect(options).to.include({ timeout: '1s', attemptTimeout: '2s' });
    expect((options.routing as readonly { name: string }[]).map(({ name }) => name)).to.deep.equal(['canary', 'routing']);
    expect(parts.clientOptions('users')).to.include({ timeout: '4s', attemptTimeout: '1s' });
    expect(parts.client('orders')).to.equal(parts.client('orders'));
  });

  it('gives a probe of the configured ejector the time of an attempt, unless it says its own', async () => {
    await using parts = await opened({
      registry: 'memory',
      clients: {
        orders: { attemptTimeout: '30s', ejector: { consecutive: 3 } },
        users: { attemptTimeout: '30s', ejector: { probeTimeout: '7s' } },
        stock: { attemptTimeout: false, ejector: {} },
      },
    });
    const timeOf = (service: string): number => (parts.clientOptions(service).ejector as Ejector).probeTimeoutMs;
    expect(['orders', 'users', 'stock'].map(timeOf)).to.deep.equal([30_000, 7_000, 5_000]);
  });

  it('gives the clients of a service the options of theirs, which createService takes from code too', async () => {
    await using parts = await opened({ registry: 'memory', clients: { defaults: { telemetry: false }, orders: { bulkhead: 3 } } });
    const service = createService({ ...parts.service, name: 'shop', adapter: expressAdapter() });
    for (const name of ['orders', 'users']) service.client(name);
    const stacks = service.describe().clients.map(({ service: name, stack }) => [name, stack.includes('bulkhead'), stack.includes('observe(call)')]);
    expect(stacks).to.deep.equal([
      ['orders', true, false],
      ['users', false, false],
    ]);
    await service.stop();
    expect(() => createService({ name: 'shop', adapter: expressAdapter(), clients: { services: { orders: { bulkhed: 3 } as object } } })).to.throw(
      /createService clients\.services\["orders"\]: there is no option "bulkhed"\. Did you mean bulkhead/,
    );
  });

  it('prefers direct addresses and goes on to the registry in the mode first', async () => {
    const near = await upstream('near');
    await using parts = await opened({
      registry: { type: 'static', services: {} },
      direct: { mode: 'first', services: { orders: near.address } },
      hybrid: { check: { probe: 'tcp', interval: '10s' }, services: { users: { check: false } } },
      clients: { orders: { retry: { retries: 2, backoff: { type: 'fixed', delay: 1 } } } },
    });
    const far = await upstream('far');
    const [host, port] = far.address.split(':') as [string, string];
    await parts.registry!.register({ id: 'far', service: 'orders', host, port: Number(port) });
    expect(await parts.client('orders').get('/')).to.deep.equal({ from: 'near' });
    near.server.closeAllConnections();
    await new Promise((resolve) => near.server.close(resolve));
    expect(await parts.client('orders').get('/')).to.deep.equal({ from: 'far' });
    expect(parts.hybrid?.stats().map(({ service }) => service)).to.deep.equal(['orders']);
    far.server.close();
  });

  it('sends calls where rules in the original design’s words say', async () => {
    const [old, young] = [await upstream('old'), await upstream('young')];
    const at = (address: string, version: string) => ({ host: '127.0.0.1', port: Number(address.split(':')[1]), metadata: { version } });
    await using parts = await opened({
      registry: { type: 'static', services: { orders: [at(old.address, 'v1'), at(young.address, 'v2')] } },
      routing: [
        {
          service: 'orders',
          weight: 100,
          priority: 10,
          conditions: [{ field: 'region', operator: 'in', value: 'eu, us' }],
          metadata: { version: 'v2' },
        },
        {
          service: 'orders',
          weight: 100,
          priority: 1,
          conditions: [{ field: 'header.x-old', operator: 'equals', value: 'yes' }],
          metadata: { version: 'v1' },
        },
      ],
    });
    const client = parts.client('orders');
    for (let round = 0; round < 4; round++) {
      expect(await client.get('/', { headers: { 'x-md-global-region': 'us' } })).to.deep.equal({ from: 'young' });
      expect(await client.get('/', { headers: { 'x-old': 'yes' } })).to.deep.equal({ from: 'old' });
    }
    for (const { server } of [old, young]) server.close();
  });

  it('probes what the registry lists, when it is asked to', async () => {
    const alive = await upstream('alive');
    await using parts = await opened({
      registry: { type: 'static', services: { orders: [alive.address] } },
      activeHealth: { services: { orders: { probe: { type: 'http', path: '/' }, interval: '10ms', rise: 1 } } },
    });
    while (parts.health!.report('orders')[0]?.state !== 'healthy') await new Promise((resolve) => setImmediate(resolve));
    expect(await parts.client('orders').get('/')).to.deep.equal({ from: 'alive' });
    alive.server.close();
  });

  it('serves a container: what it says of the service goes into coreModule, and injected clients have the options of theirs', async () => {
    const upper = await upstream('users');
    class Users {
      declare readonly all: Remote<object, { from: string }>;
    }
    ServiceClient('users')(Users);
    await using parts = await opened({
      service: { name: 'shop', ...SERVICE },
      services: { users: upper.address },
      clients: { users: { timeout: '123ms' } },
    });
    const container = new Container();
    container.load(coreModule({ ...parts.service, adapter: expressAdapter() }));
    const service = createInjected(container);
    await service.start();
    expect(service.name).to.equal('shop');
    expect(await service.client('users').get('/')).to.deep.equal({ from: 'users' });
    await service.stop();
    upper.server.close();
  });

  it('registers nobody where there are addresses alone, and needs a name from somewhere', async () => {
    const users = await upstream('users');
    await using parts = await opened({ direct_mode: true, services: { users: users.address } });
    expect(parts.service).not.to.have.property('registry');
    expect(() => createService({ ...parts.service, adapter: expressAdapter() })).to.throw(/createService name: undefined is no name/);
    const service = orders({ ...parts.service, ...SERVICE });
    await service.start();
    expect(await service.client('users').get('/')).to.deep.equal({ from: 'users' });
    expect(service.describe().registry).to.equal(undefined);
    await service.stop();
    users.server.close();
  });

  it('shows no headers that may authorize', async () => {
    await using parts = await opened({ registry: 'memory', clients: { defaults: { headers: { 'x-api': 's3cret-value' } } } });
    for (const value of [parts, parts.service, parts.clientOptions('orders')]) expect(inspect(value, { depth: 6 })).not.to.contain('s3cret');
    expect(parts.clientOptions('a').headers).to.deep.include({ 'x-api': 's3cret-value' });
  });
});

describeWithConsul('the original configuration with Consul', () => {
  let agent: ConsulAgent;
  before(async function () {
    this.timeout(30_000);
    agent = await newAgent();
    await agent.start();
  });
  after(() => agent.stop());

  it('is taken as it is', async () => {
    const users = await upstream('users');
    const original = {
      direct_mode: true,
      services: { 'user-service': users.address },
      registry: { type: 'consul', address: agent.address.replace('http://', '') },
    };
    const parts = await opened(original);
    const service = orders({ ...parts.service, ...SERVICE });
    service.onStop(() => parts[Symbol.asyncDispose]());
    await service.start();
    expect(Object.keys(await agentSays<object>(agent, '/catalog/services'))).to.include('orders');
    expect(await service.client('user-service').get('/users')).to.deep.equal({ from: 'users' });
    expect(await service.client('orders').get('/orders/1')).to.deep.equal({ id: '1' });

    // The switch alone: the addresses are not used any more.
    await using indirect = await opened({ ...original, direct_mode: false });
    expect(await indirect.client('orders').get('/orders/2')).to.deep.equal({ id: '2' });
    expect((await indirect.directory!.ready('user-service')).state).to.equal('empty');
    await service.stop();
    users.server.close();
  });
});
