import { readFileSync } from 'node:fs';
import { createRegistry, etcdModule, etcdRegistry } from '@ferrule/etcd';
import { silentLogger } from '@ferrule/core';
import { expect } from 'chai';
import { cert, key } from '../support/tls-fixture.js';

const wrong: readonly (readonly [string, object, RegExp])[] = [
  ['endpoints', { endpoints: '' }, /endpoints: ""/],
  ['endpoints', { endpoints: [] }, /endpoints: \[\]/],
  ['endpoints', { endpoints: 2379 }, /endpoints: 2379/],
  ['endpoints', { endpoints: ['ftp://a'] }, /endpoints: "ftp:\/\/a"/],
  ['endpoints', { endpoints: 'http://a/v3' }, /endpoints: "http:\/\/a\/v3"/],
  ['endpoints', { endpoints: 'a:2379,' }, /endpoints: ""/],
  ['endpoints', { endpoints: 'http://a:99999' }, /endpoints/],
  ['username', { username: '', password: 'x' }, /username: ""/],
  ['password', { username: 'a' }, /password: it is missing/],
  ['username', { password: 'a' }, /username: it is missing/],
  ['password', { username: 'a', password: 7 }, /password: it is no text/],
  ['prefix', { prefix: '' }, /prefix: ""/],
  ['prefix', { prefix: 'a b' }, /prefix: "a b"/],
  ['ttl', { ttl: '4s' }, /ttl: "4s".*5000 ms/],
  ['ttl', { ttl: '2d' }, /ttl: "2d"/],
  ['ttl', { ttl: 'soon' }, /ttl: "soon"/],
  ['requestTimeout', { requestTimeout: 0 }, /requestTimeout: 0/],
  ['layout', { layout: 'gokit' }, /layout: "gokit".*'ferrule' or 'go-micro' or 'kratos'/],
  ['layout', { layout: 'constructor' }, /layout: "constructor"/],
  ['tls', { endpoints: 'http://a', tls: {} }, /endpoints: "http:\/\/a:2379".*https/],
  ['tls', { tls: { cert } }, /tls: the key is missing/],
  ['tls', { tls: { ca: 'none' } }, /tls: .*PEM/],
  ['tls', { tls: { cert, key: '-----BEGIN secret' } }, /tls: (?!.*secret).*PEM/],
  ['tls', { tls: { servername: '' } }, /tls.servername: ""/],
  ['tls', { tls: { rejectUnauthorized: false } }, /rejectUnauthorized/],
  ['endpoint', { endpoint: 'a' }, /endpoint.*Did you mean endpoints/],
  ['logger', { logger: {} }, /logger/],
  ['random', { random: 7 }, /random/],
  ['clock', { clock: {} }, /clock/],
];

describe('the options of etcdRegistry', () => {
  for (const [option, options, words] of wrong) {
    it(`refuse ${JSON.stringify(options, (name, value: unknown) => (name === 'cert' || name === 'ca' ? '…' : value))}, naming ${option}`, () => {
      expect(() => etcdRegistry(options))
        .to.throw(TypeError, words)
        .with.property('message')
        .that.includes('etcdRegistry');
    });
  }

  it('have defaults for everything, and connect to nothing before they are asked to', async () => {
    const registry = etcdRegistry();
    expect(registry.name).to.equal('etcd');
    await registry[Symbol.asyncDispose]();
  });

  it('take addresses in every form', async () => {
    for (const endpoints of ['a', 'a:2379', 'http://[::1]:2379', 'https://a.test', 'a:1,b:2 , http://c:80', ['a', 'https://b:443']])
      await etcdRegistry({ endpoints })[Symbol.asyncDispose]();
    await etcdRegistry({ endpoints: ['a', 'https://b:443'], tls: { ca: [cert], cert, key } })[Symbol.asyncDispose]();
  });

  it('come from a configuration, where address is another name of endpoints', async () => {
    await createRegistry({ address: 'a:2379', ttl: '30s', layout: 'go-micro' })[Symbol.asyncDispose]();
    expect(() => createRegistry({ address: 'a', endpoints: 'b' })).to.throw(TypeError, /address/);
    expect(() => createRegistry({ address: 'a', adress: 'b' })).to.throw(TypeError, /adress/);
    expect(() => createRegistry({ logger: silentLogger })).to.throw(TypeError, /logger.*in code/);
    expect(() => createRegistry('a' as never)).to.throw(TypeError, /etcdRegistry/);
  });

  it('make a module that binds the registry', async () => {
    const bound: (() => unknown)[] = [];
    etcdModule({ endpoints: 'a' }).load({ bind: (_token: unknown, make: () => unknown) => void bound.push(make) });
    const registry = bound[0]!() as ReturnType<typeof etcdRegistry>;
    expect(registry.name).to.equal('etcd');
    await registry[Symbol.asyncDispose]();
  });

  it('tell the version of the package', () => {
    const { version } = JSON.parse(readFileSync(new URL('../../../packages/etcd/package.json', import.meta.url), 'utf8')) as { version: string };
    expect(etcdRegistry().version).to.equal(version);
  });
});
