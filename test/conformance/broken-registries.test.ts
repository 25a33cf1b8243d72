import { once, setMaxListeners } from 'node:events';
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import type { Instance, Registration, Registry } from '@ferrule/core';
import { registryCases, skipReason } from '@ferrule/testing';
import type { RegistrySubject } from '@ferrule/testing';
import { expect } from 'chai';
import { fileSubject, memorySubject } from './registry-subjects.js';

/** A table that cannot fail proves nothing: registries that break one promise each, and the cases that have to notice. */
interface Mutant {
  readonly name: string;
  /** What it does otherwise than the registry that it is made of. */
  readonly change: (registry: Registry) => Partial<Registry>;
  /** What it is made of. Default: the one in memory. */
  readonly of?: RegistrySubject;
  /** Beginnings of the names of cases that fail with it. */
  readonly caughtBy: readonly string[];
}

type List = readonly Instance[];

/** Cases that hang are caught too, without waiting for the deadline that they have for real servers. */
const DEADLINE_MS = 500;
const ALWAYS = new AbortController().signal;

/** Every watch, with its lists as `change` makes them. */
const lists = (registry: Registry, change: (list: List, service: string) => List): Partial<Registry> => ({
  async *watch(service, signal) {
    for await (const list of registry.watch(service, signal)) yield change(list, service);
  },
});

/** Every registration, with what `change` does otherwise. */
const registrations = (
  registry: Registry,
  change: (one: Registration, given: Instance) => Partial<Registration>,
  { write = (given: Instance): Instance => given } = {},
): Partial<Registry> => ({
  async register(given, options) {
    const one = await registry.register(write(given), options);
    return {
      get instance() {
        return one.instance;
      },
      report: (status, note) => one.report(status, note),
      deregister: () => one.deregister(),
      [Symbol.asyncDispose]: () => one.deregister(),
      ...change(one, given),
    };
  },
});

const mutants: readonly Mutant[] = [
  {
    name: 'tells what has come instead of all there is',
    change: (registry) => ({
      async *watch(service, signal) {
        let before: List = [];
        for await (const list of registry.watch(service, signal)) {
          yield list.filter((one) => !before.includes(one));
          before = list;
        }
      },
    }),
    caughtBy: ['tells an open watch of register', 'keeps the object of an instance', 'gives no list that says the same'],
  },
  {
    name: 'hears nothing between its first list and what follows',
    change: (registry) => ({
      async *watch(service, signal) {
        for await (const list of registry.watch(service, signal)) {
          yield list;
          break;
        }
        for (let turn = 0; turn < 5; turn++) await nextTurn();
        let first = true;
        for await (const list of registry.watch(service, signal)) {
          if (!first) yield list;
          first = false;
        }
      },
    }),
    caughtBy: ['misses nothing that happens while a watch begins'],
  },
  {
    name: 'registers again with a report what was deregistered',
    change: (registry) =>
      registrations(registry, (one) => ({ report: async (status) => void (await registry.register({ ...one.instance, status })) })),
    caughtBy: ['deregisters for good, however often'],
  },
  {
    name: 'brings back after an outage what was deregistered during it',
    of: fileSubject,
    change: (registry) =>
      registrations(registry, (one) => ({
        async deregister() {
          await one.deregister().catch(async () => {
            const again = (): Promise<unknown> => registry.register(one.instance).catch(() => wait(5).then(again));
            void again();
          });
        },
      })),
    caughtBy: ['never writes again what was deregistered'],
  },
  {
    name: 'shows an outage as an empty list',
    of: fileSubject,
    change: (registry) => ({
      async *watch(service, signal) {
        try {
          yield* registry.watch(service, signal);
        } catch {
          yield [];
          await once(signal, 'abort');
        }
      },
    }),
    caughtBy: ['gives an error, not an empty list', 'breaks a watch when the backend is lost'],
  },
  {
    name: 'gives the same array again and again, with other contents',
    change(registry) {
      const shared: Instance[] = [];
      return lists(registry, (list) => (shared.splice(0, shared.length, ...list), shared));
    },
    caughtBy: ['never changes a list that it has given'],
  },
  {
    name: 'hands out what its readers share and can change',
    change(registry) {
      const copies = new Map<Instance, Instance>();
      const copyOf = (one: Instance): Instance => {
        if (!copies.has(one)) copies.set(one, structuredClone(one));
        return copies.get(one)!;
      };
      return lists(registry, (list) => list.map(copyOf));
    },
    caughtBy: ['shows nobody what a reader does to its list'],
  },
  {
    name: 'does not tell of an empty list',
    change: (registry) => ({
      async *watch(service, signal) {
        for await (const list of registry.watch(service, signal)) if (list.length > 0) yield list;
      },
    }),
    caughtBy: ['gives an empty list at once', 'tells with an empty list that the last'],
  },
  {
    name: 'takes weight 0 for none',
    change: (registry) => registrations(registry, () => ({}), { write: (given) => ({ ...given, weight: given.weight || 1 }) }),
    caughtBy: ['carries weight 0'],
  },
  {
    name: 'loses a field',
    change: (registry) => registrations(registry, () => ({}), { write: ({ serverName: _lost, ...given }) => given }),
    caughtBy: ['shows a registered instance in the first list'],
  },
  {
    name: 'finds services without regard to case',
    change: (registry) => ({
      ...registrations(registry, () => ({}), { write: (given) => ({ ...given, service: given.service.toLowerCase() }) }),
      watch: (service, signal) => registry.watch(service.toLowerCase(), signal),
    }),
    caughtBy: ['keeps services apart that differ in case'],
  },
  {
    name: 'finds services by the beginning of their names',
    change: (registry) => ({
      async *watch(service, signal) {
        for await (const own of registry.watch(service, signal)) {
          const list = [...own];
          for (const other of await registry.services())
            if (other !== service && other.startsWith(service))
              for await (const found of registry.watch(other, ALWAYS)) if (list.push(...found)) break;
          yield list;
        }
      },
    }),
    caughtBy: ['keeps services apart, also those whose names begin alike'],
  },
  {
    name: 'tells everything twice',
    change: (registry) => ({
      async *watch(service, signal) {
        for await (const list of registry.watch(service, signal)) {
          yield list;
          yield [...list];
        }
      },
    }),
    caughtBy: ['gives no list that says the same', 'tells with an empty list that the last'],
  },
  {
    name: 'makes all instances anew for every list',
    change: (registry) => lists(registry, (list) => list.map((one) => Object.freeze({ ...one }))),
    caughtBy: ['keeps the object of an instance that did not change'],
  },
  {
    name: 'keeps for a slow reader all that it has missed',
    change: (registry) => ({
      async *watch(service, signal) {
        const queue: List[] = [];
        void (async () => {
          for await (const list of registry.watch(service, signal)) queue.push(list);
        })();
        while (!signal.aborted) {
          await nextTurn();
          while (queue.length > 0) yield queue.shift()!;
        }
      },
    }),
    caughtBy: ['gives a slow reader the newest list'],
  },
  {
    name: 'tells one of those who watch alone',
    change(registry) {
      let watched = false;
      return {
        async *watch(service, signal) {
          const alone = !watched;
          watched = true;
          for await (const list of registry.watch(service, signal)) {
            yield list;
            if (!alone) break;
          }
          if (!signal.aborted) await once(signal, 'abort');
        },
      };
    },
    caughtBy: ['tells all who watch a service', 'goes on for the others'],
  },
  {
    name: 'ends all watches when one of those who watch leaves',
    change(registry) {
      const leaving = new AbortController();
      setMaxListeners(0, leaving.signal);
      return {
        async *watch(service, signal) {
          signal.addEventListener('abort', () => leaving.abort());
          yield* registry.watch(service, leaving.signal);
        },
      };
    },
    caughtBy: ['goes on for the others when one', 'watches anew after all have left', 'leaves no listener'],
  },
  {
    name: 'removes by the id, whoever has it now',
    change: (registry) => registrations(registry, (one) => ({ deregister: async () => (await registry.register(one.instance)).deregister() })),
    caughtBy: ['lets a registration that was replaced neither', 'keeps the new entry when the old one'],
  },
  {
    name: 'shows nothing for a moment while it replaces',
    change(registry) {
      const kept = new Map<string, Registration>();
      return {
        async register(given, options) {
          await kept.get(given.id)?.deregister();
          await nextTurn();
          const one = await registry.register(given, options);
          kept.set(given.id, one);
          return one;
        },
      };
    },
    caughtBy: ['shows a replaced instance as one change'],
  },
  {
    name: 'leaves an entry behind when its signal aborts on the way',
    change: (registry) => ({
      async register(given, options) {
        const one = await registry.register(given, options);
        await nextTurn();
        options?.signal?.throwIfAborted();
        return one;
      },
    }),
    caughtBy: ['either registers or leaves nothing'],
  },
  {
    name: 'names a service for each of its instances',
    change: (registry) => ({
      async services() {
        const names: string[] = [];
        for (const service of await registry.services())
          for await (const list of registry.watch(service, ALWAYS)) if (names.push(...list.map(() => service)) > 0) break;
        return names;
      },
    }),
    caughtBy: ['names a service once', 'names the services that have an instance'],
  },
  {
    name: 'orders lists by when their instances came',
    change(registry) {
      const came: string[] = [];
      return {
        ...registrations(registry, () => ({}), { write: (given) => (came.push(given.id), given) }),
        ...lists(registry, (list) => list.toSorted((a, b) => came.indexOf(a.id) - came.indexOf(b.id))),
      };
    },
    caughtBy: ['sees fifty instances that register at the same time'],
  },
  {
    name: 'stays open when it is closed',
    change: () => ({ [Symbol.asyncDispose]: () => Promise.resolve() }),
    caughtBy: ['takes its own entries away when it is disposed of'],
  },
];

function mutated(subject: RegistrySubject, { change }: Mutant): RegistrySubject {
  const broken = (registry: Registry): Registry => ({
    name: registry.name,
    register: (instance, options) => registry.register(instance, options),
    watch: (service, signal) => registry.watch(service, signal),
    services: (signal) => registry.services(signal),
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
    ...change(registry),
  });
  return {
    ...subject,
    async open() {
      const open = await subject.open();
      const first = broken(open.first);
      return { ...open, first, second: open.second === open.first ? first : broken(open.second) };
    },
  };
}

describe('the conformance cases notice that a registry', () => {
  const broken = mutants.flatMap((mutant) => mutant.caughtBy.map((beginning) => ({ mutant, beginning, subject: mutant.of ?? memorySubject })));
  /** What came of each. All run at the same time: those that hang take the whole deadline. */
  const failures = new Map<object, unknown>();

  before(async () => {
    await Promise.all(
      broken.map(async (one) => {
        const [found] = registryCases.filter(({ name }) => name.startsWith(one.beginning));
        await found?.run(mutated(one.subject, one.mutant), DEADLINE_MS).catch((error: unknown) => failures.set(one, error));
      }),
    );
  });

  for (const one of broken) {
    const { mutant, beginning, subject } = one;
    it(`${mutant.name}: "${beginning}…"`, () => {
      const [found, ...others] = registryCases.filter(({ name }) => name.startsWith(beginning));
      expect(others).to.have.length(0);
      expect(skipReason(registryCases, subject, found!.name)).to.equal(undefined);
      expect(failures.get(one)).to.be.instanceOf(Error);
    });
  }

  // At the same time as well, so that what is noticed above is the broken promise and not the company.
  it('and pass with a registry that changes nothing, as soon', async () => {
    const whole: Mutant = { name: 'as it is', change: () => ({}), caughtBy: [] };
    const fitting = [memorySubject, fileSubject].flatMap((subject) =>
      registryCases.filter(({ name }) => skipReason(registryCases, subject, name) === undefined).map((one) => ({ one, subject })),
    );
    expect(fitting.length).to.be.above(registryCases.length);
    await Promise.all(fitting.map(({ one, subject }) => one.run(mutated(subject, whole), 10 * DEADLINE_MS)));
  }).timeout(30_000);
});
