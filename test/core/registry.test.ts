import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { fileRegistry, memoryRegistry, staticRegistry } from '@ferrule/core';
import type { Instance, Registry } from '@ferrule/core';
import { newest, originOf } from '@ferrule/core/adapter';
import type { Sink } from '@ferrule/core/adapter';
import { registryCases, skipReason } from '@ferrule/testing';
import type { RegistrySubject } from '@ferrule/testing';

const twice = (registry: Registry) => ({ first: registry, second: registry });

const subjects: readonly RegistrySubject[] = [
  { name: 'memory', open: async () => twice(memoryRegistry()) },
  { name: 'static', open: async () => twice(staticRegistry()) },
  {
    name: 'file',
    async open() {
      const parent = await mkdtemp(join(tmpdir(), 'ferrule-test-'));
      const directory = join(parent, 'registry');
      return {
        first: fileRegistry({ directory }),
        second: fileRegistry({ directory }),
        close: () => rm(parent, { recursive: true, force: true }),
      };
    },
  },
];

for (const subject of subjects) {
  describe(`the ${subject.name} registry`, () => {
    for (const { name, run } of registryCases) {
      const reason = skipReason(registryCases, subject, name);
      it(name, async function () {
        if (reason !== undefined) this.skip();
        await run(subject);
      });
    }
  });
}

async function firstList(registry: Registry, service: string): Promise<readonly Instance[]> {
  for await (const list of registry.watch(service, new AbortController().signal)) return list;
  throw new Error('no list');
}

describe('staticRegistry', () => {
  const origins = async (registry: Registry): Promise<string[]> => (await firstList(registry, 'users')).map(originOf);

  for (const [address, origin] of [
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['http://127.0.0.1:8080/', 'http://127.0.0.1:8080'],
    ['HTTPS://users.internal', 'https://users.internal:443'],
    ['http://users.internal', 'http://users.internal:80'],
    ['users:8080', 'http://users:8080'],
    ['[::1]:8080', 'http://[::1]:8080'],
    ['https://[2001:db8::7]:8443', 'https://[2001:db8::7]:8443'],
    [{ host: '::1', port: 8080 }, 'http://[::1]:8080'],
    [{ host: 'users', port: 8443, scheme: 'https', weight: 3 }, 'https://users:8443'],
  ] as const) {
    it(`takes ${JSON.stringify(address)} as ${origin}`, async () => {
      expect(await origins(staticRegistry({ users: address }))).to.deep.equal([origin]);
    });
  }

  const wrong = [
    'users',
    'ftp://users:21',
    'http://a:b@users:80',
    'http://users:80/path',
    'http://users:80?x',
    ':80',
    'users:',
    'users:0',
    'users:65536',
    '::1:8080',
    '[::1',
    'http://',
    '',
  ];
  for (const address of wrong) {
    it(`refuses ${JSON.stringify(address)}, naming service and address`, () => {
      expect(() => staticRegistry({ users: ['ok:80', address] }))
        .to.throw(TypeError)
        .with.property('message')
        .that.includes('users')
        .and.includes(JSON.stringify(address));
    });
  }

  it('gives each address an id of its own that stays the same', async () => {
    const ids = (await firstList(staticRegistry({ users: ['a:1', 'a:2', 'b:1'] }), 'users')).map(({ id }) => id);
    expect(new Set(ids).size).to.equal(3);
    expect((await firstList(staticRegistry({ users: ['b:1', 'a:2', 'a:1'] }), 'users')).map(({ id }) => id)).to.deep.equal(ids);
  });

  it('adds and removes at run time, and tells its watches', async () => {
    const registry = staticRegistry({ users: 'a:1' });
    const lists = registry.watch('users', new AbortController().signal)[Symbol.asyncIterator]();
    const next = async (): Promise<string[]> => {
      const step = await lists.next();
      return step.done === true ? [] : step.value.map(originOf);
    };
    expect(await next()).to.deep.equal(['http://a:1']);
    registry.add('users', 'b:1');
    expect(await next()).to.deep.equal(['http://a:1', 'http://b:1']);
    expect(registry.remove('users', 'http://a:1')).to.equal(true);
    expect(await next()).to.deep.equal(['http://b:1']);
    expect(registry.remove('users', 'a:1')).to.equal(false);
  });

  it('adds none of several addresses when one is wrong', async () => {
    const registry = staticRegistry({ users: 'a:1' });
    expect(() => registry.add('users', 'b:1', 'wrong')).to.throw(TypeError);
    expect(await origins(registry)).to.deep.equal(['http://a:1']);
  });
});

describe('newest', () => {
  const source = () => {
    let sink: Sink<number> | undefined;
    let ended = 0;
    const ending = new AbortController();
    const values = newest<number>(ending.signal, (given) => {
      sink = given;
      return () => void ended++;
    })[Symbol.asyncIterator]();
    return {
      values,
      ending,
      push: (value: number) => sink!.push(value),
      fail: (error: unknown) => sink!.fail(error),
      started: () => sink !== undefined,
      ended: () => ended,
    };
  };

  it('subscribes with the first next, and unsubscribes once', async () => {
    const { values, ending, push, started, ended } = source();
    expect(started()).to.equal(false);
    const first = values.next();
    push(1);
    expect(await first).to.deep.equal({ done: false, value: 1 });
    ending.abort();
    await values.return!();
    expect(await values.next()).to.deep.equal({ done: true, value: undefined });
    expect(ended()).to.equal(1);
  });

  it('hands out the value before a failure, then the failure, then the end', async () => {
    const { values, push, fail, ended } = source();
    const first = values.next();
    push(1);
    await first;
    push(2);
    push(3);
    fail(new Error('lost'));
    push(4);
    expect((await values.next()).value).to.equal(3);
    const error: unknown = await values.next().catch((thrown: unknown) => thrown);
    expect(error).to.be.an('error').with.property('message', 'lost');
    expect((await values.next()).done).to.equal(true);
    expect(ended()).to.equal(1);
  });

  it('answers several readers that wait, in their order', async () => {
    const { values, push } = source();
    const both = Promise.all([values.next(), values.next()]);
    push(1);
    push(2);
    expect(await both).to.deep.equal([
      { done: false, value: 1 },
      { done: false, value: 2 },
    ]);
  });

  it('fails when subscribing fails', async () => {
    const values = newest(new AbortController().signal, () => {
      throw new Error('closed');
    });
    const error: unknown = await values[Symbol.asyncIterator]()
      .next()
      .catch((thrown: unknown) => thrown);
    expect(error).to.be.an('error').with.property('message', 'closed');
  });
});
