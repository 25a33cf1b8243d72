import { createRegistry, etcdRegistry } from '@ferrule/etcd';
import type { LayoutName } from '@ferrule/etcd';
import type { Instance, Registry } from '@ferrule/core';
import { expect } from 'chai';
import { describeWithEtcd, etcdKeys, etcdPut, newEtcd, wipeEtcd } from '../support/etcd.js';
import type { EtcdServer } from '../support/etcd.js';
import { plain } from '../support/lists.js';
import { firstList, rejection, watching } from '../support/watching.js';

const FULL: Instance = {
  id: 'orders-1',
  service: 'orders',
  version: '1.2.3',
  scheme: 'https',
  host: '::1',
  port: 8080,
  serverName: 'orders.test',
  weight: 0.5,
  priority: 1,
  zone: 'eu-1',
  tags: ['blue'],
  metadata: { commit: 'abc' },
  status: 'warn',
};

describeWithEtcd('etcdRegistry in the layouts of Go frameworks', () => {
  let etcd: EtcdServer;
  let open: Registry[] = [];
  const registry = (layout: LayoutName): Registry => {
    const made = etcdRegistry({ endpoints: etcd.address, layout });
    open.push(made);
    return made;
  };
  const written = async (key: string): Promise<Record<string, unknown>> =>
    JSON.parse((await etcdKeys(etcd)).get(key)!.value) as Record<string, unknown>;

  before(async () => {
    etcd = await newEtcd();
    await etcd.start();
  });
  after(() => etcd.kill());
  beforeEach(() => wipeEtcd(etcd));
  afterEach(async () => {
    await Promise.allSettled(open.map((one) => one[Symbol.asyncDispose]()));
    open = [];
  });

  for (const layout of ['go-micro', 'kratos'] as const) {
    it(`carries every field of an instance in the layout of ${layout}, and takes its entry away`, async () => {
      const registration = await registry(layout).register(FULL);
      expect(plain(await firstList(registry(layout), 'orders'))).to.deep.equal([FULL]);
      const bare: Instance = { id: 'orders-2', service: 'orders', host: 'a.test', port: 1 };
      await registry(layout).register(bare);
      expect(plain(await firstList(registry(layout), 'orders'))).to.deep.equal([FULL, bare]);
      await registration.report('fail', 'full');
      expect((await firstList(registry(layout), 'orders'))[0]?.status).to.equal('fail');
      await registration.deregister();
      expect((await etcdKeys(etcd)).size).to.equal(1);
    });

    it(`refuses a pair of metadata that has its own meaning in the layout of ${layout}`, async () => {
      const error = await rejection(registry(layout).register({ ...FULL, metadata: { ferrule: 'x' } }));
      expect(error).to.be.instanceOf(TypeError).and.have.property('message').that.includes('"ferrule"');
      expect((await etcdKeys(etcd)).size).to.equal(0);
    });
  }

  describe('of go-micro:', () => {
    it('reads what its server writes', async () => {
      await etcdPut(
        etcd,
        '/micro/registry/greeter/greeter-2b8e6a6e-9d1c-4f63-8a41-0f5f0a3b3c11',
        '{"name":"greeter","version":"latest","metadata":null,"endpoints":[{"name":"Greeter.Hello","request":{"name":"Request","type":"Request","values":[]},"response":null,"metadata":{"stream":"true"}}],"nodes":[{"metadata":{"broker":"http","protocol":"mucp","registry":"etcd","server":"mucp","transport":"http"},"id":"greeter-2b8e6a6e-9d1c-4f63-8a41-0f5f0a3b3c11","address":"172.17.0.5:39471"}]}',
      );
      expect(plain(await firstList(registry('go-micro'), 'greeter'))).to.deep.equal([
        {
          id: 'greeter-2b8e6a6e-9d1c-4f63-8a41-0f5f0a3b3c11',
          service: 'greeter',
          version: 'latest',
          host: '172.17.0.5',
          port: 39_471,
          metadata: { broker: 'http', protocol: 'mucp', registry: 'etcd', server: 'mucp', transport: 'http' },
        },
      ]);
    });

    it('writes what its clients read: one node a key, host:port, slashes as hyphens, the protocol in the metadata', async () => {
      await registry('go-micro').register({ ...FULL, service: 'team/orders', id: 'a/1' });
      const value = await written('/micro/registry/team-orders/a-1');
      const [node] = value['nodes'] as { id: string; address: string; metadata: Record<string, string> }[];
      expect(value).to.deep.equal({ name: 'team/orders', version: '1.2.3', metadata: {}, endpoints: [], nodes: [node] });
      expect(node).to.deep.include({ id: 'a/1', address: '[::1]:8080' });
      expect(node!.metadata).to.deep.include({ commit: 'abc', protocol: 'http' });
      expect(plain(await firstList(registry('go-micro'), 'team/orders'))).to.deep.equal([{ ...FULL, service: 'team/orders', id: 'a/1' }]);
      expect(await firstList(registry('go-micro'), 'team-orders')).to.deep.equal([]);
      expect(await registry('go-micro').services()).to.deep.equal(['team/orders']);
    });

    it('keeps a protocol that the instance has in its own metadata', async () => {
      const given = { ...FULL, metadata: { protocol: 'grpc' } };
      await registry('go-micro').register(given);
      expect(plain(await firstList(registry('go-micro'), 'orders'))).to.deep.equal([given]);
    });

    for (const field of ['id', 'service'] as const) {
      it(`refuses an instance whose ${field} would be a step of a path`, async () => {
        const error = await rejection(registry('go-micro').register({ ...FULL, [field]: '..' }));
        expect(error).to.be.instanceOf(TypeError).and.have.property('message').that.includes(`instance.${field}`);
      });
    }
  });

  describe('of Kratos:', () => {
    it('reads what its registrar writes, its first endpoint of HTTP', async () => {
      await etcdPut(
        etcd,
        '/microservices/helloworld/host-1',
        '{"id":"host-1","name":"helloworld","version":"v1.0.0","metadata":{"weight":"200","region":"eu"},"endpoints":["grpc://10.0.0.1:9000?isSecure=false","http://10.0.0.1:8000?isSecure=false"]}',
      );
      await etcdPut(
        etcd,
        '/microservices/helloworld/host-2',
        '{"id":"host-2","name":"helloworld","version":"","metadata":null,"endpoints":["http://[::1]:8000?isSecure=true"]}',
      );
      await etcdPut(
        etcd,
        '/microservices/helloworld/host-3',
        '{"id":"host-3","name":"helloworld","version":"","metadata":{},"endpoints":["https://a.test:8000"]}',
      );
      await etcdPut(
        etcd,
        '/microservices/helloworld/host-4',
        '{"id":"host-4","name":"helloworld","version":"","metadata":{},"endpoints":["grpc://10.0.0.4:9000"]}',
      );
      expect(plain(await firstList(registry('kratos'), 'helloworld'))).to.deep.equal([
        {
          id: 'host-1',
          service: 'helloworld',
          version: 'v1.0.0',
          host: '10.0.0.1',
          port: 8_000,
          weight: 2,
          metadata: { weight: '200', region: 'eu' },
        },
        { id: 'host-2', service: 'helloworld', scheme: 'https', host: '::1', port: 8_000 },
        { id: 'host-3', service: 'helloworld', scheme: 'https', host: 'a.test', port: 8_000 },
      ]);
    });

    it('writes what its clients read: endpoints as URLs, the weight as a part of a hundred', async () => {
      await registry('kratos').register(FULL);
      const value = await written('/microservices/orders/orders-1');
      const { metadata } = value as { metadata: Record<string, string> };
      expect(value).to.deep.equal({ id: 'orders-1', name: 'orders', version: '1.2.3', metadata, endpoints: ['https://[::1]:8080?isSecure=true'] });
      expect(metadata).to.deep.include({ commit: 'abc', weight: '50' });
      await registry('kratos').register({ id: 'orders-2', service: 'orders', host: '10.0.0.1', port: 80 });
      expect((await written('/microservices/orders/orders-2'))['endpoints']).to.deep.equal(['http://10.0.0.1:80']);
      expect(plain(await firstList(registry('kratos'), 'orders'))).to.have.nested.property('[1].port', 80);
    });

    it('keeps a service apart from one whose name goes on behind a slash', async () => {
      const one = registry('kratos');
      await one.register({ ...FULL, service: 'a', id: '1' });
      await one.register({ ...FULL, service: 'a/b', id: '1' });
      const lists = watching(registry('kratos'), 'a');
      expect((await lists.until((list) => list.length > 0)).map(({ service }) => service)).to.deep.equal(['a']);
      expect((await firstList(registry('kratos'), 'a/b')).map(({ service }) => service)).to.deep.equal(['a/b']);
      expect(await registry('kratos').services()).to.deep.equal(['a', 'a/b']);
      await lists.end();
    });
  });

  it('is chosen from a configuration as well', async () => {
    const made = createRegistry({ address: etcd.address, layout: 'kratos', prefix: '/shop', ttl: '30s' });
    open.push(made);
    await made.register(FULL);
    expect([...(await etcdKeys(etcd)).keys()]).to.deep.equal(['/shop/orders/orders-1']);
  });
});
