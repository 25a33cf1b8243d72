import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { inspect, promisify } from 'node:util';
import { createDirectory } from '@ferrule/core';
import type { Discovery, Instance } from '@ferrule/core';
import { encodeSnapshot } from '@ferrule/core/adapter';
import type { Clock, SnapshotStore, StoredSnapshot } from '@ferrule/core/adapter';
import { createSnapshotStore, redisStore } from '@ferrule/redis';
import type { RedisStoreOptions } from '@ferrule/redis';
import { manualClock, seededRandom, tcpProxy } from '@ferrule/testing';
import { expect } from 'chai';
import { createClient } from 'redis';
import { describeWithRedis, newRedis } from '../support/redis.js';
import type { RedisServer } from '../support/redis.js';
import { cert, key } from '../support/tls-fixture.js';
import { recordingLogger } from './recording-logger.js';

const run = promisify(execFile);
const IDLE = fileURLToPath(new URL('./idle-store.js', import.meta.url));
const { signal } = new AbortController();
const KEY = 'ferrule:list:orders';
let at = Date.now() - 1_000_000;

/** A list of `orders` with one instance on this port, newer than all before it. */
function listOf(port: number, service = 'orders'): StoredSnapshot {
  return { service, instances: [{ id: `${service}-1`, service, host: '10.0.0.1', port }], at: ++at };
}

/** The error that this rejects with. */
async function errorOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('It did not reject');
}

function portsOf(snapshot: { readonly instances: readonly Instance[] } | undefined): readonly number[] | undefined {
  return snapshot?.instances.map(({ port }) => port);
}

describeWithRedis('redisStore', () => {
  let server: RedisServer;
  let raw: ReturnType<typeof createClient>;
  let open: SnapshotStore[] = [];
  let clients: { destroy(): void }[] = [];

  const store = (options: RedisStoreOptions = {}): SnapshotStore => {
    const made = redisStore({ ...(options.client === undefined && { url: server.url }), ...options });
    open.push(made);
    return made;
  };
  const connectedClient = async (options: { url: string; RESP?: 2 | 3 }) => {
    const client = createClient(options);
    clients.push(client);
    client.on('error', () => {});
    await client.connect();
    return client;
  };
  /** Connections to the server beside the one that asks, once there are so many. */
  const connections = async (count: number): Promise<void> => {
    for (;;) if ((await raw.sendCommand<string>(['CLIENT', 'LIST'])).trim().split('\n').length - 1 === count) return;
  };
  /** The next service that is told to the listener. */
  const heardBy = (made: SnapshotStore): { next(): Promise<string>; readonly all: readonly string[] } => {
    const all: string[] = [];
    let read = 0;
    let wake = (): void => {};
    made.subscribe!((service) => {
      all.push(service);
      wake();
    });
    const next = async (): Promise<string> => {
      while (all.length <= read) await new Promise<void>((resolve) => (wake = resolve));
      return all[read++]!;
    };
    return { next, all };
  };

  before(async () => {
    server = await newRedis();
    await server.start();
    raw = createClient({ url: server.url });
    raw.on('error', () => {});
    await raw.connect();
  });
  after(async () => {
    raw.destroy();
    await server.kill();
  });
  beforeEach(() => raw.flushAll());
  afterEach(async () => {
    for (const client of clients) client.destroy();
    await Promise.all(open.map((one) => one[Symbol.asyncDispose]()));
    open = [];
    clients = [];
    await connections(0); // nothing of a test is left
  });

  describe('keeps lists', () => {
    it('that another process reads as they were', async () => {
      const full: StoredSnapshot = {
        ...listOf(8080),
        instances: [
          { id: 'orders-1', service: 'orders', host: '::1', port: 8080, weight: 0, priority: 1, zone: 'eu', tags: ['blue'], status: 'warn' },
          { id: 'orders-2', service: 'orders', host: 'a.internal', port: 8081, version: '1.2.3', scheme: 'https', metadata: { läuft: 'ja ✓' } },
        ],
      };
      await store().save(full, signal);
      const loaded = await store().load('orders', signal);
      expect(loaded).to.deep.equal(full);
      expect(await store().load('users', signal)).to.equal(undefined);
    });

    it('of no instances, which is not the same as none', async () => {
      await store().save({ service: 'orders', instances: [], at: ++at }, signal);
      expect(portsOf(await store().load('orders', signal))).to.deep.equal([]);
    });

    it('for the time to live, which every newer list renews, the same one too', async () => {
      const mine = store({ ttl: '10m' });
      const list = listOf(8080);
      await mine.save(list, signal);
      expect(await raw.pTTL(KEY)).to.be.within(590_000, 600_000);
      await raw.pExpire(KEY, 5_000);
      await mine.save({ ...list, at: ++at }, signal);
      expect(await raw.pTTL(KEY)).to.be.within(590_000, 600_000);
      expect((await mine.load('orders', signal))?.at).to.equal(at);
    });

    it('no longer than that', async () => {
      const mine = store();
      await mine.save(listOf(8080), signal);
      expect(await raw.pTTL(KEY)).to.be.within(1_790_000, 1_800_000);
      await raw.pExpire(KEY, 1);
      while ((await raw.exists(KEY)) === 1);
      expect(await mine.load('orders', signal)).to.equal(undefined);
    });

    it('apart from those of another prefix', async () => {
      await store({ prefix: 'shop:' }).save(listOf(8080), signal);
      expect(await raw.keys('*')).to.deep.equal(['shop:list:orders']);
      expect(await store().load('orders', signal)).to.equal(undefined);
    });

    it('in the database of its options', async () => {
      await store({ database: 3 }).save(listOf(8080), signal);
      expect(portsOf(await store({ url: `${server.url}/3` }).load('orders', signal))).to.deep.equal([8080]);
      expect(await store().load('orders', signal)).to.equal(undefined);
    });
  });

  describe('lets nothing older replace what is newer', () => {
    it('when one comes late', async () => {
      const older = listOf(8080);
      await store().save(listOf(8081), signal);
      await store().save(older, signal);
      expect(portsOf(await store().load('orders', signal))).to.deep.equal([8081]);
    });

    it('when many save at once, in whatever order', async () => {
      const random = seededRandom(7);
      const stores = [store(), store(), store()];
      for (let round = 0; round < 5; round++) {
        const lists = Array.from({ length: 40 }, (_, n) => listOf(8_000 + n));
        const shuffled = lists.map((list) => ({ list, order: random() })).sort((a, b) => a.order - b.order);
        await Promise.all(shuffled.map(({ list }, n) => stores[n % 3]!.save(list, new AbortController().signal)));
        expect(portsOf(await stores[0]!.load('orders', signal))).to.deep.equal([8_039]);
      }
    });

    it('but a list from the future of a wrong clock holds nobody back', async () => {
      await store().save({ ...listOf(8080), at: Date.now() + 3_600_000 }, signal);
      await store().save(listOf(8081), signal);
      expect(portsOf(await store().load('orders', signal))).to.deep.equal([8081]);
    });
  });

  describe('tells others', () => {
    it('what was saved, and not itself', async () => {
      const mine = store();
      const others = store();
      const heardByMe = heardBy(mine);
      const heardByOthers = heardBy(others);
      // Asked before there was a subscription, and told for that once there is.
      await Promise.all([mine.load('x', signal), others.load('x', signal)]);
      expect([await heardByMe.next(), await heardByOthers.next()]).to.deep.equal(['x', 'x']);
      await mine.save(listOf(8080), signal);
      expect(await heardByOthers.next()).to.equal('orders');
      expect(portsOf(await others.load('orders', signal))).to.deep.equal([8080]);
      await others.save(listOf(8081, 'users'), signal);
      expect(await heardByMe.next()).to.equal('users');
      expect(heardByMe.all).to.deep.equal(['x', 'users']);
    });

    it('once when a hundred processes save the same list', async () => {
      const mine = store();
      await mine.load('orders', signal);
      const heard = heardBy(mine);
      const list = listOf(8080);
      const others = Array.from({ length: 10 }, () => store());
      await Promise.all(others.map((other) => other.save({ ...list, at: ++at }, signal)));
      await others[0]!.save(listOf(8081, 'users'), signal);
      expect(await heard.next()).to.equal('orders');
      expect(await heard.next()).to.equal('users');
    });

    it('nothing after they have unsubscribed, and the others when one of them throws', async () => {
      const logger = recordingLogger();
      const mine = store({ logger });
      const heard: string[] = [];
      const end = mine.subscribe!(() => heard.push('never'));
      mine.subscribe!(() => {
        throw new Error('a listener');
      });
      const last = heardBy(mine);
      end();
      end();
      await mine.load('x', signal);
      await store().save(listOf(8080), signal);
      expect([await last.next(), await last.next()]).to.deep.equal(['x', 'orders']);
      await logger.said('A listener of the store threw');
      expect(heard).to.deep.equal([]);
    });

    for (const message of ['', 'orders', 'x'.repeat(10_000), `${'0'.repeat(16)} with blanks`, `${'0'.repeat(16)} \u0000`])
      it(`nothing of a message that is none of ours: ${inspect(message).slice(0, 40)}`, async () => {
        const mine = store();
        await mine.load('x', signal);
        const heard = heardBy(mine);
        await raw.publish('ferrule:saved', message);
        await store().save(listOf(8080), signal);
        expect(await heard.next()).to.equal('orders');
      });
  });

  describe('takes none of what is no list of ours:', () => {
    const good = (): string => encodeSnapshot(listOf(8080));
    const poison: Readonly<Record<string, readonly [put: () => Promise<unknown>, reason: string]>> = {
      'no list': [() => raw.set(KEY, 'hello'), 'does not begin'],
      'JSON alone': [() => raw.set(KEY, '{"instances":[]}'), 'does not begin'],
      'bytes that are no text': [() => raw.set(KEY, Buffer.from([0xff, 0xfe, 0x00, 0x80])), 'does not begin'],
      'a wrong checksum': [() => raw.set(KEY, good().replace('8080', '8081')), 'checksum'],
      'a list that was cut': [() => raw.set(KEY, good().slice(0, -1)), 'checksum'],
      'the list of another service': [() => raw.set(KEY, encodeSnapshot(listOf(8080, 'users'))), 'another service'],
      'a port that is none': [() => raw.set(KEY, encodeSnapshot(listOf(0))), 'instance.port'],
      'too long a value': [() => raw.set(KEY, 'x'.repeat(9 * 2 ** 20)), 'longer than'],
      'a Redis list': [() => raw.multi().del(KEY).rPush(KEY, 'hello').exec(), 'no string'],
      'a Redis hash': [() => raw.multi().del(KEY).hSet(KEY, 'a', 'b').exec(), 'no string'],
    };
    for (const [what, [put, reason]] of Object.entries(poison))
      it(`${what} is reported once and ignored, and the next list replaces it`, async () => {
        const logger = recordingLogger();
        const mine = store({ logger });
        await put();
        expect(await mine.load('orders', signal)).to.equal(undefined);
        expect(await mine.load('orders', signal)).to.equal(undefined);
        expect(logger.lines).to.have.length(1);
        expect(logger.lines[0]).to.include(reason).and.include(KEY);
        at = Math.max(at, Date.now()); // never back: the poison may be a list of this very millisecond
        await mine.save(listOf(8082), signal);
        expect(portsOf(await mine.load('orders', signal))).to.deep.equal([8082]);
        await put();
        expect(await mine.load('orders', signal)).to.equal(undefined);
        expect(logger.lines, 'it is another one, and reported again').to.have.length(2);
      });

    it('a list of a newer format stays where it is', async () => {
      const newer = good().replace('ferrule-list 1', 'ferrule-list 2');
      await raw.set(KEY, newer);
      const mine = store();
      expect((await errorOf(mine.save(listOf(8080), signal))).message).to.include('format 2 of a newer version');
      expect(await raw.get(KEY)).to.equal(newer);
      expect(await mine.load('orders', signal)).to.equal(undefined);
    });

    it('a name that is none is not asked for', async () => {
      expect(await errorOf(store().load('a b', signal))).to.be.instanceOf(TypeError);
      expect(await errorOf(store().save({ ...listOf(1), service: '' }, signal))).to.be.instanceOf(TypeError);
    });
  });

  describe('when Redis is away', () => {
    let other: RedisServer;
    let data: string;
    before(async () => {
      data = await mkdtemp(join(tmpdir(), 'ferrule-redis-test-'));
    });
    after(() => rm(data, { recursive: true, force: true }));
    afterEach(() => other.kill());

    it('from the start: rejects at once, says so once, and works when it comes', async () => {
      other = await newRedis();
      const logger = recordingLogger();
      const mine = store({ url: other.url, logger });
      const heard = heardBy(mine);
      expect((await errorOf(mine.load('orders', signal))).message).to.include('is away: connect ECONNREFUSED');
      expect(await errorOf(mine.save(listOf(8080), signal))).to.include({ code: 'UNAVAILABLE', retryable: true });
      await other.start();
      await logger.said('Redis is back');
      await mine.save(listOf(8080), signal);
      expect(portsOf(await mine.load('orders', signal))).to.deep.equal([8080]);
      expect(await heard.next(), 'asked for before').to.equal('orders');
      expect(logger.lines).to.have.length(2);
    });

    for (const keeps of [true, false])
      it(`for a restart ${keeps ? 'with' : 'without'} its data: connects and subscribes again, and asks about what it may have missed`, async () => {
        other = await newRedis(keeps ? { dataDirectory: data } : {});
        await other.start();
        const logger = recordingLogger();
        const mine = store({ url: other.url, logger });
        const others = store({ url: other.url });
        await mine.load('orders', signal);
        const heard = heardBy(mine);
        await others.save(listOf(8080), signal);
        expect(await heard.next()).to.equal('orders');
        await other.kill();
        await logger.said('Redis is away');
        await errorOf(mine.load('orders', signal));
        await other.start();
        await logger.said('Redis is back');
        expect(await heard.next(), 'what it may have missed').to.equal('orders');
        expect(portsOf(await mine.load('orders', signal))).to.deep.equal(keeps ? [8080] : undefined);
        for (;;) {
          // The other one connects again at a time of its own.
          const failed = await others.save(listOf(8081), signal).then(
            () => false,
            () => true,
          );
          if (!failed) break;
          await new Promise((resolve) => setImmediate(resolve));
        }
        expect(await heard.next()).to.equal('orders');
        expect(portsOf(await mine.load('orders', signal))).to.deep.equal([8081]);
      });

    it('as a process that is stopped: rejects at the deadline, then at once, and works again', async () => {
      other = await newRedis();
      await other.start();
      const clock = manualClock();
      const logger = recordingLogger();
      const mine = store({ url: other.url, clock, logger, random: () => 0, timeout: 500 });
      await mine.load('orders', signal);
      await other.pause();
      const late = errorOf(mine.load('orders', signal));
      await clock.advance(499);
      await clock.advance(1);
      expect((await late).message).to.include('no answer within 500 ms');
      expect((await errorOf(mine.load('orders', signal))).message, 'known to be away').to.include('no answer within 500 ms');
      // The kernel takes the connection, and nobody greets.
      await clock.advance(100);
      await clock.advance(5_000);
      other.resume();
      await clock.advance(1_000);
      await logger.said('Redis is back');
      expect(await mine.load('orders', signal)).to.equal(undefined);
      await mine[Symbol.asyncDispose]();
      expect(clock.pending).to.equal(0);
    });

    it('as a network that swallows everything: a subscriber notices by itself, and hears what it missed', async () => {
      other = await newRedis();
      await other.start();
      await using proxy = await tcpProxy({ host: '127.0.0.1', port: other.port });
      const clock = manualClock();
      const logger = recordingLogger();
      const mine = store({ url: `redis://127.0.0.1:${proxy.port}`, clock, logger, random: () => 0 });
      await mine.load('orders', signal);
      const heard = heardBy(mine);
      proxy.blackHole(true);
      await store({ url: other.url }).save(listOf(8080), signal);
      await clock.advance(15_000);
      await clock.advance(500);
      await logger.said('Redis is away');
      proxy.blackHole(false);
      proxy.cut();
      await clock.advance(100);
      await logger.said('Redis is back');
      expect(await heard.next()).to.equal('orders');
      expect(portsOf(await mine.load('orders', signal))).to.deep.equal([8080]);
    });

    it('because the connection is cut: what is under way rejects, and it connects again', async () => {
      other = await newRedis();
      await other.start();
      await using proxy = await tcpProxy({ host: '127.0.0.1', port: other.port });
      const logger = recordingLogger();
      const mine = store({ url: `redis://127.0.0.1:${proxy.port}`, logger, timeout: '10s' });
      await mine.load('orders', signal);
      proxy.hold(true);
      const underWay = errorOf(mine.save(listOf(8080), signal));
      proxy.cut();
      expect(await underWay).to.have.property('code', 'UNAVAILABLE');
      proxy.hold(false);
      await logger.said('Redis is back');
      await mine.save(listOf(8080), signal);
      expect(logger.lines).to.have.length(2);
    });

    for (const [random, delays] of [
      [0, [100, 100, 100, 100, 100, 100]],
      [0.5, [250, 500, 1_000, 2_000, 4_000, 7_500]],
    ] as const)
      it(`waits longer and longer between attempts, by chance, but never less than the floor: ${random}`, async () => {
        other = await newRedis();
        const manual = manualClock();
        const waits: number[] = [];
        let wake = (): void => {};
        const schedule: Clock['schedule'] = (delayMs, callback, options) => {
          if (delayMs !== 501 && delayMs !== 9_999) waits.push(delayMs); // those between attempts
          wake();
          return manual.schedule(delayMs, callback, options);
        };
        const clock = { now: () => manual.now(), wallTime: () => manual.wallTime(), schedule };
        await errorOf(store({ url: other.url, clock, random: () => random, timeout: 501, connectTimeout: 9_999 }).load('orders', signal));
        for (let n = 1; n <= delays.length; n++) {
          while (waits.length < n) await new Promise<void>((resolve) => (wake = resolve));
          if (n < delays.length) await manual.advance(waits.at(-1)!);
        }
        expect(waits).to.deep.equal(delays);
      });
  });

  describe('when it is to end', () => {
    it('gives up what is under way, and rejects what comes after', async () => {
      await using proxy = await tcpProxy({ host: '127.0.0.1', port: server.port });
      const mine = store({ url: `redis://127.0.0.1:${proxy.port}` });
      await mine.load('orders', signal);
      proxy.hold(true);
      const underWay = errorOf(mine.load('orders', signal));
      await mine[Symbol.asyncDispose]();
      await mine[Symbol.asyncDispose]();
      expect((await underWay).message).to.include('the store is closed');
      expect((await errorOf(mine.save(listOf(8080), signal))).message).to.include('the store is closed');
      mine.subscribe!(() => {})();
    });

    it('heeds the signal of the caller, before and during', async () => {
      await using proxy = await tcpProxy({ host: '127.0.0.1', port: server.port });
      const mine = store({ url: `redis://127.0.0.1:${proxy.port}`, timeout: '10s' });
      await mine.load('orders', signal);
      expect(await errorOf(mine.load('orders', AbortSignal.abort(new Error('before'))))).to.have.property('message', 'before');
      proxy.hold(true);
      const controller = new AbortController();
      const underWay = errorOf(mine.load('orders', controller.signal));
      controller.abort(new Error('during'));
      expect(await underWay).to.have.property('message', 'during');
      proxy.hold(false);
      expect(await mine.load('orders', signal), 'its connection is as good as before').to.equal(undefined);
    });

    for (const what of ['open', 'closed'])
      it(`lets a process end by itself: ${what}`, async () => {
        expect((await run(process.execPath, [IDLE, what, server.url], { timeout: 15_000 })).stdout).to.equal(`done ${what}\n`);
      });

    it('lets a process end by itself: between two attempts to connect', async () => {
      expect((await run(process.execPath, [IDLE, 'away', 'redis://127.0.0.1:1'], { timeout: 15_000 })).stdout).to.equal('done away\n');
    });

    it('lets a process end by itself: while it connects to a peer that does not greet', async () => {
      const silent = createServer((socket) => socket.on('error', () => {}));
      silent.listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const url = `redis://127.0.0.1:${(silent.address() as AddressInfo).port}`;
      expect((await run(process.execPath, [IDLE, 'connecting', url], { timeout: 15_000 })).stdout).to.equal('done connecting\n');
      silent.close();
    });
  });

  describe('never shows a password', () => {
    const SECRET = 'tops3cret/pass%word';
    const escaped = encodeURIComponent(SECRET);
    let guarded: RedisServer;
    before(async () => {
      guarded = await newRedis({ password: SECRET });
      await guarded.start();
    });
    after(() => guarded.kill());

    const at6379 = (user: string): string => guarded.url.replace('redis://', `redis://${user}@`);
    const expectNoSecret = (...values: unknown[]): void => {
      for (const value of values) {
        const text = `${inspect(value, { depth: 10, showHidden: true })} ${String((value as Error).stack)} ${JSON.stringify(value)}`;
        expect(text).not.to.include(SECRET).and.not.to.include(escaped).and.not.to.include('wrong-one');
      }
    };

    it('that is right', async () => {
      for (const mine of [
        store({ url: at6379(`:${escaped}`) }),
        store({ url: guarded.url, password: SECRET }),
        store({ url: at6379(`default:${escaped}`) }),
      ]) {
        await mine.save(listOf(8080), signal);
        expect(portsOf(await mine.load('orders', signal))).to.deep.equal([8080]);
        expectNoSecret(mine);
      }
    });

    for (const [what, url, says] of [
      ['that is wrong', () => at6379(':wrong-one'), 'WRONGPASS'],
      ['of a user that is not there', () => at6379(`nobody:${escaped}`), 'WRONGPASS'],
      ['that is missing', () => guarded.url, 'NOAUTH'],
    ] as const)
      it(what, async () => {
        const logger = recordingLogger();
        const mine = store({ url: url(), logger });
        const error = await errorOf(mine.load('orders', signal));
        expect(error.message).to.include(says);
        await logger.said(says);
        expectNoSecret(error, logger.lines, mine);
      });

    for (const answer of [
      `unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' '${SECRET}'`,
      `cannot HELLO 3 AUTH default ${SECRET}`,
    ])
      it(`when a server answers with it: ${answer.split(SECRET)[0]}`, async () => {
        const echo = createServer((socket) => socket.on('error', () => {}).on('data', () => socket.write(`-ERR ${answer}\r\n`)));
        echo.listen(0, '127.0.0.1');
        await once(echo, 'listening');
        const logger = recordingLogger();
        const mine = store({ url: `redis://:${escaped}@127.0.0.1:${(echo.address() as AddressInfo).port}`, logger });
        const error = await errorOf(mine.load('orders', signal));
        expect(error.message).to.include('ERR ');
        expectNoSecret(error, logger.lines);
        await mine[Symbol.asyncDispose]();
        echo.close();
      });

    for (const url of [
      `http://:${SECRET}@h`,
      `redis://:${SECRET}@h`,
      `redis://:wrong-one@h:1/x`,
      'redis://:%E0%A4%A@wrong-one',
      `redis://:${escaped}@h?x=1`,
      `${escaped}@h`,
    ])
      it(`of a URL that does not fit: ${url.replaceAll(SECRET, '…').replaceAll(escaped, '…')}`, () => {
        let thrown: unknown;
        try {
          redisStore({ url });
        } catch (error) {
          thrown = error;
        }
        expect(thrown).to.be.instanceOf(TypeError);
        expectNoSecret(thrown);
      });

    it('and stores for a user that may neither publish nor subscribe', async () => {
      const admin = await connectedClient({ url: at6379(`:${escaped}`) });
      // The rules of the package's README, without the channel.
      const rules = '+getrange +eval +type +strlen +get +set +time +publish +subscribe +ping +hello +select'.split(' ');
      await admin.sendCommand(['ACL', 'SETUSER', 'keeper', 'on', '>keeper', '~ferrule:*', 'resetchannels', ...rules]);
      const logger = recordingLogger();
      const mine = store({ url: at6379('keeper:keeper'), logger });
      await mine.save(listOf(8080), signal);
      expect(portsOf(await mine.load('orders', signal))).to.deep.equal([8080]);
      expect(logger.lines.join('\n')).to.include('may not subscribe');
    });
  });

  describe('over TLS', () => {
    const front = createTlsServer({ key, cert }, (socket) => {
      const behind = connect(server.port, '127.0.0.1');
      for (const [from, to] of [
        [socket, behind],
        [behind, socket],
      ] as const)
        from.on('error', () => to.destroy()).pipe(to);
    });
    let url: string;
    before(async () => {
      front.on('tlsClientError', () => {});
      front.listen(0, '127.0.0.1');
      await once(front, 'listening');
      url = `rediss://127.0.0.1:${(front.address() as AddressInfo).port}`;
    });
    after(() => void front.close());

    it('trusts the certificates of its options', async () => {
      const mine = store({ url, socket: { ca: cert, servername: 'users.test' } });
      await mine.save(listOf(8080), signal);
      expect(portsOf(await mine.load('orders', signal))).to.deep.equal([8080]);
    });

    it('and no other', async () => {
      expect((await errorOf(store({ url }).load('orders', signal))).message).to.include('self-signed certificate');
    });
  });

  describe('with a client that is there already', () => {
    for (const RESP of [2, 3] as const)
      it(`uses it for commands and a duplicate for pub/sub, and closes only that: RESP ${RESP}`, async () => {
        const client = await connectedClient({ url: server.url, RESP });
        const mine = store({ client });
        await mine.save(listOf(8080), signal);
        expect(portsOf(await mine.load('orders', signal))).to.deep.equal([8080]);
        await connections(1);
        const heard = heardBy(mine);
        expect(await heard.next(), 'what it may have missed').to.equal('orders');
        await connections(2);
        await store().save(listOf(8081), signal);
        expect(await heard.next()).to.equal('orders');
        await mine[Symbol.asyncDispose]();
        await open.pop()![Symbol.asyncDispose]();
        await connections(1);
        expect(await client.ping()).to.equal('PONG');
        expect(client.listenerCount('error'), 'its own alone').to.equal(1);
      });

    it('rejects at once while that is not connected, in place of queueing', async () => {
      const client = createClient({ url: server.url });
      const mine = store({ client });
      expect((await errorOf(mine.load('orders', signal))).message).to.include('not connected');
      client.on('error', () => {});
      await client.connect();
      clients.push(client);
      expect(await mine.load('orders', signal)).to.equal(undefined);
    });

    it('keeps its deadline, whatever that client waits for, and leaves it alone', async () => {
      await using proxy = await tcpProxy({ host: '127.0.0.1', port: server.port });
      const client = await connectedClient({ url: `redis://127.0.0.1:${proxy.port}` });
      const clock = manualClock();
      const mine = store({ client, clock });
      proxy.hold(true);
      const late = errorOf(mine.load('orders', signal));
      await clock.advance(500);
      expect((await late).message).to.include('no answer within 500 ms');
      proxy.hold(false);
      expect(await mine.load('orders', signal)).to.equal(undefined);
      expect(clock.pending).to.equal(0);
    });
  });

  describe('refuses options that do not fit:', () => {
    const wrong: readonly (readonly [options: object, message: string])[] = [
      [{ urls: 'x' }, 'there is no option "urls". Did you mean url?'],
      [{ url: 6379 }, 'url: it is no URL of a Redis'],
      [{ url: 'redis://' }, 'url: it is no URL of a Redis'],
      [{ url: 'redis://h/one' }, 'no number of a database'],
      [{ url: 'redis://h?db=1' }, 'a query or a fragment'],
      [{ ttl: 999 }, 'ttl: 999 does not fit. Give at least 1000 ms'],
      [{ ttl: '30' }, 'ttl: "30" is no duration'],
      [{ timeout: 0 }, 'timeout: 0 does not fit'],
      [{ connectTimeout: -1 }, 'connectTimeout: -1 is no duration'],
      [{ prefix: '' }, 'prefix: "" does not fit'],
      [{ prefix: 'a b' }, 'prefix: "a b" does not fit'],
      [{ database: -1 }, 'database: -1 does not fit'],
      [{ password: 1234 }, 'password: it is no text'],
      [{ socket: { hots: 'x' } }, 'redisStore socket: there is no option "hots". Did you mean host?'],
      [{ socket: { reconnectStrategy: 1 } }, 'redisStore socket: there is no option "reconnectStrategy"'],
      [{ socket: { port: 0 } }, 'socket.port: 0 does not fit'],
      [{ socket: { ca: 'PEM' } }, 'TLS is off'],
      [{ client: {} }, "no client of npm's redis"],
      [{ client: null }, "no client of npm's redis"],
      [{ client: createClient(), url: 'redis://h' }, 'redisStore url: the client that was given is connected somewhere already'],
      [{ logger: () => {} }, 'redisStore logger'],
      [{ clock: {} }, 'redisStore clock'],
    ];
    for (const [options, message] of wrong)
      it(message, () => {
        expect(() => redisStore(options)).to.throw(TypeError, message);
      });

    it('and a configuration what JSON cannot hold', async () => {
      expect(() => createSnapshotStore({ client: {} })).to.throw(TypeError, 'a configuration cannot hold it');
      expect(() => createSnapshotStore({ adress: 'x' })).to.throw(TypeError, 'there is no option "adress"');
      const made = createSnapshotStore({ url: server.url, prefix: 'shop:', ttl: '1m', timeout: 400 });
      open.push(made);
      expect(made.name).to.equal('redis');
      await made.save(listOf(8080), signal);
      expect(await raw.pTTL('shop:list:orders')).to.be.within(50_000, 60_000);
    });
  });

  describe('as level 2 of a directory', () => {
    /** A registry that does not answer. */
    const dead: Discovery = {
      // eslint-disable-next-line require-yield
      async *watch() {
        throw new Error('the registry is away');
      },
      services: () => Promise.reject(new Error('the registry is away')),
    };

    it('serves what another process has stored while the registry was never there, and newer lists as they come', async () => {
      at = Date.now() - 10_000;
      const elsewhere = store();
      await elsewhere.save(listOf(8080), signal);
      await using directory = createDirectory({ discovery: dead, store: store() });
      expect(await directory.ready('orders')).to.include({ state: 'bound', stale: true });
      expect(portsOf(directory.lookup('orders'))).to.deep.equal([8080]);
      const changed = new Promise<void>((resolve) => directory.onChange(({ type }) => type === 'update' && resolve()));
      await elsewhere.save(listOf(8081), signal);
      await changed;
      expect(portsOf(directory.lookup('orders'))).to.deep.equal([8081]);
    });

    it('is no reason to fail when Redis is away too', async () => {
      await using directory = createDirectory({ discovery: dead, store: store({ url: 'redis://127.0.0.1:1' }) });
      expect(await directory.ready('orders')).to.include({ state: 'failed' });
    });
  });
});
