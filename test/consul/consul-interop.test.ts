import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deflateSync, inflateSync } from 'node:zlib';
import { consulRegistry } from '@ferrule/consul';
import type { ConsulRegistryOptions } from '@ferrule/consul';
import type { Instance, Registry } from '@ferrule/core';
import { expect } from 'chai';
import { agentSays, describeWithConsul, newAgent, wipe } from '../support/consul.js';
import type { ConsulAgent } from '../support/consul.js';
import { listThat, plain } from '../support/lists.js';

const INSTANCE: Instance = { id: 'orders-1', service: 'orders', host: '127.0.0.1', port: 8080 };

/** Written by go-micro's own encoder. */
const GO = {
  '1.0.0': 'v-789c32d433d03300040000ffff02ce00ee',
  latest: 'v-789cca492c492d2e01040000ffff08cc028e',
  none: 'v-789c010000ffff00000001',
  protocol: 't-789caa562a28ca2fc94fcecf51b252ca28292950aa05040000ffff46ca06ed',
  weight: 't-789caa562a4fcd4ccf2851b252323450aa05040000ffff28c104a4',
  endpoint:
    'e-789caa562a4a2d2c4d2d2e51b2ca2bcdc9d1512a4a2d2ec8cf2b4e85f173534b1253124b1261fcbcc4dc54252b2577d71005fdd2e2d4a262a55a40000000ffff4a8617a5',
};
const packed = (letter: string, payload: string): string => `${letter}-${deflateSync(payload).toString('hex')}`;
const unpacked = (tag: string): string => `${tag[0]} ${inflateSync(Buffer.from(tag.slice(2), 'hex')).toString()}`;
/** A row of `/v1/health/service/orders`, as others write it. */
const row = (service: object): object => ({
  Node: { Address: '10.0.0.1' },
  Service: { ID: 'x', Service: 'orders', Address: '10.0.0.9', Port: 80, Weights: { Passing: 1, Warning: 1 }, ...service },
  Checks: [{ Status: 'passing' }],
});
const read = { id: 'x', service: 'orders', host: '10.0.0.9', port: 80, status: 'pass' };
const bomb = packed('t', ' '.repeat(50_000_000));
const many = Array.from({ length: 1_000 }, (_, index) => packed('t', JSON.stringify({ [`key${index}`]: 'x' })));

const foreign: readonly (readonly [string, object, object])[] = [
  [
    'go-micro',
    { Tags: [GO.protocol, GO.weight, GO.endpoint, GO['1.0.0']] },
    { ...read, version: '1.0.0', weight: 10, metadata: { protocol: 'http', weight: '10' } },
  ],
  ['go-micro with a version by name', { Tags: [GO.latest] }, { ...read, version: 'latest' }],
  [
    'go-micro without a version, with Meta beside its tags',
    { Tags: [GO.none, GO.protocol], Meta: { protocol: 'grpc', a: 'b' } },
    { ...read, metadata: { protocol: 'http', a: 'b' } },
  ],
  [
    'go-micro with tags of its user',
    { Tags: ['blue', GO['1.0.0'], 'zone=eu'] },
    { ...read, version: '1.0.0', zone: 'eu', tags: ['blue', 'zone=eu'] },
  ],
  ['an old go-micro, plain', { Tags: ['t={"a":"b"}', 'e={"name":"Orders.Find"}', 'v=0.9'] }, { ...read, version: '0.9', metadata: { a: 'b' } }],
  ['go-micro with several pairs in one tag', { Tags: [packed('t', '{"a":"b","c":"d"}')] }, { ...read, metadata: { a: 'b', c: 'd' } }],
  ['a tag that is no hex', { Tags: ['t-xyz', 'v-78zz'] }, { ...read, tags: ['t-xyz', 'v-78zz'] }],
  ['a tag that is cut off', { Tags: [GO.weight.slice(0, 20), 'v-789'] }, { ...read, tags: [GO.weight.slice(0, 20), 'v-789'] }],
  ['a tag whose checksum is wrong', { Tags: [`${GO['1.0.0'].slice(0, -2)}00`] }, { ...read, tags: [`${GO['1.0.0'].slice(0, -2)}00`] }],
  ['metadata that is no JSON', { Tags: [packed('t', '{"a":')] }, { ...read, tags: [packed('t', '{"a":')] }],
  [
    'metadata that is no text',
    { Tags: [packed('t', '{"a":1}'), packed('t', '["a"]'), packed('t', 'null')] },
    { ...read, tags: [packed('t', '{"a":1}'), packed('t', '["a"]'), packed('t', 'null')] },
  ],
  ['tags that are one letter, which go-micro dies of', { Tags: ['e', 't', 'v', ''] }, { ...read, tags: ['e', 't', 'v', ''] }],
  [
    'words that begin as its tags do',
    { Tags: ['test', 'edge', 'v2', 'e=mc2'] },
    { ...read, tags: ['test', 'edge', 'v2', 'e=mc2'], metadata: { e: 'mc2' } },
  ],
  ['__proto__ as a key', { Tags: [packed('t', '{"__proto__":"a"}')] }, { ...read, metadata: JSON.parse('{"__proto__":"a"}') as object }],
  ['a tag that unpacks to 50 MB', { Tags: [bomb, 'blue'] }, { ...read, tags: ['blue'] }],
  [
    'a control character in the metadata',
    { Tags: [packed('t', '{"a":"x\\ny"}'), packed('v', '1\n2')], Meta: { c: 'd' } },
    { ...read, metadata: { c: 'd' } },
  ],
  [
    'Kratos',
    {
      Tags: ['version=v1.2'],
      Meta: { weight: '50', region: 'eu' },
      TaggedAddresses: {
        lan_ipv4: { Address: '10.0.0.9', Port: 9000 },
        grpc: { Address: 'grpc://10.0.0.9:9000?isSecure=false', Port: 9000 },
        http: { Address: 'http://10.0.0.9:8000?isSecure=false', Port: 8000 },
      },
      Port: 9000,
    },
    { ...read, port: 8000, scheme: 'http', version: 'v1.2', weight: 0.5, tags: ['version=v1.2'], metadata: { weight: '50', region: 'eu' } },
  ],
  [
    'Kratos over TLS, as old versions say it',
    { Tags: ['version='], TaggedAddresses: { http: { Address: 'http://10.0.0.8:8443?isSecure=true', Port: 8443 } } },
    { ...read, host: '10.0.0.8', port: 8443, scheme: 'https', version: '', tags: ['version='] },
  ],
  [
    'Kratos over TLS, as new versions say it, at an IPv6 address',
    { TaggedAddresses: { https: { Address: 'https://[::1]:8443', Port: 8443 } } },
    { ...read, host: '::1', port: 8443, scheme: 'https' },
  ],
  [
    'Kratos with gRPC alone',
    { TaggedAddresses: { grpc: { Address: 'grpc://10.0.0.9:9000?isSecure=false', Port: 9000 } } },
    { ...read, port: 9000, metadata: { protocol: 'grpc' } },
  ],
  [
    'addresses that are no URLs',
    { TaggedAddresses: { http: { Address: 'http://', Port: 1 }, odd: null, wan: { Address: '1.2.3.4', Port: 1 } } },
    read,
  ],
  [
    'Spring Cloud Consul',
    { Tags: ['secure=true', 'contextPath=/shop', 'blue'], Meta: { zone: 'a', version: '3', secure: 'true' } },
    {
      ...read,
      version: '3',
      zone: 'a',
      scheme: 'https',
      tags: ['secure=true', 'contextPath=/shop', 'blue'],
      metadata: { secure: 'true', contextPath: '/shop', zone: 'a', version: '3' },
    },
  ],
  ['Spring Cloud Consul without TLS', { Tags: ['secure=false'] }, { ...read, tags: ['secure=false'], metadata: { secure: 'false' } }],
  ['a weight in the metadata that is none', { Meta: { weight: 'heavy' } }, { ...read, metadata: { weight: 'heavy' } }],
  [
    'a weight of Consul, which wins',
    { Meta: { weight: '7' }, Weights: { Passing: 3, Warning: 1 } },
    { ...read, weight: 3, metadata: { weight: '7' } },
  ],
];

describe('what other systems write into Consul', () => {
  let server: Server;
  let rows: readonly object[] = [];
  let registry: Registry;

  before(async () => {
    server = createServer((_req, res) => {
      res.writeHead(200, { 'content-type': 'application/json', 'x-consul-index': 1 });
      res.end(JSON.stringify(rows));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => (registry = consulRegistry({ address: `127.0.0.1:${(server.address() as AddressInfo).port}` })));
  afterEach(() => registry[Symbol.asyncDispose]());

  for (const [what, service, expected] of foreign) {
    it(`is read: ${what}`, async () => {
      rows = [row(service)];
      const list = await listThat(registry, 'orders', () => true);
      const [instance] = plain(list) as [Record<string, unknown>];
      if (service === foreign[14]![1]) instance['tags'] = (instance['tags'] as string[]).filter((tag) => tag.length < 200);
      expect(instance).to.deep.equal(expected);
    });
  }

  it('is read within bounds: a thousand tags, pairs and weights beyond reason', async () => {
    rows = [row({ Tags: [...many, ...Array.from({ length: 1_000 }, (_, index) => `tag${index}`)], Meta: { weight: '1e9' } })];
    const [instance] = await listThat(registry, 'orders', () => true);
    expect(instance?.tags).to.have.length(64);
    expect(Object.keys(instance?.metadata ?? {})).to.have.length(64);
    expect(instance?.weight).to.equal(undefined);
  });

  it('is left out when it is no address to call', async () => {
    rows = [row({ Port: 0 }), row({ ID: 'y', Port: 70_000 }), row({ ID: 'z' })];
    expect((await listThat(registry, 'orders', () => true)).map(({ id }) => id)).to.deep.equal(['z']);
  });
});

describeWithConsul('consulRegistry among others', () => {
  let agent: ConsulAgent;
  let open: Registry[] = [];
  const registry = (options: ConsulRegistryOptions = {}): Registry => {
    const made = consulRegistry({ address: agent.address, check: 'ttl', ...options });
    open.push(made);
    return made;
  };
  const entry = <T>(): Promise<T> => agentSays<T>(agent, '/agent/service/orders-1');
  const first = async (): Promise<Instance> => (await listThat(registry(), 'orders', (list) => list.length === 1))[0]!;

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

  const full: Instance = {
    ...INSTANCE,
    version: '1.0.0',
    zone: 'eu-1',
    weight: 10,
    priority: 1,
    tags: ['blue', 'edge', 'test', 'v2', 'e', 't'],
    metadata: { commit: 'abc', 'a.b': 'c', long: 'é'.repeat(1_000) },
  };
  for (const interop of ['go-micro', 'kratos'] as const) {
    it(`is read back as it was, written for ${interop}`, async () => {
      await registry({ interop, tags: ['everywhere', 'version=7'] }).register({ ...full, scheme: 'https' });
      expect(plain([await first()])).to.deep.equal(
        plain([{ ...full, scheme: 'https', tags: [...full.tags!, 'everywhere', 'version=7'], status: 'pass' }]),
      );
    });

    it(`is read back as it was, written for ${interop}, when there is little to say`, async () => {
      await registry({ interop }).register(INSTANCE);
      expect(plain([await first()])).to.deep.equal(plain([{ ...INSTANCE, status: 'pass' }]));
    });
  }

  it('writes what the clients of go-micro decode: their tags first, and none of others that they would take for theirs', async () => {
    await registry({ interop: { kind: 'go-micro', endpoints: ['GET /users'] }, tags: ['team', 'everywhere'] }).register(full);
    const { Tags } = await entry<{ Tags: string[] }>();
    const encoded = Tags.filter((tag) => /^[etv]/.test(tag));
    expect(Tags.slice(0, encoded.length)).to.deep.equal(encoded);
    expect(Tags.slice(encoded.length)).to.deep.equal(['blue', 'zone=eu-1']);
    expect(encoded.every((tag) => /^[etv]-78[0-9a-f]+$/.test(tag))).to.equal(true);
    expect(encoded.map(unpacked)).to.deep.equal([
      't {"protocol":"http"}',
      't {"weight":"10"}',
      't {"zone":"eu-1"}',
      't {"commit":"abc"}',
      't {"a.b":"c"}',
      `t {"long":"${'é'.repeat(1_000)}"}`,
      'e {"request":null,"response":null,"metadata":null,"name":"GET /users"}',
      'v 1.0.0',
    ]);
    // Byte for byte what Node's zlib makes, which go-micro's decoder was seen to take.
    expect(encoded.at(-1)).to.equal('v-789c33d433d033000002ce00ee');
  });

  it('says the same by its tags as go-micro says', async () => {
    await registry({ interop: { kind: 'go-micro', endpoints: ['GET /users'] } }).register({ ...INSTANCE, version: '1.0.0', weight: 10 });
    const { Tags } = await entry<{ Tags: string[] }>();
    expect(Tags.map(unpacked)).to.deep.equal([GO.protocol, GO.weight, GO.endpoint, GO['1.0.0']].map(unpacked));
    await registry({ interop: 'go-micro' }).register({ ...INSTANCE, metadata: { protocol: 'mucp' } });
    expect((await entry<{ Tags: string[] }>()).Tags.map(unpacked)).to.deep.equal(['t {"protocol":"mucp"}', unpacked(GO.none)]);
  });

  it('writes what the clients of Kratos read, and shows them no warning, since they would leave', async () => {
    const registration = await registry({ interop: 'kratos' }).register({ ...full, host: '::1', scheme: 'https', weight: 0.5 });
    const found = await entry<{ Tags: string[]; Meta: Record<string, string>; TaggedAddresses: Record<string, unknown> }>();
    expect(found.Tags).to.include('version=1.0.0');
    expect(found.Meta).to.include({ commit: 'abc', weight: '50' });
    expect(found.TaggedAddresses['https']).to.deep.equal({ Address: 'https://[::1]:8080?isSecure=true', Port: 8080 });
    await registration.report('warn');
    await listThat(registry(), 'orders', (list) => list[0]?.status === 'warn');
    expect(await agentSays<unknown[]>(agent, '/health/service/orders?passing')).to.have.length(1);
    expect(Object.keys(await agentSays<object>(agent, '/agent/checks'))).to.deep.equal(['service:orders-1']);
    await registration.report('fail');
    await listThat(registry(), 'orders', (list) => list[0]?.status === 'fail');
    expect(await agentSays<unknown[]>(agent, '/health/service/orders?passing')).to.have.length(0);
  });

  it('has a version tag for Kratos without a version, and an address for plain HTTP', async () => {
    await registry({ interop: 'kratos' }).register(INSTANCE);
    const found = await entry<{ Tags: string[]; TaggedAddresses: Record<string, unknown> }>();
    expect(found.Tags).to.deep.equal(['version=']);
    expect(found.TaggedAddresses['http']).to.deep.equal({ Address: 'http://127.0.0.1:8080?isSecure=false', Port: 8080 });
  });

  it('finds what go-micro, Kratos and Spring Cloud Consul have registered', async () => {
    const register = (body: object): Promise<Response> =>
      fetch(`${agent.address}/v1/agent/service/register`, {
        method: 'PUT',
        body: JSON.stringify({ Name: 'orders', Address: '10.0.0.9', Port: 80, ...body }),
      });
    const answers = await Promise.all([
      register({
        ID: 'orders-go',
        Tags: [GO.protocol, GO.endpoint, GO.latest],
        Meta: { protocol: 'http' },
        Check: { TTL: '1m30s', DeregisterCriticalServiceAfter: '1m35s' }, // critical until the first heartbeat
      }),
      register({
        ID: 'orders-kratos',
        Tags: ['version=v1'],
        Meta: {},
        TaggedAddresses: { http: { Address: 'http://10.0.0.7:8000?isSecure=false', Port: 8000 } },
        Check: { CheckID: 'service:orders-kratos', TTL: '20s', Status: 'passing', DeregisterCriticalServiceAfter: '600s' },
      }),
      register({ ID: 'orders-8080', Tags: ['secure=true'], Meta: { secure: 'true' } }),
    ]);
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 200]);
    const list = await listThat(registry(), 'orders', (found) => found.length === 3);
    expect(list.map(({ id, scheme, host, port, version, status }) => [id, scheme, host, port, version, status])).to.deep.equal([
      ['orders-8080', 'https', '10.0.0.9', 80, undefined, 'pass'],
      ['orders-go', undefined, '10.0.0.9', 80, 'latest', 'fail'],
      ['orders-kratos', 'http', '10.0.0.7', 8000, 'v1', 'pass'],
    ]);
    await agentSays(agent, '/agent/check/pass/service:orders-go', 'PUT');
    await listThat(registry(), 'orders', (found) => found.every(({ status }) => status === 'pass'));
  });
});
