import type { Attributes } from '@opentelemetry/api';
import { metrics } from '@opentelemetry/api';
import { expect } from 'chai';
import { Reply, client, createDirectory, createService, get, memoryRegistry, monitor, roundRobin, silentLogger } from '@ferrule/core';
import type { Check, ClientOptions, Discovery, HealthStatus, Instance } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';
import { manualClock } from '@ferrule/testing';
import { metricsSdk } from '../support/metrics-sdk.js';

const OURS = /^ferrule\.(registry|lb|health)\./;

/** An SDK that belongs to one test; `callbacks` counts those that it holds for the states. */
function sdk() {
  const { meterProvider, callbacks, collect } = metricsSdk();
  return {
    meterProvider,
    held: () => callbacks.size,
    async texts(): Promise<readonly string[]> {
      const { resourceMetrics, errors } = await collect();
      expect(errors).to.deep.equal([]);
      return resourceMetrics.scopeMetrics
        .flatMap(({ metrics: all }) => all)
        .filter(({ descriptor }) => OURS.test(descriptor.name))
        .flatMap(({ descriptor, dataPoints }) =>
          dataPoints.map(({ attributes, value }) => `${descriptor.name}${shown(attributes)} ${value as number}`),
        )
        .toSorted();
    },
  };
}

const shown = (attributes: Attributes): string =>
  `{${Object.entries(attributes)
    .map(([key, value]) => `${key.replace('ferrule.', '')}=${String(value)}`)
    .join()}}`;

const instance = (id: string, more: Partial<Instance> = {}): Instance => ({ id, service: 'orders', host: '127.0.0.1', port: Number(id), ...more });
const orders = (...instances: readonly Instance[]): Discovery => ({
  services: async () => ['orders'],
  async *watch(_service, signal) {
    yield instances;
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  },
});
const transport: NonNullable<ClientOptions['transport']> = {
  name: 'scripted',
  handle: async () => new Reply(200, 'fine'),
  forget: () => {},
  [Symbol.asyncDispose]: async () => {},
};

describe('the metrics of discovery and balancing', () => {
  it('tell the instances of a service by status and the picks of each balancer, while its client lives', async () => {
    const { meterProvider, texts, held } = sdk();
    const registry = orders(instance('1'), instance('2', { status: 'warn' }), instance('3', { status: 'fail' }));
    const one = client('orders', { registry, transport, telemetry: { meterProvider }, logger: silentLogger });
    for (let n = 0; n < 5; n++) await one.get('/');
    expect(await texts()).to.deep.equal([
      'ferrule.lb.picks{service=orders,strategy=p2c(relative-latency)} 5',
      'ferrule.lb.picks{service=orders,strategy=round-robin} 0',
      'ferrule.registry.instances{service=orders,status=fail} 1',
      'ferrule.registry.instances{service=orders,status=pass} 1',
      'ferrule.registry.instances{service=orders,status=warn} 1',
      'ferrule.registry.watch.errors{service=orders} 0',
    ]);
    await one[Symbol.asyncDispose]();
    expect(held()).to.equal(0);
  });

  it('tell the picks of the fallback apart when the balancer declines', async () => {
    const { meterProvider, texts } = sdk();
    const declining = { name: 'declining', pick: () => undefined };
    await using one = client('orders', {
      registry: orders(instance('1')),
      transport,
      balancer: declining,
      telemetry: { meterProvider },
      logger: silentLogger,
    });
    for (let n = 0; n < 3; n++) await one.get('/');
    const picks = (await texts()).filter((text) => text.includes('picks'));
    expect(picks).to.deep.equal(['ferrule.lb.picks{service=orders,strategy=declining} 0', 'ferrule.lb.picks{service=orders,strategy=round-robin} 3']);
  });

  it('read a directory once that several clients share, sum what they picked, and do not fall when one leaves', async () => {
    const { meterProvider, texts, held } = sdk();
    await using directory = createDirectory({ discovery: orders(instance('1'), instance('2')), logger: silentLogger });
    const make = () => client('orders', { directory, transport, balancer: roundRobin(), telemetry: { meterProvider }, logger: silentLogger });
    const [one, other] = [make(), make()];
    await one.get('/');
    await one.get('/');
    await other.get('/');
    const wanted = [
      'ferrule.lb.picks{service=orders,strategy=round-robin} 3',
      'ferrule.registry.instances{service=orders,status=fail} 0',
      'ferrule.registry.instances{service=orders,status=pass} 2',
      'ferrule.registry.instances{service=orders,status=warn} 0',
      'ferrule.registry.watch.errors{service=orders} 0',
    ];
    expect(await texts()).to.deep.equal(wanted);
    await one[Symbol.asyncDispose]();
    expect(await texts()).to.deep.equal(wanted);
    await other[Symbol.asyncDispose]();
    expect(held()).to.equal(0);
  });

  it('count each watch that the registry refuses', async () => {
    const { meterProvider, texts } = sdk();
    const clock = manualClock();
    const down: Discovery = {
      services: async () => [],
      // oxlint-disable-next-line require-yield -- a registry that never tells a list
      async *watch() {
        throw new Error('down');
      },
    };
    await using one = client('orders', {
      registry: down,
      transport,
      retry: false,
      clock,
      random: () => 0.5,
      telemetry: { meterProvider },
      logger: silentLogger,
    });
    await one.get('/').catch(() => {});
    expect(await texts()).to.include('ferrule.registry.watch.errors{service=orders} 1');
    await clock.advance(600_000);
    const errors = (await texts()).find((text) => text.includes('errors'))!;
    expect(Number(errors.split(' ')[1])).to.be.above(2);
  });

  it('say nothing with telemetry: false, for a plain address, and hold nothing after 2,000 clients', async () => {
    const { meterProvider, texts, held } = sdk();
    const registry = orders(instance('1'));
    await using silent = client('orders', { registry, transport, telemetry: false, logger: silentLogger });
    await silent.get('/');
    await using plain = client('http://127.0.0.1:1', { transport, telemetry: { meterProvider } });
    await plain.get('/');
    const before = held();
    for (let n = 0; n < 2_000; n++)
      await client(`orders-${n}`, { registry, transport, telemetry: { meterProvider }, logger: silentLogger })[Symbol.asyncDispose]();
    expect(await texts()).to.deep.equal([]);
    expect(held()).to.equal(before);
  });
});

describe('the metric of health', () => {
  it('tells what each check said last as a number, the worst of one name, and runs nothing for it', async () => {
    const { meterProvider, texts, held } = sdk();
    let runs = 0;
    let disk: HealthStatus = 'warn';
    const check = (name: string, status: () => HealthStatus): Check => ({
      name,
      cacheFor: 0,
      run: async () => {
        runs++;
        return { status: status() };
      },
    });
    const health = monitor({
      history: 0,
      checks: [check('disk', () => disk), { ...check('db', () => 'fail'), critical: true, failuresToFail: 1 }, check('queue', () => 'pass')],
    });
    const service = createService({
      name: 'billing',
      adapter: expressAdapter(),
      routes: [get('/', () => 'fine')],
      health,
      registry: memoryRegistry(),
      listen: { port: 0, host: '127.0.0.1' },
      logger: silentLogger,
      signals: false,
      drainDelay: 0,
    });
    try {
      metrics.setGlobalMeterProvider(meterProvider);
      await service.start();
    } finally {
      metrics.disable();
    }
    const told = async (): Promise<readonly string[]> => (await texts()).filter((text) => text.includes('health'));
    runs = 0;
    await health.all();
    const asked = runs;
    expect(await told()).to.deep.equal([
      'ferrule.health.status{check=db} 2',
      'ferrule.health.status{check=disk} 1',
      'ferrule.health.status{check=queue} 0',
    ]);
    expect(runs).to.equal(asked);
    disk = 'pass';
    await health.all();
    expect(await told()).to.include('ferrule.health.status{check=disk} 0');
    await service.stop();
    expect(held()).to.equal(0);
  });
});
