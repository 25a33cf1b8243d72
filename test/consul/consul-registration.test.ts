import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { consulRegistry } from '@ferrule/consul';
import type { ConsulRegistry, ConsulRegistryOptions } from '@ferrule/consul';
import { createService, monitor, silentLogger } from '@ferrule/core';
import type { HealthStatus, Instance, Logger } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';
import { manualClock } from '@ferrule/testing';
import { expect } from 'chai';
import { agentSays, describeWithConsul, newAgent, wipe } from '../support/consul.js';
import type { ConsulAgent } from '../support/consul.js';
import { listThat } from '../support/lists.js';

const INSTANCE: Instance = { id: 'orders-1', service: 'orders', host: '127.0.0.1', port: 8080 };
const CHECK = 'service:orders-1';
const MAINTENANCE = '_service_maintenance:orders-1';

interface AgentCheck {
  readonly Name: string;
  readonly Status: string;
  readonly Output: string;
  readonly Notes: string;
  readonly Type: string;
}

describeWithConsul('registering at a Consul agent', () => {
  let agent: ConsulAgent;
  let open: AsyncDisposable[] = [];

  const registry = (options: ConsulRegistryOptions = {}): ConsulRegistry => {
    const made = consulRegistry({ address: agent.address, ...options });
    open.push(made);
    return made;
  };
  const checks = (): Promise<Readonly<Record<string, AgentCheck | undefined>>> => agentSays(agent, '/agent/checks');
  const entry = <T>(): Promise<T> => agentSays<T>(agent, '/agent/service/orders-1');
  const seen = (status: HealthStatus, from = registry()): Promise<unknown> => listThat(from, 'orders', (list) => list[0]?.status === status);
  const listening = async (server: Server): Promise<number> => {
    open.push({ [Symbol.asyncDispose]: async () => void server.close() });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };

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

  describe('the checks', () => {
    it('tcp: passes while the port of the instance is open, and fails when it is not', async () => {
      const server = createTcpServer((socket) => socket.destroy());
      const port = await listening(server);
      await registry({ check: { kind: 'tcp', interval: '1s' } }).register({ ...INSTANCE, port });
      while (!(await checks())[CHECK]?.Output.includes('Success'));
      await seen('pass');
      server.close();
      await seen('fail');
      expect((await checks())[CHECK]).to.include({ Type: 'tcp', Status: 'critical' });
      expect((await checks())[CHECK]?.Output).to.include(`127.0.0.1:${port}`);
    });

    it('tcp: looks at another address when one is given', async () => {
      const port = await listening(createTcpServer((socket) => socket.destroy()));
      await registry({ check: { kind: 'tcp', address: `127.0.0.1:${port}`, interval: '1s' } }).register(INSTANCE);
      while (!(await checks())[CHECK]?.Output.includes(`127.0.0.1:${port}: Success`));
    });

    it('grpc: asks the health service about a service by name', async () => {
      let serving = 1;
      const asked: string[] = [];
      const server = createHttp2Server();
      server.on('stream', (stream, headers) => {
        const parts: Buffer[] = [];
        stream.on('data', (part: Buffer) => parts.push(part));
        stream.on('end', () => {
          asked.push(`${headers[':path']} ${Buffer.concat(parts).subarray(7).toString()}`); // a frame's head, and the field's
          stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
          stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
          stream.end(Buffer.from([0, 0, 0, 0, 2, 8, serving]));
        });
      });
      const port = await listening(server);
      await registry({ check: { kind: 'grpc', service: 'shop.Orders', interval: '1s' } }).register({ ...INSTANCE, port });
      while (!(await checks())[CHECK]?.Output.includes('success'));
      expect(asked[0]).to.equal('/grpc.health.v1.Health/Check shop.Orders');
      await seen('pass');
      serving = 2;
      await seen('fail');
      expect((await checks())[CHECK]).to.include({ Type: 'grpc', Status: 'critical' });
    });

    it('http: asks another path with a method and headers of its own, and a 429 is a warning', async () => {
      const asked: string[] = [];
      let status = 200;
      const server = createServer((req, res) => {
        asked.push(`${req.method} ${req.url} ${String(req.headers['x-probe'])}`);
        res.writeHead(status).end();
      });
      const port = await listening(server);
      const check = { kind: 'http', path: '/healthz', method: 'HEAD', headers: { 'x-probe': 'consul' }, interval: '1s' } as const;
      await registry({ check }).register({ ...INSTANCE, port });
      while (!(await checks())[CHECK]?.Output.includes('200'));
      expect(asked[0]).to.equal('HEAD /healthz?warn=429 consul');
      status = 429;
      await seen('warn');
      status = 500;
      await seen('fail');
    });

    it('http: asks a URL as it is given', async () => {
      let asked: string | undefined;
      const server = createServer((req, res) => {
        asked = req.url;
        res.end();
      });
      const port = await listening(server);
      await registry({ check: { kind: 'http', url: `http://127.0.0.1:${port}/x?y=1`, interval: '1s' } }).register(INSTANCE);
      while (!(await checks())[CHECK]?.Output.includes('200'));
      expect(asked).to.equal('/x?y=1');
    });

    it('http: a failure that the service reports is seen before Consul asks again', async () => {
      const port = await listening(createServer((_req, res) => res.end()));
      const registration = await registry({ interval: '1h' }).register(INSTANCE, { health: { url: `http://127.0.0.1:${port}/health/ready` } });
      const other = registry();
      await registration.report('fail', 'the disk is full');
      await seen('fail', other);
      await registration.report('warn');
      await seen('warn', other);
      await registration.report('pass');
      await seen('pass', other);
    });

    it('ttl: a heartbeat carries the status, and one line of at most 200 characters', async () => {
      const registration = await registry({ check: 'ttl' }).register(INSTANCE);
      await registration.report('warn', `cache:\r\n\u001b[31m${'x'.repeat(300)}`);
      await seen('warn');
      const output = (await checks())[CHECK]!.Output;
      expect(output)
        .to.match(/^cache: \[31mx+$/)
        .and.have.length(200);
    });
  });

  describe('the entry', () => {
    it('has the weights, tags and the override that the registry gives', async () => {
      await registry({ weights: { passing: 10, warning: 2 }, tags: ['team-a'], enableTagOverride: true }).register({ ...INSTANCE, priority: 3 });
      const found = await entry<{ Weights: object; EnableTagOverride: boolean; Tags: string[] }>();
      expect([found.Weights, found.EnableTagOverride, found.Tags]).to.deep.equal([{ Passing: 10, Warning: 2 }, true, ['team-a']]);
      const [instance] = await listThat(registry(), 'orders', (list) => list.length === 1);
      expect(instance).to.include({ weight: 10, priority: 3 });
    });

    it('gives an instance that warns the share of those that warn', async () => {
      const registration = await registry({ check: 'ttl', weights: { warning: 2 } }).register({ ...INSTANCE, weight: 10 });
      await registration.report('warn');
      const [instance] = await listThat(registry(), 'orders', (list) => list[0]?.status === 'warn');
      expect(instance).to.include({ weight: 2 });
    });

    it('says nothing of namespaces and partitions unless told so: the open Consul refuses them', async () => {
      await registry().register(INSTANCE);
      const error = await registry({ namespace: 'shop' })
        .register({ ...INSTANCE, id: 'orders-2' })
        .catch((thrown: unknown) => thrown);
      expect(error).to.have.property('message').that.includes('Namespaces are a Consul Enterprise feature');
      expect(error).to.have.property('code', 'INVALID_ARGUMENT');
    });
  });

  describe('the logger', () => {
    const recorder = (): { readonly logger: Logger; readonly lines: string[] } => {
      const lines: string[] = [];
      const write = (_fields: object | string, message?: string): void => void lines.push(String(message));
      return { lines, logger: { debug: write, info: write, warn: write, error: write } };
    };

    it('is the one of the registry, else that of whoever registers', async () => {
      const [own, theirs] = [recorder(), recorder()];
      for (const options of [{}, { logger: own.logger }]) {
        const clock = manualClock();
        const mine = registry({ check: 'ttl', clock, random: () => 0.5, ...options });
        await mine.register(INSTANCE, { logger: theirs.logger });
        await agentSays(agent, '/agent/service/deregister/orders-1', 'PUT');
        await clock.advance(5_000);
        while ((await checks())[CHECK] === undefined);
        await mine[Symbol.asyncDispose]();
      }
      const lost = 'The entry of this instance was lost; registering it again';
      expect([theirs.lines.filter((line) => line === lost).length, own.lines.filter((line) => line === lost).length]).to.deep.equal([1, 1]);
    });
  });

  describe('maintenance', () => {
    it('reads as fail until it is ended, whatever the checks say', async () => {
      const registration = await registry({ check: 'ttl' }).register(INSTANCE);
      const other = registry();
      await registration.maintain('moved\nto rack 7');
      await seen('fail', other);
      expect((await checks())[MAINTENANCE]).to.include({ Status: 'critical', Notes: 'moved to rack 7' });
      expect((await checks())[CHECK]?.Status).to.equal('passing');
      await registration.maintain(false);
      await seen('pass', other);
      expect((await checks())[MAINTENANCE]).to.equal(undefined);
    });

    it('is of all instances that a registry has, when asked of the registry', async () => {
      const mine = registry({ check: 'ttl' });
      await mine.register(INSTANCE);
      await mine.register({ ...INSTANCE, id: 'orders-2' });
      await registry({ check: 'ttl' }).register({ ...INSTANCE, id: 'orders-3' });
      await mine.maintenance('deploying');
      const statuses = (await listThat(registry(), 'orders', (list) => list.filter(({ status }) => status === 'fail').length === 2)).map(
        ({ id, status }) => `${id} ${status}`,
      );
      expect(statuses).to.deep.equal(['orders-1 fail', 'orders-2 fail', 'orders-3 pass']);
      await mine.maintenance(false);
      await listThat(registry(), 'orders', (list) => list.every(({ status }) => status === 'pass'));
    });

    it('survives reports and the loss of the entry, and ends with the next registration', async () => {
      const clock = manualClock();
      const mine = registry({ check: false, clock, random: () => 0.5 });
      const registration = await mine.register(INSTANCE);
      await registration.maintain('deploying');
      await registration.report('warn');
      expect((await checks())[MAINTENANCE]).to.include({ Status: 'critical', Notes: 'deploying' });
      await agentSays(agent, '/agent/service/deregister/orders-1', 'PUT');
      do await clock.advance(100);
      while ((await checks())[MAINTENANCE]?.Notes !== 'deploying');
      await mine.register(INSTANCE);
      expect((await checks())[MAINTENANCE]).to.equal(undefined);
      await registration.maintain('too late'); // it was replaced
      expect((await checks())[MAINTENANCE]).to.equal(undefined);
    });

    it('of an operator is not ended by our reports', async () => {
      const registration = await registry({ check: false }).register(INSTANCE);
      await agentSays(agent, '/agent/service/maintenance/orders-1?enable=true&reason=by%20hand', 'PUT');
      await registration.report('pass');
      expect((await checks())[MAINTENANCE]).to.include({ Notes: 'by hand' });
      await seen('fail');
    });

    it('of the node reads as fail too', async () => {
      await registry().register(INSTANCE);
      await agentSays(agent, '/agent/maintenance?enable=true&reason=kernel', 'PUT');
      try {
        await seen('fail');
      } finally {
        await agentSays(agent, '/agent/maintenance?enable=false', 'PUT');
      }
      await seen('pass');
    });

    it('of an entry that was lost is put right with it', async () => {
      const registration = await registry({ check: 'ttl', clock: manualClock() }).register(INSTANCE);
      await agentSays(agent, '/agent/service/deregister/orders-1', 'PUT');
      await registration.maintain('deploying').catch(() => {});
      while ((await checks())[MAINTENANCE]?.Notes !== 'deploying');
    });

    // It was lost when the agent did the write and the answer did not come: the entry was found to be ours, and nothing was done.
    it('comes back with an entry whose writing was not seen to end', async () => {
      let swallowed = 0;
      let swallows = false;
      const proxy = createServer((req, res) => {
        const parts: Buffer[] = [];
        req.on('data', (part: Buffer) => parts.push(part));
        req.on('end', async () => {
          const answer = await fetch(`${agent.address}${req.url}`, {
            method: req.method!,
            ...(req.method === 'PUT' && { body: Buffer.concat(parts) }),
          });
          const text = await answer.text();
          if (swallows && req.url!.includes('/register?') && swallowed++ === 0) return;
          res.writeHead(answer.status, {
            'content-type': answer.headers.get('content-type') ?? '',
            'x-consul-index': answer.headers.get('x-consul-index') ?? '',
          });
          res.end(text);
        });
      });
      const clock = manualClock();
      const address = `http://127.0.0.1:${await listening(proxy)}`;
      const registration = await registry({ address, check: false, clock, random: () => 0.5 }).register(INSTANCE);
      await registration.maintain('deploying');
      swallows = true;
      await agentSays(agent, '/agent/service/deregister/orders-1', 'PUT');
      do await clock.advance(100);
      while ((await checks())[MAINTENANCE]?.Notes !== 'deploying');
      expect(swallowed).to.be.above(1);
      proxy.closeAllConnections();
    });

    it('takes the place of deregistering while a service drains, with maintenanceOnDrain', async () => {
      const clock = manualClock();
      const service = createService({
        name: 'orders',
        id: 'orders-1',
        adapter: expressAdapter(),
        registry: registry({ check: 'ttl', maintenanceOnDrain: true }),
        listen: { host: '127.0.0.1' },
        clock,
        drainDelay: '1s',
        logger: silentLogger,
        signals: false,
      });
      const other = registry();
      let drains = false;
      service.onDrain(() => (drains = true));
      await service.start();
      await seen('pass', other);
      const stopped = service.stop();
      await seen('fail', other);
      expect((await checks())[MAINTENANCE]).to.include({ Status: 'critical', Notes: 'draining' });
      // Slowly: the steps of the stop are bounded by this clock too.
      while (!drains) await clock.advance(1).then(() => new Promise((resolve) => setImmediate(resolve)));
      await stopped;
      expect(await other.services()).to.deep.equal([]);
    });
  });

  it('hears of a readiness that flips at once, in another process too', async () => {
    let down = false;
    let changed = (): void => {};
    const service = createService({
      name: 'orders',
      adapter: expressAdapter(),
      registry: registry({ check: 'ttl' }),
      listen: { host: '127.0.0.1' },
      health: monitor({
        checks: [{ name: 'database', run: () => ({ status: down ? 'fail' : 'pass' }), onChange: (tell) => ((changed = tell), () => {}) }],
      }),
      readinessInterval: '1h',
      drainDelay: 0,
      logger: silentLogger,
      signals: false,
    });
    await service.start();
    const other = registry();
    await seen('pass', other);
    down = true;
    changed();
    await seen('fail', other);
    const [check] = Object.values(await checks());
    expect(check).to.include({ Status: 'critical', Output: 'not passing: database' });
    down = false;
    changed();
    await seen('pass', other);
    await service.stop();
  });
});
