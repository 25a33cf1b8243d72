import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { client, createDirectory, httpTransport, isServiceError, staticRegistry } from '@ferrule/core';
import type { Instance, Registry, ResolveOptions, StaticAddress, StaticRegistry, StaticRegistryOptions } from '@ferrule/core';
import { originOf } from '@ferrule/core/adapter';
import type { AddressRecord, DnsResolver, ServiceRecord } from '@ferrule/core/adapter';
import { answers, manualClock, scriptedUpstream } from '@ferrule/testing';
import { a, dnsServer, srv } from '../support/dns-server.js';
import { cert, key } from '../support/tls-fixture.js';

type Answer<T> = readonly T[] | Error | Promise<readonly T[]>;
const error = (code: string): Error => Object.assign(new Error(`query ${code}`), { code });
const none = error('ENOTFOUND');
const broken = error('ESERVFAIL');

/** Answers what it was told last, and counts. */
function scriptedResolver(init: { four?: Answer<AddressRecord>; six?: Answer<AddressRecord>; srv?: Answer<ServiceRecord> } = {}) {
  const answered = async <T>(answer: Answer<T> | undefined): Promise<readonly T[]> => {
    if (answer === undefined) throw error('ENODATA');
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const now = { ...init };
  const questions: string[] = [];
  const resolver: DnsResolver = {
    resolve4: (host) => (questions.push(`A ${host}`), answered(now.four)),
    resolve6: (host) => (questions.push(`AAAA ${host}`), answered(now.six)),
    resolveSrv: (name) => (questions.push(`SRV ${name}`), answered(now.srv)),
  };
  return { now, questions, resolver };
}

const ip = (address: string, ttl = 60): AddressRecord => ({ address, ttl });

describe('names in static addresses', () => {
  const clock = { current: manualClock() };
  const logged: string[] = [];
  const logger = Object.fromEntries(
    ['debug', 'info', 'warn', 'error'].map((level) => [level, (_fields: object, message: string) => void logged.push(`${level} ${message}`)]),
  ) as unknown as NonNullable<StaticRegistryOptions['logger']>;
  beforeEach(() => {
    clock.current = manualClock();
    logged.length = 0;
  });

  function made(addresses: StaticAddress | readonly StaticAddress[], resolver: DnsResolver, resolve: ResolveOptions = {}): StaticRegistry {
    return staticRegistry({ users: addresses }, { resolve: { resolver, ...resolve }, clock: clock.current, random: () => 0, logger });
  }

  /** Follows a watch: what it told last, and its end. */
  function follow(registry: Registry) {
    const ending = new AbortController();
    const seen = { lists: [] as (readonly Instance[])[], failure: undefined as unknown, ended: Promise.resolve() };
    seen.ended = (async () => {
      try {
        for await (const list of registry.watch('users', ending.signal)) seen.lists.push(list);
      } catch (failure) {
        seen.failure = failure;
      }
    })();
    return { seen, end: () => (ending.abort(), seen.ended), origins: () => seen.lists.at(-1)?.map(originOf).sort() };
  }
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 3; turn++) await nextTurn();
  };

  it('become one instance for each address, with the name as the server name, and weight and zone of the address', async () => {
    const { resolver, questions } = scriptedResolver({ four: [ip('10.0.0.2'), ip('10.0.0.1'), ip('10.0.0.2')] });
    const { seen, end } = follow(made({ host: 'Users.Internal.', port: 8080, scheme: 'https', weight: 3, zone: 'eu-1' }, resolver));
    await settle();
    expect(seen.lists).to.have.length(1);
    expect(seen.lists[0]!.map((one) => ({ ...one, metadata: undefined }))).to.deep.equal(
      ['10.0.0.1', '10.0.0.2'].map((host) => ({
        id: `users@users.internal.:8080/${host}`,
        service: 'users',
        scheme: 'https',
        host,
        port: 8080,
        serverName: 'users.internal',
        weight: 3,
        priority: 0,
        zone: 'eu-1',
        metadata: undefined,
      })),
    );
    expect(questions).to.deep.equal(['A users.internal.']);
    await end();
  });

  it('are asked for again by their time to live, and an address that stays keeps its object', async () => {
    const { now, resolver, questions } = scriptedResolver({ four: [ip('10.0.0.1', 30), ip('10.0.0.2', 20)] });
    const { seen, origins, end } = follow(made('users.internal:80', resolver));
    await settle();
    now.four = [ip('10.0.0.2', 20), ip('10.0.0.3', 20)];
    await clock.current.advance(19_999);
    expect(questions).to.have.length(1);
    await clock.current.advance(1);
    await settle();
    expect(origins()).to.deep.equal(['http://10.0.0.2:80', 'http://10.0.0.3:80']);
    expect(seen.lists[1]![0]).to.equal(seen.lists[0]![1]);
    await clock.current.advance(20_000);
    await settle();
    expect(questions).to.have.length(3);
    expect(seen.lists, 'the same answer is no change').to.have.length(2);
    await end();
  });

  for (const [ttl, ms] of [
    [0, 1_000],
    [1, 1_000],
    [7, 7_000],
    [86_400, 300_000],
  ] as const) {
    it(`hold a time to live of ${ttl} s for ${ms} ms`, async () => {
      const { resolver, questions } = scriptedResolver({ four: [ip('10.0.0.1', ttl)] });
      const { end } = follow(made('users.internal:80', resolver));
      await settle();
      await clock.current.advance(ms - 1);
      expect(questions).to.have.length(1);
      await clock.current.advance(1);
      expect(questions).to.have.length(2);
      await end();
    });
  }

  it('are asked for by nobody while nobody watches, and leave no timer behind', async () => {
    const { resolver, questions } = scriptedResolver({ four: [ip('10.0.0.1')] });
    const registry = made(['users.internal:80', '10.0.0.9:80'], resolver);
    expect(await registry.services()).to.deep.equal(['users']);
    await settle();
    expect(questions).to.deep.equal([]);
    const [first, second] = [follow(registry), follow(registry)];
    await settle();
    expect(first.origins()).to.deep.equal(['http://10.0.0.1:80', 'http://10.0.0.9:80']);
    expect(questions, 'one question for two watches').to.have.length(1);
    await first.end();
    expect(clock.current.pending).to.equal(1);
    await second.end();
    expect(clock.current.pending).to.equal(0);
    // Within its time to live a later watch asks nobody.
    const third = follow(registry);
    await settle();
    expect(third.origins()).to.have.length(2);
    expect(questions).to.have.length(1);
    await third.end();
  });

  it('keep their last addresses while they cannot be resolved, asking ever more seldom, and say so once', async () => {
    const { now, resolver, questions } = scriptedResolver({ four: [ip('10.0.0.1', 1)] });
    const { origins, seen, end } = follow(made('users.internal:80', resolver));
    await settle();
    now.four = broken;
    for (let second = 0; second < 60; second++) {
      await clock.current.advance(1_000);
      await settle();
    }
    expect(origins()).to.deep.equal(['http://10.0.0.1:80']);
    expect(seen.lists).to.have.length(1);
    expect(questions.length, 'at most one a second').to.be.within(5, 61);
    expect(logged).to.deep.equal(['warn A name of the static registry cannot be resolved; its last addresses stay']);
    now.four = [ip('10.0.0.2')];
    await clock.current.advance(30_000);
    await settle();
    expect(origins()).to.deep.equal(['http://10.0.0.2:80']);
    expect(logged.at(-1)).to.equal('info A name of the static registry is resolved again');
    await end();
  });

  it('give their addresses up after staleFor, and the watch throws: nobody can be seen', async () => {
    const { now, resolver } = scriptedResolver({ four: [ip('10.0.0.1', 1)] });
    const { seen } = follow(made('users.internal:80', resolver, { staleFor: '10s' }));
    await settle();
    now.four = broken;
    for (let second = 0; second < 45; second++) {
      await clock.current.advance(1_000);
      await settle();
    }
    await seen.ended;
    expect(isServiceError(seen.failure) && [seen.failure.code, seen.failure.cause]).to.deep.equal(['UNAVAILABLE', broken]);
    expect(clock.current.pending).to.equal(0);
  });

  it('fail a watch that knows no address at all, but not one that knows another', async () => {
    const { resolver } = scriptedResolver({ four: broken });
    const alone = follow(made('users.internal:80', resolver));
    await alone.seen.ended;
    expect(isServiceError(alone.seen.failure)).to.equal(true);
    const beside = follow(made(['users.internal:80', '10.0.0.9:80'], resolver));
    await settle();
    expect(beside.origins()).to.deep.equal(['http://10.0.0.9:80']);
    await beside.end();
  });

  it('that do not exist are an empty list, and known addresses go when that was said twice', async () => {
    const { now, resolver } = scriptedResolver({ four: none });
    const { origins, end } = follow(made('users.internal:80', resolver));
    await settle();
    expect(origins()).to.deep.equal([]);
    expect(logged).to.deep.equal(['warn A name of the static registry has no addresses']);
    now.four = [ip('10.0.0.1', 1)];
    await clock.current.advance(5_000);
    await settle();
    expect(origins(), 'a negative answer is short-lived').to.deep.equal(['http://10.0.0.1:80']);
    now.four = none;
    await clock.current.advance(1_000);
    await settle();
    expect(origins(), 'said once').to.deep.equal(['http://10.0.0.1:80']);
    await clock.current.advance(1_000);
    await settle();
    expect(origins(), 'said twice').to.deep.equal([]);
    await end();
  });

  it('without an answer for 10 s have failed, and what comes later is dropped', async () => {
    let answer: ((records: readonly AddressRecord[]) => void) | undefined;
    const { resolver } = scriptedResolver({ four: new Promise((resolve) => (answer = resolve)) });
    const { seen } = follow(made('users.internal:80', resolver));
    await clock.current.advance(10_000);
    await seen.ended;
    expect((seen.failure as Error).cause).to.have.property('code', 'ETIMEOUT');
    answer!([ip('10.0.0.1')]);
    await settle();
    expect(clock.current.pending).to.equal(0);
  });

  for (const [family, expected, asked] of [
    [undefined, ['http://10.0.0.1:80'], ['A']],
    [4, ['http://10.0.0.1:80'], ['A']],
    [6, ['http://[2001:db8::1]:80'], ['AAAA']],
    ['all', ['http://10.0.0.1:80', 'http://[2001:db8::1]:80'], ['A', 'AAAA']],
  ] as const) {
    it(`give with family ${family ?? 'left out'} ${expected.join(' and ')}`, async () => {
      const { resolver, questions } = scriptedResolver({ four: [ip('10.0.0.1')], six: [ip('2001:db8::1')] });
      const { origins, end } = follow(made('users.internal:80', resolver, family === undefined ? {} : { family }));
      await settle();
      expect(origins()).to.deep.equal(expected);
      expect(questions.map((question) => question.split(' ')[0])).to.deep.equal(asked);
      await end();
    });
  }

  it('give IPv6 addresses where there are no others, and what is no address counts for nothing', async () => {
    const { resolver } = scriptedResolver({ six: [ip('2001:db8::1'), ip('no address')] });
    const { origins, end } = follow(made('users.internal:80', resolver));
    await settle();
    expect(origins()).to.deep.equal(['http://[2001:db8::1]:80']);
    await end();
  });

  it('of SRV records give ports, weights and priorities', async () => {
    const { resolver } = scriptedResolver({
      four: [ip('10.0.0.1')],
      srv: [
        { name: 'a.internal', port: 8001, priority: 10, weight: 60 },
        { name: 'b.internal', port: 8002, priority: 10, weight: 0 },
        { name: 'c.internal', port: 8003, priority: 20, weight: 5 },
        { name: '', port: 0, priority: 30, weight: 0 },
      ],
    });
    const { seen, end } = follow(made('srv+https://_users._tcp.internal', resolver));
    await settle();
    expect(seen.lists[0]!.map((one) => [originOf(one), one.serverName, one.priority, one.weight])).to.deep.equal([
      ['https://10.0.0.1:8001', 'a.internal', 0, 60],
      ['https://10.0.0.1:8002', 'b.internal', 0, 0.01],
      ['https://10.0.0.1:8003', 'c.internal', 1, 5],
    ]);
    await end();
  });

  it('are resolved for a watch that is open when they are added, and no more when they are removed', async () => {
    const { resolver } = scriptedResolver({ four: [ip('10.0.0.1')] });
    const registry = made('10.0.0.9:80', resolver);
    const { origins, end } = follow(registry);
    await settle();
    registry.add('users', 'users.internal:80');
    await settle();
    expect(origins()).to.deep.equal(['http://10.0.0.1:80', 'http://10.0.0.9:80']);
    registry.replace('users', { host: 'users.internal', port: 80, weight: 2 });
    await settle();
    expect(origins()).to.deep.equal(['http://10.0.0.1:80']);
    expect(registry.remove('users', 'users.internal:80')).to.equal(true);
    await settle();
    expect([origins(), clock.current.pending]).to.deep.equal([[], 0]);
    await end();
  });

  it('are left alone when they say localhost, or when resolve is false', async () => {
    const { resolver, questions } = scriptedResolver();
    const { origins, end } = follow(made(['localhost:80', 'api.localhost:80'], resolver));
    await settle();
    expect([origins(), questions]).to.deep.equal([['http://api.localhost:80', 'http://localhost:80'], []]);
    await end();
    expect(() => staticRegistry({ users: 'srv://_users._tcp.internal' }, { resolve: false })).to.throw(TypeError, /SRV records have to be resolved/);
  });

  it('fail the watches that wait for a first answer when the registry is closed', async () => {
    const { resolver } = scriptedResolver({ four: new Promise(() => {}) });
    const registry = made('users.internal:80', resolver);
    const { seen } = follow(registry);
    await settle();
    await registry[Symbol.asyncDispose]();
    await seen.ended;
    expect(isServiceError(seen.failure) && seen.failure.message).to.match(/closed/);
    expect(clock.current.pending).to.equal(0);
  });

  it('that stand for an address nobody may call are not called: DNS rebinding', async () => {
    const { resolver } = scriptedResolver({ four: [ip('10.0.0.1'), ip('169.254.169.254')], six: [] });
    await using directory = createDirectory({ discovery: made('users.internal:80', resolver), clock: clock.current });
    const { instances } = await directory.ready('users');
    expect(instances.map(originOf)).to.deep.equal(['http://10.0.0.1:80']);
  });

  for (const [options, message] of [
    [{ resolve: { ttl: 1 } }, /no option "ttl"/],
    [{ resolve: 'dns' }, /no options object/],
    [{ resolve: { minTtl: 0 } }, /minTtl: 0 is too short/],
    [{ resolve: { minTtl: '2s', maxTtl: '1s' } }, /maxTtl: 1000 ms is shorter/],
    [{ resolve: { family: 5 } }, /family: 5 does not fit/],
    [{ resolve: { resolver: {} } }, /has no resolve4\(\)/],
  ] as const) {
    it(`refuse ${JSON.stringify(options)}`, () => {
      expect(() => staticRegistry({}, options as never)).to.throw(TypeError, message);
    });
  }

  describe('with a real DNS server and real connections', () => {
    it('reach each address and tell it the name', async () => {
      await using dns = await dnsServer();
      await using upstream = await scriptedUpstream();
      upstream.otherwise(answers.ok());
      dns.set('users.test', a('127.0.0.1', 300));
      await using registry = staticRegistry({ users: `users.test:${upstream.port}` }, { resolve: { resolver: dns.resolver } });
      await using users = client('users', { registry });
      await users.get('/');
      expect(dns.questions).to.deep.equal(['A users.test']);
      expect(users.endpoints()[0]).to.include({ origin: upstream.origin, id: `users@users.test:${upstream.port}/127.0.0.1` });
      expect(upstream.requests[0]!.headers.host).to.equal(`users.test:${upstream.port}`);
    });

    it('find SRV targets', async () => {
      await using dns = await dnsServer();
      await using upstream = await scriptedUpstream();
      upstream.otherwise(answers.ok());
      dns.set('_users._tcp.test', srv(`0 1 ${upstream.port} node1.test`));
      dns.set('node1.test', a('127.0.0.1'), a('::1'));
      await using registry = staticRegistry({ users: 'srv://_users._tcp.test' }, { resolve: { resolver: dns.resolver } });
      await using users = client('users', { registry });
      await users.get('/');
      expect(upstream.requests[0]!.headers.host).to.equal(`node1.test:${upstream.port}`);
      expect(users.endpoints()).to.have.length(1);
    });

    it('tell a server that fails from a name that does not exist', async () => {
      await using dns = await dnsServer();
      await using registry = staticRegistry({ users: 'users.test:80' }, { resolve: { resolver: dns.resolver } });
      await using directory = createDirectory({ discovery: registry });
      expect(await directory.ready('users')).to.include({ state: 'empty' });
      dns.fail('servfail');
      await using other = createDirectory({ discovery: staticRegistry({ users: 'users.test:80' }, { resolve: { resolver: dns.resolver } }) });
      expect(await other.ready('users')).to.include({ state: 'failed' });
    });

    it('use what the machine itself knows of a name that no server has', async function () {
      const name = hostname();
      const known = await lookup(name, { all: true }).catch(() => []);
      if (known.length === 0) this.skip(); // a machine that does not know its own name
      await using registry = staticRegistry({ users: `${name}:80` });
      for await (const list of registry.watch('users', new AbortController().signal)) {
        expect(list.map(({ serverName }) => serverName)).to.deep.equal(list.map(() => name.toLowerCase()));
        expect(known.map(({ address }) => address)).to.include.members(list.map(({ host }) => host));
        expect(list).to.not.be.empty;
        break;
      }
    });

    it('are checked against the certificate by their name', async () => {
      const names: string[] = [];
      let asked = '';
      const SNICallback = (name: string, done: (error: Error | null) => void): void => {
        asked = name;
        done(null);
      };
      const server = createServer({ key, cert, SNICallback }, (request, response) => {
        names.push(`${asked} ${request.headers.host}`);
        response.end('{}');
      });
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const { port } = server.address() as AddressInfo;
      await using dns = await dnsServer();
      for (const name of ['users.test', 'other.test', 'wrong.test']) dns.set(name, a('127.0.0.1'));
      await using transport = httpTransport({ ca: cert });
      const resolve = { resolver: dns.resolver };
      await using registry = staticRegistry(
        { users: `https://users.test:${port}`, others: `https://other.test:${port}`, wrong: `https://wrong.test:${port}` },
        { resolve },
      );
      await using users = client('users', { registry, transport });
      await using others = client('others', { registry, transport });
      await using wrong = client('wrong', { registry, transport, retry: false });
      await users.get('/');
      await others.get('/');
      expect(names).to.deep.equal([`users.test users.test:${port}`, `other.test other.test:${port}`]);
      const failure = await wrong.get('/').then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect((failure as Error).message).to.include('ERR_TLS_CERT_ALTNAME_INVALID');
      expect(names).to.have.length(2);
      server.closeAllConnections();
      await once(server.close(), 'close');
    });
  });
});
