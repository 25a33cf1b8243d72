import { expect } from 'chai';
import fc from 'fast-check';
import { client, createSelector, createService, del, fromConfig, get, loadReport, silentLogger, staticRegistry, weighted } from '@ferrule/core';
import type { ReportedLoadOptions, Service, ServiceOptions } from '@ferrule/core';
import { Endpoint } from '@ferrule/core/adapter';
import type { Balancer, View } from '@ferrule/core/adapter';
import { expressAdapter } from '@ferrule/express';
import { koaAdapter } from '@ferrule/koa';
import { manualClock, rawRequest, requestBytes, seededRandom } from '@ferrule/testing';
import { ScriptedDirectory, instance, leaseOf, outbound } from './selection-fixtures.js';

const call = outbound();

class Fleet {
  readonly balancer: Balancer;
  readonly endpoints: readonly Endpoint[];
  now = 0;
  readonly #view: View = { endpoints: [], version: 0, now: 0 };

  constructor(count: number, options: ReportedLoadOptions = { blackout: 0 }) {
    this.balancer = weighted({ reported: options, random: seededRandom(7) });
    const fleet = this.balancer.load!.fleet();
    this.endpoints = Array.from({ length: count }, (_, index) => new Endpoint(instance(`i${index}`), fleet));
  }

  hear(...headers: (string | undefined)[]): void {
    for (const [index, header] of headers.entries()) if (header !== undefined) this.endpoints[index]!.meter.reported!(header, this.now);
  }

  /** How the next picks are shared out, after an update. */
  shares(picks: number, version = 1, endpoints = this.endpoints): number[] {
    this.now += 1_000;
    const view = Object.assign(this.#view, { endpoints, version, now: this.now });
    const counts = new Map<Endpoint, number>();
    for (let index = 0; index < picks; index++) {
      const picked = this.balancer.pick(view, call)!;
      counts.set(picked, (counts.get(picked) ?? 0) + 1);
    }
    return endpoints.map((endpoint) => (counts.get(endpoint) ?? 0) / picks);
  }
}

const report = (rps: number, application: number, eps = 0): string =>
  `TEXT application_utilization=${application}, rps_fractional=${rps}, eps=${eps}`;

describe('weighted({ reported })', () => {
  // The second endpoint always is worth 200: 100 a second at half its capacity.
  for (const [what, header, worth] of [
    ['requests ÷ utilization', report(100, 0.25), 400],
    ['the processor, where the application says nothing', 'TEXT cpu_utilization=.8, rps_fractional=80', 100],
    ['the application before the processor', 'TEXT cpu_utilization=.1, application_utilization=1, rps_fractional=80', 80],
    ['errors as load', report(100, 0.25, 75), 100],
    [
      'names and the format in any order and case of the format',
      'text rif=3,eps=75,rps_fractional=100, unknown=7 ,application_utilization=2.5e-1',
      100,
    ],
    ['the good fields beside bad ones', 'TEXT cpu_utilization=-1, application_utilization=.5, rif=, =, rps_fractional=200', 400],
  ] as const)
    it(`weighs by ${what}`, () => {
      const fleet = new Fleet(2);
      fleet.hear(header, report(100, 0.5));
      expect(fleet.shares(6_000)[0]).to.be.closeTo(worth / (worth + 200), 0.002);
    });

  it('weighs errors by the penalty', () => {
    const fleet = new Fleet(2, { blackout: 0, errorPenalty: 0 });
    fleet.hear(report(100, 0.25, 75), report(100, 0.5));
    expect(fleet.shares(6_000)[0]).to.be.closeTo(2 / 3, 0.002);
  });

  for (const header of [
    '',
    'TEXT',
    'TEXT ',
    'JSON {}',
    'TEXT rif=3',
    report(0, 0.5),
    report(100, 0),
    'TEXT rps_fractional=1e999',
    `TEXT ${'x'.repeat(2_000)}`,
  ])
    it(`learns nothing of ${JSON.stringify(header.slice(0, 40))}: that endpoint has the mean of the others`, () => {
      const fleet = new Fleet(3);
      fleet.hear(header, report(100, 0.5), report(300, 0.5));
      const shares = fleet.shares(6_000);
      for (const [index, share] of [1 / 3, 1 / 6, 1 / 2].entries()) expect(shares[index]).to.be.closeTo(share, 0.002);
    });

  it('is a plain round robin as long as fewer than two are known', () => {
    const fleet = new Fleet(4);
    fleet.hear(report(1_000, 0.1));
    for (const share of fleet.shares(400)) expect(share).to.equal(0.25);
  });

  it('waits for the blackout, and forgets after the expiration, after which a blackout begins again', () => {
    const fleet = new Fleet(2, { blackout: '10s', expiration: '30s' });
    fleet.hear(report(100, 0.25), report(100, 0.5));
    expect(fleet.shares(300)[0]).to.equal(0.5);
    fleet.now = 9_000;
    expect(fleet.shares(3_000)[0]).to.be.closeTo(2 / 3, 0.002);
    fleet.now = 30_000;
    expect(fleet.shares(300)[0]).to.equal(0.5);
    fleet.hear(report(100, 0.25), report(100, 0.5));
    expect(fleet.shares(300)[0]).to.equal(0.5);
    fleet.now = 41_000;
    expect(fleet.shares(3_000)[0]).to.be.closeTo(2 / 3, 0.002);
  });

  it('keeps the shares right while weights change under it, and gives one that is new the mean', () => {
    const fleet = new Fleet(3);
    const two = fleet.endpoints.slice(0, 2);
    fleet.hear(report(100, 0.5), report(300, 0.5));
    expect(fleet.shares(4_000, 1, two)[1]).to.be.closeTo(3 / 4, 0.002);
    for (let round = 0; round < 50; round++) {
      fleet.hear(report(100 + (round % 7), 0.5), report(300 - (round % 5), 0.5));
      const [, second] = fleet.shares(40, 1, two);
      expect(second).to.be.within(0.7, 0.8);
    }
    const shares = fleet.shares(6_000, 2);
    expect(shares[2]).to.be.closeTo(1 / 3, 0.01);
  });

  it('reads any header without failing, and stays within the list (property)', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.string(),
            fc.string().map((text) => `TEXT ${text}`),
            fc.tuple(fc.double(), fc.double(), fc.double()).map(([a, b, c]) => report(a, b, c)),
          ),
          { minLength: 3, maxLength: 3 },
        ),
        (headers) => {
          const fleet = new Fleet(3);
          fleet.hear(...headers);
          const shares = fleet.shares(60);
          expect(shares.reduce((sum, share) => sum + share, 0)).to.be.closeTo(1, 1e-9);
        },
      ),
      { seed: 6, numRuns: 300 },
    );
  });

  it('refuses what does not fit', () => {
    const refused = (make: () => unknown): string => {
      try {
        make();
      } catch (error) {
        return (error as Error).message;
      }
      return '';
    };
    expect(refused(() => weighted({ reported: true, weightOf: () => 1 }))).to.include('Leave one of the two out');
    expect(refused(() => weighted({ reported: 1 as never }))).to.include('weighted reported: 1');
    expect(refused(() => weighted({ reported: { errorPenalty: -1 } }))).to.include('weighted reported.errorPenalty: -1');
    expect(refused(() => weighted({ reported: { update: 50 } }))).to.include('Give 100 ms or more');
    expect(refused(() => weighted({ reported: { update: '2s', expiration: '1s' } }))).to.include('shorter than update');
    expect(refused(() => weighted({ reported: { blackOut: 1 } as never }))).to.include('Did you mean blackout');
    expect(refused(() => loadReport({ interval: 10 }))).to.include('Give 100 ms or more');
    expect(refused(() => loadReport({ interval: '2s', window: '1s' }))).to.include('shorter than interval');
    expect(refused(() => loadReport({ utilization: 1 as never }))).to.include('is no function');
  });

  it('is made of a configuration', async () => {
    await using parts = await fromConfig(
      {
        clients: {
          a: { balancer: { type: 'weighted', reported: true } },
          b: { balancer: { type: 'weighted', reported: { blackout: '1s', errorPenalty: 2 } } },
        },
      },
      { env: {} },
    );
    for (const name of ['a', 'b']) expect(parts.clientOptions(name).balancer!.load!.name).to.equal('reported');
  });

  it('costs a selector whose balancer does not want it nothing: the lease looks at no header', () => {
    const headers = {
      get 'endpoint-load-metrics'(): string {
        throw new Error('somebody looked');
      },
    };
    const directory = new ScriptedDirectory([instance('i0')]);
    leaseOf(createSelector({ service: 'orders', directory })).heard!(headers);
    const wanting = createSelector({ service: 'orders', directory, balancer: weighted({ reported: true }) });
    expect(() => leaseOf(wanting).heard!(headers)).to.throw('somebody looked');
  });
});

describe('loadReport()', () => {
  const services: Service[] = [];
  const make = (options: Partial<ServiceOptions> & Pick<ServiceOptions, 'adapter'>): Service => {
    const service = createService({ name: 'orders', listen: { host: '127.0.0.1' }, signals: false, logger: silentLogger, drainDelay: 0, ...options });
    services.push(service);
    return service;
  };
  afterEach(async () => {
    for (const service of services.splice(0)) await service.stop();
  });

  for (const [host, adapter] of [
    ['Express', expressAdapter],
    ['Koa', koaAdapter],
  ] as const) {
    it(`says in replies of ${host}, those of errors too, how busy it is`, async () => {
      const clock = manualClock();
      const service = make({
        adapter: adapter(),
        wrappers: [loadReport({ clock, utilization: () => 0.5 })],
        routes: [
          get('/good', () => 'good'),
          del('/bad', () => {
            throw new Error('bad');
          }),
        ],
      });
      const address = await service.start();
      const heard = async (method: string, target: string): Promise<string | undefined> =>
        (await rawRequest(address, requestBytes(method, target))).header('endpoint-load-metrics');
      expect(await heard('GET', '/good')).to.equal('TEXT rif=1');
      expect(await heard('DELETE', '/bad')).to.equal('TEXT rif=1');
      await clock.advance(1_000);
      expect(await heard('GET', '/good')).to.match(/^TEXT rif=1, cpu_utilization=[\d.]+, application_utilization=0.5, rps_fractional=2, eps=1$/);
      await clock.advance(1_000);
      expect(await heard('DELETE', '/bad')).to.match(/application_utilization=0.5, rps_fractional=1.5, eps=0.5$/);
      // Nothing for a window: the timer stops, and what was measured is too old to be said.
      await clock.advance(12_000);
      await clock.advance(1_000);
      expect(await heard('GET', '/good')).to.equal('TEXT rif=1');
    });
  }

  it('reports the event loop, and so when its own utilization cannot be used, of which it tells once', async () => {
    const clock = manualClock();
    const told: unknown[] = [];
    const logger = { ...silentLogger, error: (fields: unknown) => void told.push(fields) };
    const service = make({
      adapter: expressAdapter(),
      wrappers: [loadReport({ clock, logger, utilization: () => Number.NaN })],
      routes: [get('/x', () => 'x')],
    });
    const address = await service.start();
    const heard = async (): Promise<string> => (await rawRequest(address, requestBytes('GET', '/x'))).header('endpoint-load-metrics')!;
    await heard();
    await clock.advance(1_000);
    const busy = Number(/application_utilization=([\d.]+)/.exec(await heard())![1]);
    expect(busy).to.be.within(0, 1);
    await clock.advance(1_000);
    expect(told).to.have.length(1);
  });

  it('moves the calls of a client from the busy server to the other one, on Express and Koa', async () => {
    const clock = manualClock();
    const served = [0, 0];
    const addresses = await Promise.all(
      [expressAdapter(), koaAdapter()].map((adapter, index) =>
        make({
          adapter,
          wrappers: [loadReport({ clock, utilization: () => (index === 0 ? 0.9 : 0.1) })],
          routes: [get('/x', () => ({ served: ++served[index]! }))],
        }).start(),
      ),
    );
    const registry = staticRegistry({ orders: addresses.map(({ host, port }) => `http://${host}:${port}`) });
    await using orders = client('orders', { registry, balancer: weighted({ reported: { blackout: 0 } }), ejector: false, clock });
    const ask = async (count: number): Promise<number[]> => {
      served.fill(0);
      for (let index = 0; index < count; index++) await orders.get('/x');
      return [...served];
    };
    expect(await ask(20)).to.deep.equal([10, 10]);
    await clock.advance(1_000);
    await ask(4); // the first replies with numbers
    await clock.advance(1_000);
    const [busy, idle] = await ask(100);
    expect(idle! / busy!).to.be.within(8, 10);
  });
});
