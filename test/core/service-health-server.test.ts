import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { Container } from 'inversify';
import { createService, fromConfig, silentLogger } from '@ferrule/core';
import type { Address, Service, ServiceOptions } from '@ferrule/core';
import { Tokens, coreModule, createService as createInjected } from '@ferrule/core/di';
import { expressAdapter } from '@ferrule/express';
import { manualClock, rawRequest, requestBytes } from '@ferrule/testing';

const LOCAL = { port: 0, host: '127.0.0.1' } as const;
const ask = async (address: Address, target: string) => (await rawRequest(address, requestBytes('GET', target, { connection: 'close' }))).status;
const probesOf = (service: Service): Address => service.describe().health.address!;
const made = (options: Partial<ServiceOptions> = {}): Service =>
  createService({
    name: 'orders',
    adapter: expressAdapter(),
    listen: LOCAL,
    healthServer: LOCAL,
    signals: false,
    logger: silentLogger,
    ...options,
  });

describe('health on a port of its own', () => {
  it('answers before the checks have ended, while the service drains, and until it has stopped', async () => {
    let pass!: (value: boolean) => void;
    let begun!: () => void;
    const asked = new Promise<void>((resolve) => (begun = resolve));
    const service = made({
      drainDelay: 0,
      health: { checks: [{ name: 'db', run: () => (begun(), new Promise((resolve) => (pass = resolve))), timeout: '1m' }] },
    });
    const starting = service.start();
    await asked;
    expect(service.address).to.equal(undefined);
    const probes = probesOf(service);
    expect([await ask(probes, '/health/live'), await ask(probes, '/health/ready'), await ask(probes, '/')]).to.deep.equal([200, 503, 404]);
    pass(true);
    const main = await starting;
    expect([await ask(probes, '/health/ready'), await ask(main, '/health/ready')]).to.deep.equal([200, 200]);
    let last: readonly number[] = [];
    service.onStop(async () => void (last = [await ask(probes, '/health/live'), await ask(probes, '/health/ready')]));
    await service.stop();
    expect(last).to.deep.equal([200, 503]);
    expect(service.describe().health.address).to.equal(undefined);
    expect(await ask(probes, '/health/live').catch((error: unknown) => (error as { code: string }).code)).to.equal('ECONNREFUSED');
  });

  it('readiness that is asked there makes the stop wait for drainDelay', async () => {
    const clock = manualClock();
    const phases: string[] = [];
    const service = made({ clock });
    await service.start();
    await ask(probesOf(service), '/health/ready');
    service.onPhase(({ phase, lastedMs }) => phases.push(`${phase} after ${lastedMs} ms`));
    const stopped = service.stop();
    while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(2_000);
    await stopped;
    expect(phases).to.include('closing after 2000 ms');
    const unasked = made({ clock: manualClock() });
    await unasked.start();
    await ask(probesOf(unasked), '/health/live');
    await unasked.stop();
  });

  it('a port that is taken makes start reject, with nothing left open', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as AddressInfo;
    const service = made({ healthServer: { port, host: '127.0.0.1' } });
    const error = await service.start().then(
      () => expect.fail('it started'),
      (thrown: unknown) => thrown as { code?: string },
    );
    expect([error.code, service.state, service.address]).to.deep.equal(['EADDRINUSE', 'stopped', undefined]);
    await new Promise((resolve) => holder.close(resolve));
  });

  it('has keys in a configuration', async () => {
    const config = { service: { name: 'orders', listen: LOCAL, signals: false, health: { port: 0, host: '127.0.0.1', path: '/up' } } } as const;
    await using parts = await fromConfig(config, { env: {}, logger: silentLogger });
    const service = createService({ ...parts.service, adapter: expressAdapter() });
    await service.start();
    expect(await ask(probesOf(service), '/up/live')).to.equal(200);
    await service.stop();
  });
});

describe('health options of a container', () => {
  it('know version and logger of the service, and the checks that are bound', async () => {
    const logged: string[] = [];
    const container = new Container();
    container.load(
      coreModule({
        name: 'orders',
        version: '1.2.3',
        adapter: expressAdapter(),
        logger: { ...silentLogger, error: (_: unknown, message?: string) => void logged.push(String(message)) },
        health: { showDetails: 'always', alerts: () => Promise.reject(new Error('no')), checks: [{ name: 'own', run: () => true }] },
      }),
    );
    container.bind(Tokens.Check).toConstantValue({ name: 'db', run: () => false });
    const { monitor } = createInjected(container);
    expect(monitor.checks).to.deep.equal(['own', 'db']);
    expect(JSON.parse(monitor.body(await monitor.all(), true).text)).to.include({ version: '1.2.3' });
    await new Promise((resolve) => setImmediate(resolve));
    expect(logged).to.deep.equal(['An alert sink failed']);
  });
});
