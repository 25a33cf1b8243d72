import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { client, fromConfig, leastRequests, loadConfig, p2c, ringHash, roundRobin, staticRegistry } from '@ferrule/core';
import type { ClientOptions, ConfigError } from '@ferrule/core';
import type { Balancer } from '@ferrule/core/adapter';
import { answers, scriptedUpstream, seededRandom } from '@ferrule/testing';
import type { ScriptedUpstream } from '@ferrule/testing';

const key = { header: 'x-user' };

describe('the fallback balancer of a client', () => {
  let upstreams: ScriptedUpstream[];
  before(async () => {
    upstreams = await Promise.all([1, 2, 3].map(() => scriptedUpstream(...Array.from({ length: 40 }, () => answers.ok({})))));
  });
  after(() => Promise.all(upstreams.map((upstream) => upstream[Symbol.asyncDispose]())));

  const registry = () => staticRegistry({ orders: upstreams.map(({ origin }) => origin) });
  /** How many of so many calls each instance got. */
  async function shares(options: ClientOptions, calls: number, headers: Record<string, string> = {}): Promise<number[]> {
    const before = upstreams.map(({ requests }) => requests.length);
    await using orders = client('orders', { random: seededRandom(1), ...options });
    for (let call = 0; call < calls; call++) await orders.get('/', { headers });
    return upstreams.map(({ requests }, index) => requests.length - before[index]!);
  }

  it('takes the calls that the balancer declines, and those alone', async () => {
    const asked: string[] = [];
    const last: Balancer = {
      name: 'last',
      pick(view) {
        asked.push('last');
        return view.endpoints.at(-1);
      },
    };
    const options = { registry: registry(), balancer: ringHash({ key }), fallbackBalancer: last };
    expect((await shares(options, 5, { 'x-user': 'u1' })).filter((count) => count > 0)).to.deep.equal([5]);
    expect(asked).to.have.length(0);
    expect((await shares(options, 4)).filter((count) => count > 0)).to.deep.equal([4]);
    expect(asked).to.have.length(4);
  });

  it('is roundRobin() by default', async () => {
    expect(await shares({ registry: registry(), balancer: ringHash({ key }) }, 6)).to.deep.equal([2, 2, 2]);
  });

  it('is refused when it is none, naming it', () => {
    const made = (fallbackBalancer: unknown) => () => client('orders', { registry: registry(), fallbackBalancer } as ClientOptions);
    expect(made(roundRobin)).to.throw(TypeError, 'client "orders" fallbackBalancer: the function roundRobin has no pick(). Give a balancer');
    expect(made(null)).to.throw(TypeError, 'client "orders" fallbackBalancer: null has no pick()');
    expect(made({ ...p2c(), load: {} })).to.throw(TypeError, 'client "orders" fallbackBalancer.load: {} has no fleet()');
  });

  it('is made by name, with options as the balancer, from a YAML file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ferrule-fallback-'));
    const path = join(folder, 'service.yaml');
    writeFileSync(
      path,
      [
        'registry:',
        '  type: static',
        '  services:',
        `    orders: [${upstreams.map(({ origin }) => `'${origin}'`).join(', ')}]`,
        'clients:',
        '  orders:',
        '    balancer: { type: ring-hash, key: { header: x-user } }',
        '    fallbackBalancer: { type: maglev, key: { query: user }, loadFactor: false }',
        '  users:',
        '    fallbackBalancer: least-requests',
        '',
      ].join('\n'),
    );
    try {
      await using parts = await fromConfig(path, { env: {} });
      const options = { registry: parts.registry!, ...parts.clientOptions('orders') };
      expect([options.balancer!.name, options.fallbackBalancer!.name]).to.deep.equal(['ring-hash', 'maglev']);
      expect(parts.clientOptions('users').fallbackBalancer!.name).to.equal(leastRequests().name);
      await using orders = client('orders', options);
      const before = upstreams.map(({ requests }) => requests.length);
      for (let call = 0; call < 5; call++) await orders.get('/', { query: { user: 'u1' } });
      expect(upstreams.map(({ requests }, index) => requests.length - before[index]!).filter((count) => count > 0)).to.deep.equal([5]);
      // Neither key: both decline.
      const failure: unknown = await orders.get('/').catch((error: unknown) => error);
      expect(failure).to.include({ code: 'UNAVAILABLE' });
      expect((failure as Error).message).to.include('both balancers declined, ring-hash and maglev');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('is checked in a configuration as the balancer is, its key shown as the name that it is', async () => {
    const problemOf = async (fallbackBalancer: unknown): Promise<string> => {
      const error: unknown = await loadConfig({ clients: { orders: { fallbackBalancer } } } as never, { env: {} }).catch((thrown: unknown) => thrown);
      return (error as ConfigError).problems[0]!.message;
    };
    expect(await problemOf('randm')).to.match(/^clients\.orders\.fallbackBalancer: "randm" is unknown\. Did you mean random\?/);
    expect(await problemOf({ type: 'ring-hash', key: 'x-user' })).to.include('clients.orders.fallbackBalancer.key: "x-user" is no object');
  });
});
