import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileStore } from '@ferrule/core';
import type { SnapshotStore } from '@ferrule/core/adapter';
import { redisStore } from '@ferrule/redis';
import { skipReason, snapshotStoreCases } from '@ferrule/testing';
import type { OpenSnapshotStore, SnapshotStoreSubject } from '@ferrule/testing';
import { expect } from 'chai';
import { createClient } from 'redis';
import { describeWithRedis, newRedis } from '../support/redis.js';
import type { RedisServer } from '../support/redis.js';

/** Cases have deadlines of their own; mocha's is for what hangs beyond them. */
const GRACE_MS = 5_000;

function cases(subject: SnapshotStoreSubject): void {
  for (const one of snapshotStoreCases) {
    const reason = skipReason(snapshotStoreCases, subject, one.name);
    if (reason === undefined) it(one.name, () => one.run(subject)).timeout(one.deadlineMs + GRACE_MS);
    else it.skip(`${one.name} (${reason})`);
  }
}

interface OpenFolder extends OpenSnapshotStore {
  readonly parent: string;
}

/** What `way` leads to is another thing at one stroke. */
async function lead(parent: string, to: string): Promise<void> {
  await symlink(to, join(parent, 'next'));
  await rename(join(parent, 'next'), join(parent, 'way'));
}

const fileSubject: SnapshotStoreSubject = {
  name: 'file',
  async open(): Promise<OpenFolder> {
    const parent = await mkdtemp(join(tmpdir(), 'ferrule-test-'));
    await mkdir(join(parent, 'real'));
    await lead(parent, join(parent, 'real'));
    const directory = join(parent, 'way', 'lists');
    return { first: fileStore({ directory }), second: fileStore({ directory }), parent, close: () => rm(parent, { recursive: true }) };
  },
  corrupt: (open, service) => writeFile(join((open as OpenFolder).parent, 'real', 'lists', `${service}.list`), 'ferrule-list 1 17'),
  async outage(open) {
    const { parent } = open as OpenFolder;
    await writeFile(join(parent, 'nowhere'), '');
    await lead(parent, join(parent, 'nowhere'));
    return () => lead(parent, join(parent, 'real'));
  },
};

describe('the file store', () => cases(fileSubject));

describeWithRedis('the Redis store, on a server', () => {
  let server: RedisServer;
  let back = async (): Promise<void> => {};
  const command = async (...args: string[]): Promise<void> => {
    const client = createClient({ url: server.url });
    await client.connect();
    await client.sendCommand(args);
    client.destroy();
  };

  before(async () => {
    server = await newRedis();
    await server.start();
  });
  after(() => server.stop());

  cases({
    name: 'redis',
    tells: true,
    async open() {
      await back();
      await command('FLUSHALL');
      return { first: redisStore({ url: server.url }), second: redisStore({ url: server.url }) };
    },
    corrupt: (_open, service) => command('SET', `ferrule:list:${service}`, 'ferrule-list 1 17'),
    async outage() {
      let away = true;
      await server.kill();
      back = async () => {
        if (!away) return;
        away = false;
        await server.start();
      };
      return back;
    },
  });
});

/** Stores that break one promise each, and the beginning of the case that has to notice. */
const broken: readonly (readonly [name: string, caughtBy: string, change: (store: SnapshotStore) => Partial<SnapshotStore>])[] = [
  [
    'takes an empty list for none',
    'tells a service that has no instance',
    (store) => ({
      async load(service, signal) {
        const found = await store.load(service, signal);
        return found?.instances.length === 0 ? undefined : found;
      },
    }),
  ],
  [
    'takes every list, however old',
    'puts a newer list in the place',
    (store) => {
      let later = Date.now() - 10_000;
      return { save: (snapshot, signal) => store.save({ ...snapshot, at: later++ }, signal) };
    },
  ],
  ['ignores its signal', 'does nothing for a signal', (store) => ({ load: (service) => store.load(service, new AbortController().signal) })],
  [
    'hides that its place is away',
    'rejects soon while its place is away',
    (store) => ({ load: (service, signal) => store.load(service, signal).catch(() => undefined) }),
  ],
  ['stays open when it is disposed of', 'takes and gives no more', () => ({ [Symbol.asyncDispose]: () => Promise.resolve() })],
];

describe('the cases notice that a snapshot store', () => {
  for (const [name, caughtBy, change] of broken) {
    it(`${name}: "${caughtBy}…"`, async () => {
      const mutated = (store: SnapshotStore): SnapshotStore => ({
        name: store.name,
        load: (service, signal) => store.load(service, signal),
        save: (snapshot, signal) => store.save(snapshot, signal),
        [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
        ...change(store),
      });
      const subject: SnapshotStoreSubject = {
        ...fileSubject,
        async open() {
          const open = await fileSubject.open();
          return { ...open, first: mutated(open.first), second: mutated(open.second) };
        },
      };
      const [one, ...others] = snapshotStoreCases.filter((each) => each.name.startsWith(caughtBy));
      expect(others).to.have.length(0);
      const failure: unknown = await one!.run(subject, 500).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(failure).to.be.instanceOf(Error);
    });
  }
});
