import { expect } from 'chai';
import { createDirectory, staticRegistry } from '@ferrule/core';
import type { Instance, Registry, StaticAddress, StaticRegistry } from '@ferrule/core';
import { originOf } from '@ferrule/core/adapter';

async function firstList(registry: Registry, service = 'users'): Promise<readonly Instance[]> {
  for await (const list of registry.watch(service, new AbortController().signal)) return list;
  throw new Error('no list');
}

const origins = async (registry: Registry, service?: string): Promise<string[]> => (await firstList(registry, service)).map(originOf);

function watching(registry: Registry, service = 'users') {
  const lists = registry.watch(service, new AbortController().signal)[Symbol.asyncIterator]();
  return async (): Promise<readonly Instance[]> => {
    const step = await lists.next();
    return step.done === true ? [] : step.value;
  };
}

describe('staticRegistry', () => {
  for (const [address, origin] of [
    ['192.168.1.100:8080', 'http://192.168.1.100:8080'],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['http://127.0.0.1:8080/', 'http://127.0.0.1:8080'],
    ['HTTPS://Users.internal', 'https://users.internal:443'],
    ['http://users.internal', 'http://users.internal:80'],
    ['users:8080', 'http://users:8080'],
    ['users_1.internal:8080', 'http://users_1.internal:8080'],
    ['[::1]:8080', 'http://[::1]:8080'],
    ['[0:0:0:0:0:0:0:1]:8080', 'http://[::1]:8080'],
    ['https://[2001:DB8::7]:8443', 'https://[2001:db8::7]:8443'],
    [{ host: '::1', port: 8080 }, 'http://[::1]:8080'],
    [{ host: '[::1]', port: 8080 }, 'http://[::1]:8080'],
    [{ host: 'users', port: 8443, scheme: 'https', weight: 3 }, 'https://users:8443'],
  ] as const) {
    it(`takes ${JSON.stringify(address)} as ${origin}`, async () => {
      expect(await origins(staticRegistry({ users: address }, { resolve: false }))).to.deep.equal([origin]);
    });
  }

  const wrong: readonly (readonly [unknown, RegExp])[] = [
    ['users', /has no port/],
    ['users:', /has the port ""/],
    ['users:0', /has the port "0"\. Give a number from 1 to 65535/],
    ['users:65536', /has the port "65536"/],
    ['users:abc', /has the port "abc"/],
    ['users:8080x', /has the port "8080x"/],
    ['users:-1', /has the port "-1"/],
    ['users:%d', /has the port "%d"/],
    ['%s:8080', /holds a %/],
    ['ftp://users:21', /has the scheme "ftp"/],
    ['http://', /has no host/],
    ['', /has no host/],
    [':80', /has no host/],
    ['http://users:80/path', /goes on with "\/path"/],
    ['http://users:80?x', /goes on with "\?x"/],
    ['users:80#x', /goes on with "#x"/],
    ['::1:8080', /IPv6 stands in brackets/],
    ['[::1', /is no address/],
    ['[users]:80', /in brackets that is no IPv6 address/],
    ['[fe80::1%eth0]:80', /neither a zone/],
    ['us ers:80', /has the host "us ers"/],
    [' users:80', /has the host " users"/],
    ['usérs:80', /has the host "usérs"/],
    ['用户:80', /neither a name nor an address/],
    ['users..internal:80', /neither a name nor an address/],
    ['256.1.1.1:80', /looks like an IPv4 address and is none/],
    ['127.1:80', /looks like an IPv4 address and is none/],
    ['0x7f000001:80', /looks like an IPv4 address and is none/],
    [undefined, /is no address/],
    [null, /is no address/],
    [8080, /is no address/],
    [['a:1'], /is no address/],
    [{}, /instance\.host/],
    [{ host: 'users' }, /instance\.port/],
    [{ host: 'users', port: '80' }, /instance\.port/],
    [{ host: 'users', port: 80, wieght: 1 }, /no option "wieght"\. Did you mean weight/],
    [{ host: '10.0.0.2', port: 80, serverName: '10.0.0.1' }, /instance\.serverName/],
    [{ host: '10.0.0.2', port: 80, serverName: 'a:80' }, /instance\.serverName/],
    [{ host: 'users', port: 80, weight: -1 }, /instance\.weight/],
    [{ host: 'users', port: 80, service: 'orders' }, /of the service "orders"/],
    ['srv://users.internal', /no name of SRV records/],
    ['srv+ftp://_users._tcp.internal', /has the scheme "srv\+ftp"/],
  ];
  for (const [address, message] of wrong) {
    it(`refuses ${JSON.stringify(address) ?? 'undefined'}, naming service and address`, () => {
      expect(() => staticRegistry({ users: ['10.0.0.1:80', address as StaticAddress] }))
        .to.throw(TypeError, message)
        .with.property('message')
        .that.includes('users')
        .and.includes(typeof address === 'string' ? JSON.stringify(address) : '');
    });
  }

  it('refuses credentials without repeating them', () => {
    for (const address of ['http://root:secret@users:80', 'root:secret@users:80', 'http://root:sec/ret@users:80'])
      expect(() => staticRegistry({ users: address }))
        .to.throw(TypeError, /Service "users": the address "(http:\/\/)?…@users:80"/)
        .with.property('message')
        .that.does.not.include('sec');
  });

  it('refuses a list with a hole, and what is no map at all', () => {
    // oxlint-disable-next-line no-sparse-arrays
    expect(() => staticRegistry({ users: ['a:1', , 'b:1'] as never })).to.throw(TypeError, /the address undefined/);
    expect(() => staticRegistry(new Map([['users', 'a:1']]) as never)).to.throw(TypeError, /Object\.fromEntries/);
    expect(() => staticRegistry({ 'us ers': 'a:1' })).to.throw(TypeError, /service/);
    expect(() => staticRegistry({}, { resolv: false } as never)).to.throw(TypeError, /Did you mean resolve/);
  });

  for (const addresses of [
    ['a:1', 'http://A:1'],
    ['[::1]:80', '[0::1]:80'],
    ['10.0.0.1:80', { host: '10.0.0.1', port: 80, weight: 2 }],
  ] as const) {
    it(`refuses an address that stands there twice: ${JSON.stringify(addresses)}`, () => {
      expect(() => staticRegistry({ users: addresses })).to.throw(TypeError, /stands there twice/);
    });
  }

  it('gives each address an id of its own that stays the same', async () => {
    const ids = (await firstList(staticRegistry({ users: ['10.0.0.1:1', '10.0.0.1:2', '10.0.0.2:1'] }))).map(({ id }) => id);
    expect(new Set(ids).size).to.equal(3);
    expect((await firstList(staticRegistry({ users: ['10.0.0.2:1', '10.0.0.1:2', '10.0.0.1:1'] }))).map(({ id }) => id)).to.deep.equal(ids);
  });

  it('has an id for the longest names too', async () => {
    const host = `${'x'.repeat(60)}.${'y'.repeat(60)}.${'z'.repeat(60)}`;
    const [one] = await firstList(staticRegistry({ ['s'.repeat(200)]: `${host}:1` }, { resolve: false }), 's'.repeat(200));
    expect(one!.id.length).to.be.at.most(200);
  });

  it('carries weight, priority, zone, tags, metadata and server name of an address', async () => {
    const fields = { weight: 3, priority: 1, zone: 'eu-1', tags: ['blue'], version: '1.2.3', serverName: 'users.internal', status: 'warn' as const };
    const [one] = await firstList(staticRegistry({ users: { host: '10.0.0.1', port: 80, metadata: { a: 'b' }, ...fields } }));
    expect(one).to.include({ weight: 3, priority: 1, zone: 'eu-1', version: '1.2.3', serverName: 'users.internal', status: 'warn' });
    expect([one!.tags, { ...one!.metadata }]).to.deep.equal([['blue'], { a: 'b' }]);
  });

  it('adds and removes at run time, and tells its watches', async () => {
    const registry = staticRegistry({ users: '10.0.0.1:1' });
    const next = watching(registry);
    expect((await next()).map(originOf)).to.deep.equal(['http://10.0.0.1:1']);
    registry.add('users', '10.0.0.2:1');
    expect((await next()).map(originOf)).to.deep.equal(['http://10.0.0.1:1', 'http://10.0.0.2:1']);
    expect(registry.remove('users', 'http://10.0.0.1:1')).to.equal(true);
    expect((await next()).map(originOf)).to.deep.equal(['http://10.0.0.2:1']);
    expect(registry.remove('users', '10.0.0.1:1')).to.equal(false);
  });

  it('takes the new fields of an address that is there already, its status among them', async () => {
    const registry = staticRegistry({ users: ['10.0.0.1:1', '10.0.0.2:1'] });
    const next = watching(registry);
    const [, second] = await next();
    registry.add('users', { host: '10.0.0.1', port: 1, status: 'fail' });
    const list = await next();
    expect(list.map(({ status }) => status)).to.deep.equal(['fail', undefined]);
    expect(list[1]).to.equal(second);
  });

  it('replaces all addresses of a service as one change; those that stay keep their objects', async () => {
    const registry = staticRegistry({ users: ['10.0.0.1:1', '10.0.0.2:1'] });
    await using directory = createDirectory({ discovery: registry });
    const before = (await directory.ready('users')).instances;
    const events: string[] = [];
    const told = new Promise<void>((resolve) => directory.subscribe('users', () => resolve()));
    directory.onChange(({ type, instance }) => void events.push(`${type} ${instance.host}`));
    registry.replace('users', '10.0.0.2:1', '10.0.0.3:1');
    await told;
    expect(events).to.deep.equal(['deregister 10.0.0.1', 'register 10.0.0.3']);
    expect(directory.lookup('users').instances.find(({ host }) => host === '10.0.0.2')).to.equal(before[1]);
    expect(() => registry.replace('users', '10.0.0.4:1', 'bad')).to.throw(TypeError);
    expect(await origins(registry)).to.deep.equal(['http://10.0.0.2:1', 'http://10.0.0.3:1']);
    registry.replace('users');
    expect(await origins(registry)).to.deep.equal([]);
    expect(await registry.services()).to.deep.equal([]);
  });

  it('adds none of several addresses when one is wrong', async () => {
    const registry = staticRegistry({ users: '10.0.0.1:1' });
    expect(() => registry.add('users', '10.0.0.2:1', 'wrong')).to.throw(TypeError);
    expect(await origins(registry)).to.deep.equal(['http://10.0.0.1:1']);
  });

  it('lists its services, those of which only a name is known among them', async () => {
    const registry: StaticRegistry = staticRegistry({ users: '10.0.0.1:1', orders: 'orders.internal:80', none: [] });
    await registry.register({ id: 'own', service: 'own', host: '127.0.0.1', port: 1 });
    expect(await registry.services()).to.deep.equal(['orders', 'own', 'users']);
  });
});
