import { expect } from 'chai';
import { createDirectory, isServiceError, layered, memoryRegistry, staticRegistry } from '@ferrule/core';
import type { Discovery, Instance, LayeredOptions, Snapshot } from '@ferrule/core';
import { newest } from '@ferrule/core/adapter';
import type { Sink } from '@ferrule/core/adapter';
import { manualClock, registryCases, seededRandom, skipReason } from '@ferrule/testing';
import type { RegistrySubject } from '@ferrule/testing';

function instance(id: string, change: Partial<Instance> = {}): Instance {
  return { id, service: 'orders', host: '127.0.0.1', port: 8080, ...change };
}

/** A layer that tells what it is told to, and counts how often it was asked. */
interface Scripted {
  asked: number;
  failing: Error | undefined;
  names: readonly string[];
  readonly watches: number;
  tell(...list: readonly Instance[]): void;
  fail(error: Error): void;
  readonly discovery: Discovery;
}

function scripted(): Scripted {
  const sinks = new Set<Sink<readonly Instance[]>>();
  const layer: Scripted = {
    asked: 0,
    failing: undefined,
    names: [],
    get watches() {
      return sinks.size;
    },
    tell(...list: readonly Instance[]) {
      for (const sink of sinks) sink.push(list);
    },
    fail(error: Error) {
      for (const sink of [...sinks]) sink.fail(error);
    },
    discovery: {
      watch: (_service, signal) =>
        newest<readonly Instance[]>(signal, (sink) => {
          layer.asked++;
          if (layer.failing !== undefined) throw layer.failing;
          sinks.add(sink);
          return () => void sinks.delete(sink);
        }),
      services: async () => {
        if (layer.failing !== undefined) throw layer.failing;
        return layer.names;
      },
    },
  };
  return layer;
}

/** Two scripted layers, and one watch of `orders` whose lists and end are written down. */
function scene(options: LayeredOptions = {}) {
  const clock = manualClock();
  const first = scripted();
  const second = scripted();
  const registry = layered(first.discovery, second.discovery, { clock, random: seededRandom(1), ...options });
  const lists: (readonly Instance[])[] = [];
  const ends: unknown[] = [];
  const ending = new AbortController();
  const watch = async (): Promise<void> => {
    try {
      for await (const list of registry.watch('orders', ending.signal)) lists.push(list);
      ends.push('ended');
    } catch (error) {
      ends.push(error);
    }
  };
  return {
    clock,
    first,
    second,
    registry,
    lists,
    ends,
    ending,
    settle: () => clock.advance(0),
    async watch() {
      void watch();
      await clock.advance(0);
    },
    /** The last list, as `id` or `id/priority`. */
    last: () => (lists.at(-1) ?? []).map(({ id, priority }) => (priority === undefined ? id : `${id}/${priority}`)).join(' '),
  };
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('a layered registry', () => {
  describe('without spilling', () => {
    it('gives the list of the first layer when that knows the service, and does not ask the second', async () => {
      const { first, second, watch, last, settle } = scene();
      await watch();
      first.tell(instance('a'));
      await settle();
      expect(last()).to.equal('a');
      expect(second.asked).to.equal(0);
    });

    it('gives the list of the second when the first lists nobody, and goes back when it does', async () => {
      const { first, second, watch, last, settle, lists } = scene();
      await watch();
      first.tell();
      await settle();
      expect(lists, 'an empty first layer alone says nothing').to.have.length(0);
      second.tell(instance('b'));
      await settle();
      expect(last()).to.equal('b');
      first.tell(instance('a'));
      await settle();
      expect(last()).to.equal('a');
      expect(second.watches, 'the second is needed no more').to.equal(0);
      first.tell();
      await settle();
      second.tell(instance('b'), instance('c'));
      await settle();
      expect(last()).to.equal('b c');
    });

    it('says that nobody is there when both layers say so', async () => {
      const { first, second, watch, lists, settle } = scene();
      await watch();
      first.tell();
      await settle();
      second.tell();
      await settle();
      expect(lists).to.deep.equal([[]]);
    });
  });

  describe('with both merged', () => {
    it('puts the second behind the first, by a priority of its own', async () => {
      const { first, second, watch, last, settle } = scene({ spill: true });
      await watch();
      first.tell(instance('a'), instance('spare', { priority: 1 }));
      second.tell(instance('b'), instance('c', { priority: 126 }), instance('d', { priority: 127 }));
      await settle();
      expect(last()).to.equal('a spare/1 b/1 c/127 d/127');
    });

    it('leaves room for priorities of the first with `behind`', async () => {
      const { first, second, watch, last, settle } = scene({ spill: true, behind: 10 });
      await watch();
      first.tell(instance('a'), instance('spare', { priority: 1 }));
      second.tell(instance('b'));
      await settle();
      expect(last()).to.equal('a spare/1 b/10');
    });

    it('takes three layers as two', async () => {
      const clock = manualClock();
      const [a, b, c] = ['a', 'b', 'c'].map((id) => staticRegistry({ orders: { id, host: '127.0.0.1', port: 8080 } }));
      const registry = layered(a!, layered(b!, c!, { spill: true, clock }), { spill: true, clock });
      const ending = new AbortController();
      for await (const list of registry.watch('orders', ending.signal)) {
        if (list.length < 3) continue;
        expect(list.map(({ id, priority }) => [id, priority])).to.deep.equal([
          ['a', undefined],
          ['b', 1],
          ['c', 2],
        ]);
        break;
      }
    });

    it('lets the preferred layer speak of an id that is in both', async () => {
      const { first, second, watch, lists, settle, registry } = scene({ spill: true });
      await watch();
      const fixed = instance('a', { weight: 5 });
      first.tell(fixed);
      second.tell(instance('a', { weight: 1, port: 9 }), instance('b'));
      await settle();
      expect(lists.at(-1)!.map(({ id, weight, port }) => [id, weight, port])).to.deep.equal([
        ['a', 5, 8080],
        ['b', undefined, 8080],
      ]);
      expect([registry.layerOf('orders', 'a'), registry.layerOf('orders', 'b'), registry.layerOf('orders', 'x')]).to.deep.equal([
        'first',
        'second',
        undefined,
      ]);
    });

    it('tells the first layer alone at once, and does not wait for a second that hangs', async () => {
      const { first, watch, last, settle } = scene({ spill: true });
      await watch();
      first.tell(instance('a'));
      await settle();
      expect(last()).to.equal('a');
    });

    it('holds the second layer alone back for a moment, so that the preferred one can tell its list', async () => {
      const { first, second, watch, last, lists, settle, clock } = scene({ spill: true, patience: '1s' });
      await watch();
      second.tell(instance('b'));
      await clock.advance(999);
      expect(lists).to.have.length(0);
      await clock.advance(1);
      await settle();
      expect(last()).to.equal('b/1');
      first.tell(instance('a'));
      await settle();
      expect(last()).to.equal('a b/1');
    });

    it('keeps the object of an instance that did not change, also with another priority', async () => {
      const { first, second, watch, lists, settle } = scene({ spill: true });
      await watch();
      const [a, b, c] = [instance('a'), instance('b'), instance('c')];
      first.tell(a);
      second.tell(b);
      await settle();
      second.tell(b, c);
      await settle();
      first.tell();
      await settle();
      const [before, after, without] = lists.slice(-3);
      expect(before!.map(({ id }) => id)).to.deep.equal(['a', 'b']);
      expect(after![0]).to.equal(a);
      expect(after![1]).to.equal(before![1]);
      expect(without![0]).to.equal(before![1]);
    });

    it('tells nothing when a layer repeats itself', async () => {
      const { first, second, watch, lists, settle } = scene({ spill: true });
      await watch();
      const [a, b] = [instance('a'), instance('b')];
      first.tell(a);
      second.tell(b);
      await settle();
      const told = lists.length;
      first.tell(a);
      second.tell(b);
      await settle();
      expect(lists).to.have.length(told);
    });
  });

  describe('while a layer fails', () => {
    it('keeps its last list, and asks it again with backoff', async () => {
      const { first, second, watch, last, settle, clock, registry, ends } = scene({ spill: true });
      await watch();
      first.tell(instance('a'));
      second.tell(instance('b'));
      await settle();
      second.failing = new Error('the registry is away');
      second.fail(second.failing);
      await settle();
      expect(last()).to.equal('a b/1');
      expect(registry.layers('orders').second).to.include({ state: 'failed', instances: 1, error: second.failing });
      await clock.advance(60_000);
      expect(second.asked, 'no hot loop').to.be.within(3, 30);
      second.failing = undefined;
      await clock.advance(15_000);
      second.tell(instance('c'));
      await settle();
      expect(last()).to.equal('a c/1');
      expect(registry.layers('orders').second).to.deep.equal({ state: 'known', instances: 1 });
      expect(ends).to.deep.equal([]);
    });

    it('gives its last list up after `staleFor`', async () => {
      const { first, second, watch, last, settle, clock } = scene({ spill: true, staleFor: '1m' });
      await watch();
      first.tell(instance('a'));
      second.tell(instance('b'));
      await settle();
      second.failing = new Error('away');
      second.fail(second.failing);
      await clock.advance(59_000);
      expect(last()).to.equal('a b/1');
      await clock.advance(1_000);
      await settle();
      expect(last()).to.equal('a');
    });

    it('throws when the other says that nobody is there: it cannot see that', async () => {
      const { first, second, watch, settle, ends, lists } = scene({ spill: true });
      second.failing = new Error('away');
      await watch();
      first.tell();
      await settle();
      expect(lists).to.deep.equal([]);
      expect(ends).to.deep.equal([second.failing]);
    });

    it('throws when both fail, and whoever watches again has what they told before as soon as one of them answers', async () => {
      const { first, second, watch, last, settle, ends, lists } = scene({ spill: true });
      await watch();
      first.tell(instance('a'));
      second.tell(instance('b'));
      await settle();
      second.failing = new Error('second is away');
      second.fail(second.failing);
      await settle();
      first.fail(new Error('first is away'));
      await settle();
      expect(ends).to.have.length(1);
      expect((ends[0] as AggregateError).errors.map(String)).to.deep.equal(['Error: first is away', 'Error: second is away']);
      lists.length = 0;
      await watch();
      expect(lists).to.deep.equal([]);
      first.tell(instance('a'));
      await settle();
      expect(last()).to.equal('a b/1');
    });

    it('is stale in a directory when both are away, and not when one answers', async () => {
      const clock = manualClock();
      const [first, second] = [scripted(), scripted()];
      const registry = layered(first.discovery, second.discovery, { spill: true, clock, random: seededRandom(1) });
      const directory = createDirectory({ discovery: registry, clock, random: seededRandom(2) });
      const seen: Snapshot[] = [];
      directory.subscribe('orders', (snapshot) => seen.push(snapshot));
      await clock.advance(0);
      first.tell(instance('a'));
      second.tell(instance('b'));
      await clock.advance(0);
      second.failing = new Error('away');
      second.fail(second.failing);
      await clock.advance(0);
      expect(directory.lookup('orders')).to.include({ state: 'bound', stale: false });
      first.failing = new Error('away too');
      first.fail(first.failing);
      await clock.advance(0);
      expect(directory.lookup('orders')).to.include({ state: 'bound', stale: true });
      expect(directory.lookup('orders').instances.map(({ id }) => id)).to.deep.equal(['a', 'b']);
      await directory[Symbol.asyncDispose]();
    });
  });

  describe('with modes', () => {
    it('makes the list of each service as it is told to', async () => {
      const first = staticRegistry({ orders: '10.0.0.1:1', users: '10.0.0.1:2', carts: '10.0.0.1:3' });
      const second = memoryRegistry();
      for (const service of ['orders', 'users', 'carts', 'mail']) await second.register({ ...instance(`r-${service}`), service });
      const registry = layered(first, second, { services: { orders: 'first', users: 'merge-reversed', carts: 'second' } });
      const listOf = async (service: string, length: number): Promise<unknown> => {
        for await (const list of registry.watch(service, new AbortController().signal)) {
          if (list.length === length) return list.map(({ port, priority = 0 }) => `${port}/${priority}`);
        }
        return undefined;
      };
      expect(await listOf('orders', 1)).to.deep.equal(['1/0']);
      expect(await listOf('users', 2)).to.deep.equal(['8080/0', '2/1']);
      expect(await listOf('carts', 1)).to.deep.equal(['8080/0']);
      expect(await listOf('mail', 1)).to.deep.equal(['8080/0']);
    });

    it('changes one while it is watched, and back', async () => {
      const { first, second, watch, last, settle, registry } = scene({ spill: true });
      await watch();
      first.tell(instance('a'));
      second.tell(instance('b'));
      await settle();
      registry.setMode('orders', 'first');
      await settle();
      expect(last()).to.equal('a');
      expect(second.watches).to.equal(0);
      registry.setMode('orders', 'merge-reversed');
      await settle();
      second.tell(instance('b'));
      await settle();
      expect(last()).to.equal('b a/1');
      registry.setMode('orders');
      await settle();
      expect(last()).to.equal('a b/1');
      expect(registry.modeOf('orders')).to.equal('merge');
    });

    it('holds on to whom the second layer listed last, when asked to, for as long as a list may be stale', async () => {
      const { first, second, watch, last, settle, registry, clock } = scene({ spill: true, staleFor: '1m' });
      await watch();
      first.tell(instance('a'));
      second.tell(instance('b'));
      await settle();
      registry.setMode('orders', undefined, { holdLast: true });
      await clock.advance(3_600_000);
      second.tell();
      await settle();
      expect(last()).to.equal('a b/1');
      await clock.advance(60_000);
      await settle();
      expect(last()).to.equal('a');
      second.tell(instance('b'));
      second.tell(instance('b'));
      await settle();
      second.tell();
      await settle();
      registry.setMode('orders');
      await settle();
      expect(last()).to.equal('a');
    });
  });

  it('watches a layer once however many watch it, and forgets the service with the last', async () => {
    const { first, watch, settle, registry, ending, clock } = scene();
    await watch();
    await watch();
    first.tell(instance('a'));
    await settle();
    expect(first.watches).to.equal(1);
    expect(registry.listOf('orders')).to.have.length(1);
    ending.abort();
    await settle();
    expect(first.watches).to.equal(0);
    expect(registry.listOf('orders')).to.have.length(0);
    expect(clock.pending).to.equal(0);
  });

  it('keeps what failing layers told of a thousand services at most', async () => {
    const clock = manualClock();
    const failing: Discovery = {
      watch: (service) =>
        (async function* () {
          yield [instance('a', { service })];
          throw new Error('away');
        })(),
      services: async () => [],
    };
    const registry = layered(failing, failing, { clock });
    for (let index = 0; index <= 1_000; index++) {
      const watching = (async () => {
        for await (const _list of registry.watch(`s${index}`, new AbortController().signal)) void _list;
      })();
      expect(await rejection(watching)).to.have.property('message', 'away');
    }
    expect(registry.listOf('s0')).to.have.length(0);
    expect(registry.listOf('s1')).to.have.length(1);
    expect(registry.listOf('s1000')).to.have.length(1);
    await registry[Symbol.asyncDispose]();
    expect(clock.pending).to.equal(0);
  });

  it('gives a later watcher the present list at once', async () => {
    const { first, watch, settle, lists } = scene();
    await watch();
    first.tell(instance('a'));
    await settle();
    await watch();
    expect(lists).to.have.length(2);
    expect(lists[1]).to.equal(lists[0]);
  });

  it('registers in the second layer, unless told otherwise', async () => {
    const [first, second] = [memoryRegistry(), memoryRegistry()];
    await layered(first, second).register(instance('a'));
    expect([await first.services(), await second.services()]).to.deep.equal([[], ['orders']]);
    await layered(first, second, { registrar: 'first' }).register({ ...instance('b'), service: 'users' });
    expect(await first.services()).to.deep.equal(['users']);
    const { discovery } = scripted();
    await layered(first, discovery).register({ ...instance('c'), service: 'carts' });
    expect(await first.services()).to.deep.equal(['carts', 'users']);
    for (const none of [layered(discovery, discovery), layered(first, second, { registrar: false })]) {
      expect(await rejection(none.register(instance('d')))).to.satisfy(
        (error: unknown) => isServiceError(error) && error.code === 'FAILED_PRECONDITION',
      );
    }
  });

  it('names the services of both layers, and of one while the other fails', async () => {
    const { first, second, registry } = scene();
    first.names = ['b', 'a'];
    second.names = ['c', 'b'];
    expect(await registry.services()).to.deep.equal(['a', 'b', 'c']);
    second.failing = new Error('away');
    expect(await registry.services()).to.deep.equal(['a', 'b']);
    first.failing = new Error('away too');
    expect(await rejection(registry.services())).to.be.instanceOf(AggregateError);
  });

  it('ends its watches when it is disposed of, and leaves the layers open unless it owns them', async () => {
    const { first, watch, settle, registry, ends, clock } = scene();
    await watch();
    first.tell(instance('a'));
    await settle();
    await registry[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await settle();
    expect(ends).to.have.length(1);
    expect(isServiceError(ends[0])).to.equal(true);
    expect(clock.pending).to.equal(0);

    for (const owns of [false, true]) {
      const [one, other] = [memoryRegistry(), memoryRegistry()];
      await layered(one, other, { owns })[Symbol.asyncDispose]();
      const asked = await Promise.all([rejection(one.services()), rejection(other.services())]);
      expect(asked.filter((error) => error !== undefined)).to.have.length(owns ? 2 : 0);
    }
  });

  it('survives a layer that throws at once, ends by itself or lists nonsense', async () => {
    const clock = manualClock();
    const nonsense: Discovery = {
      watch: (service) => {
        if (service === 'throws') throw new Error('at once');
        return (async function* () {
          if (service === 'orders') yield [instance('a')];
        })();
      },
      services: () => {
        throw new Error('at once');
      },
    };
    const registry = layered(nonsense, staticRegistry({ throws: '10.0.0.1:1', orders: '10.0.0.1:2' }), {
      spill: true,
      clock,
      random: seededRandom(1),
    });
    for (const service of ['throws', 'orders']) {
      const directory = createDirectory({ discovery: registry, clock, random: seededRandom(1) });
      directory.lookup(service);
      await clock.advance(10);
      expect(directory.lookup(service), service).to.include({ state: 'bound', stale: false });
      await directory[Symbol.asyncDispose]();
    }
    expect(await registry.services()).to.deep.equal(['orders', 'throws']);
  });

  describe('is a registry like others', () => {
    // In a merged list the first layer's instances have the priority that they were registered with.
    for (const options of [{}, { spill: true, registrar: 'first' }] as const) {
      const subject: RegistrySubject = {
        name: 'layered',
        oneView: true,
        async open() {
          const registry = layered(memoryRegistry(), memoryRegistry(), options);
          return { first: registry, second: registry };
        },
      };
      for (const one of registryCases) {
        const reason = skipReason(registryCases, subject, one.name);
        const title = `${'spill' in options ? 'merged' : 'in turn'}: ${one.name}`;
        if (reason === undefined) it(title, () => one.run(subject)).timeout(one.deadlineMs + 5_000);
        else it.skip(`${title} (${reason})`);
      }
    }
  });

  const bad: readonly [string, () => unknown, RegExp][] = [
    ['no second layer', () => layered(memoryRegistry(), undefined as never), /layered second: it is missing/],
    ['a layer that is none', () => layered({} as never, memoryRegistry()), /layered first: .* has no watch\(\)/],
    ['an unknown option', () => layered(memoryRegistry(), memoryRegistry(), { spil: true } as never), /no option "spil".*spill/],
    ['an unknown mode', () => layered(memoryRegistry(), memoryRegistry(), { services: { orders: 'both' as never } }), /services\["orders"\]: "both"/],
    ['a step of none', () => layered(memoryRegistry(), memoryRegistry(), { behind: 0 }), /layered behind: 0/],
    [
      'a registrar that cannot',
      () => layered(memoryRegistry(), scripted().discovery, { registrar: 'second' }),
      /registrar: the second layer has no register/,
    ],
    ['an unknown mode later', () => layered(memoryRegistry(), memoryRegistry()).setMode('orders', 'no' as never), /setMode orders: "no"/],
    ['a bad name', () => layered(memoryRegistry(), memoryRegistry()).watch('', new AbortController().signal), /service: ""/],
  ];
  for (const [what, make, message] of bad) {
    it(`refuses ${what}`, () => {
      expect(make).to.throw(TypeError, message);
    });
  }
});
