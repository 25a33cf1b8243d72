import { expect } from 'chai';
import { fromConfig, loadConfig } from '@ferrule/core';
import type { ConfigError } from '@ferrule/core';

const problemsOf = (orders: object): Promise<readonly string[]> =>
  loadConfig({ clients: { orders } }, { env: {} }).then(
    () => [],
    (error: ConfigError) => error.problems.map(({ message }) => message),
  );

describe('balancing in a configuration', () => {
  for (const name of ['p2c', 'round-robin', 'random', 'weighted'] as const) {
    it(`makes ${name} of its name, and of its type`, async () => {
      for (const balancer of [name, { type: name }]) {
        await using parts = await fromConfig({ clients: { orders: { balancer } } }, { env: {} });
        expect(parts.clientOptions('orders').balancer!.name).to.match(new RegExp(`^${name}`));
      }
    });
  }

  it('says which balancers there are, and what each takes', async () => {
    expect((await problemsOf({ balancer: 'randm' }))[0]).to.match(
      /^clients\.orders\.balancer: "randm" is unknown\. Did you mean random\? Give one of p2c, /,
    );
    expect((await problemsOf({ balancer: { type: 'random', load: 'peak-ewma' } }))[0]).to.include(
      'clients.orders.balancer.load: there is no such key',
    );
    expect((await problemsOf({ balancer: 'ring-hash' }))[0]).to.include(
      '"ring-hash" needs more than its name. Give { type: ring-hash, … } with key, loadFactor, points',
    );
  });

  it('shows what was given for the key of a hash, which is the name of a field and no secret', async () => {
    const [problem] = await problemsOf({ balancer: { type: 'ring-hash', key: 'x-user' } });
    expect(problem).to.include('clients.orders.balancer.key: "x-user" is no object');
  });

  it('makes a subset of its options, and refuses those that do not go together', async () => {
    await using parts = await fromConfig({ clients: { orders: { subset: { size: 1, index: 1, peers: 2 } } } }, { env: {} });
    const { subset } = parts.clientOptions('orders');
    const instances = ['a', 'b'].map((id) => ({ id, service: 'orders', host: '127.0.0.1', port: 1, status: 'pass' as const }));
    expect(subset!(instances)).to.have.length(1);
    expect(await problemsOf({ subset: { index: 1 } })).to.have.length(1);
    expect((await problemsOf({ subset: { size: 0, client: 'me' } }))[0]).to.include('clients.orders.subset.size');
  });
});
