import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { Reply, bulkhead, fallback, get, observeInbound, retry, timeout } from '@ferrule/core';
import type { Bulkhead, RouteHandler, Wrapper } from '@ferrule/core';
import { createMountable, systemClock } from '@ferrule/core/adapter';
import type { Address } from '@ferrule/core/adapter';
import { manualClock, rawConnection, requestBytes } from '@ferrule/testing';
import type { HttpAdapterSubject, ManualClock, RawConnection } from '@ferrule/testing';
import { subjects } from './subjects.js';

/**
 * One Wrapper fits values, streams and native handlers: every policy that is worth anything around every kind of handler,
 * through real sockets, on every framework. Each cell says what the client sees, and after each nothing may be left:
 * no permit, no timer, no open span.
 */

/** What stands around the handler in one row, and how one looks into it. */
interface Row {
  readonly wrappers: readonly Wrapper[];
  /** May answer in the handler's place or run it again: refused around native handlers. */
  readonly replays?: boolean;
  readonly observe?: Wrapper;
  /** While the body is under way. */
  middle?(): void | Promise<void>;
  /** When the exchange has ended. */
  after?(): void | Promise<void>;
}

const rows: Readonly<Record<string, () => Row>> = {
  timeout() {
    const clock: ManualClock = manualClock();
    return {
      wrappers: [timeout({ limit: '1s', clock })],
      middle: () => clock.advance(10_000), // it limits the time until the reply is known; a stream may take as long as it likes
      async after() {
        await clock.advance(10_000);
        expect(clock.pending).to.equal(0);
      },
    };
  },
  bulkhead() {
    const permits: Bulkhead = bulkhead(1);
    return {
      wrappers: [permits],
      middle: () => void expect(permits.active).to.equal(1),
      after: () => void expect(permits.active).to.equal(0),
    };
  },
  'a bulkhead below a timeout'() {
    const clock: ManualClock = manualClock();
    const permits: Bulkhead = bulkhead(1);
    return {
      wrappers: [timeout({ limit: '1s', clock }), permits],
      async middle() {
        await clock.advance(10_000);
        expect(permits.active).to.equal(1); // the timeout's part of the work is over, the body is not
      },
      async after() {
        expect(permits.active).to.equal(0);
        await clock.advance(10_000);
        expect(clock.pending).to.equal(0);
      },
    };
  },
  retry: () => ({ wrappers: [retry({ retries: 1, budgets: [] })], replays: true }),
  fallback: () => ({ wrappers: [fallback(new Reply(200, 'substitute'))], replays: true }),
  observe() {
    const exporter = new InMemorySpanExporter();
    const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
    return {
      wrappers: [],
      observe: observeInbound({ tracerProvider, mode: 'own' }),
      middle: () => void expect(exporter.getFinishedSpans()).to.have.length(0),
      after: () => void expect(exporter.getFinishedSpans().map(({ name }) => name)).to.deep.equal(['GET /x']),
    };
  },
  errors: () => ({ wrappers: [] }),
};

/** A service of one route, `GET /x`, behind an app that answers what our routes decline. */
class Stand {
  runs = 0;
  readonly ended: Promise<void>;
  readonly #end: () => void;
  readonly #cleanUps: (() => unknown)[] = [];
  #address: Address | undefined;

  constructor(
    readonly subject: HttpAdapterSubject,
    readonly row: Row,
  ) {
    let end = (): void => {};
    this.ended = new Promise((resolve) => (end = resolve));
    this.#end = end;
  }

  async open(handler: RouteHandler): Promise<void> {
    const counting: Wrapper = (next) => (call) => {
      this.runs++;
      return next(call);
    };
    const outermost: Wrapper = (next) => (call) => {
      call.onEnd(() => this.#end());
      return next(call);
    };
    const app = this.subject.createApp();
    const adapter = this.subject.createAdapter(app);
    const mountable = createMountable({
      name: 'table',
      routes: [get('/x', handler)],
      wrappers: [...this.row.wrappers, counting],
      limits: [outermost],
      observe: this.row.observe ?? false,
      timeout: false,
      health: () => false,
      clock: systemClock,
    });
    app.useRoutes({ mountable });
    app.use((exchange) => exchange.answer(200, 'from the app'));
    adapter.mount(mountable);
    this.#address = await adapter.listen({ host: '127.0.0.1' });
    this.#cleanUps.push(() => adapter.close(AbortSignal.abort()));
  }

  async ask(): Promise<RawConnection> {
    const connection = await rawConnection(this.#address!);
    this.#cleanUps.push(() => connection.destroy());
    connection.send(requestBytes('GET', '/x'));
    return connection;
  }

  async close(): Promise<void> {
    for (const cleanUp of this.#cleanUps.splice(0).toReversed()) await cleanUp();
  }
}

interface Column {
  /** The handler answers by itself, so that a wrapper which replays is refused. */
  readonly native?: boolean;
  play(stand: Stand, name: string): Promise<void>;
}

const columns: Readonly<Record<string, Column>> = {
  'a handler that gives a value': {
    async play(stand) {
      await stand.open(() => 'ours');
      const reply = await (await stand.ask()).reply();
      expect([reply.status, reply.text, stand.runs]).to.deep.equal([200, 'ours', 1]);
    },
  },
  'a handler that gives a stream': {
    async play(stand) {
      const source = new PassThrough();
      await stand.open(() => source);
      const connection = await stand.ask();
      source.write('first');
      expect((await connection.head()).status).to.equal(200);
      expect(String(await connection.chunk())).to.equal('first');
      await stand.row.middle?.();
      source.end('second');
      expect(String(await connection.chunk())).to.equal('second');
      expect(await connection.chunk()).to.equal(undefined);
      expect(stand.runs).to.equal(1);
    },
  },
  'a stream that breaks after its headers': {
    async play(stand) {
      const source = new PassThrough();
      await stand.open(() => source);
      const connection = await stand.ask();
      source.write('first');
      await connection.head();
      await connection.chunk();
      source.destroy(new Error('the disk is gone'));
      await connection.chunk().then(
        () => expect.fail('the reply looked whole'),
        () => {},
      );
      expect(stand.runs).to.equal(1); // headers are out: neither tried again nor replaced
    },
  },
  'a handler that throws': {
    async play(stand, name) {
      await stand.open(() => Promise.reject(new Error('hunter2')));
      const reply = await (await stand.ask()).reply();
      expect(reply.text).to.not.include('hunter2');
      expect([reply.status, stand.runs]).to.deep.equal(name === 'fallback' ? [200, 1] : name === 'retry' ? [500, 2] : [500, 1]);
      if (name === 'fallback') expect(reply.text).to.equal('substitute');
      else expect(reply.header('content-type')).to.equal('application/problem+json');
    },
  },
  'a client that leaves': {
    async play(stand) {
      let started = (): void => {};
      const running = new Promise<void>((resolve) => (started = resolve));
      let reason: unknown;
      await stand.open(
        (call) =>
          new Promise((_resolve, reject) => {
            call.onAbort((why) => reject((reason = why)));
            started();
          }),
      );
      const connection = await stand.ask();
      await running;
      connection.destroy();
      await stand.ended;
      expect(stand.runs).to.equal(1); // nobody waits for another try or a substitute
      expect(reason).to.have.property('reason', 'CLIENT_DISCONNECTED');
    },
  },
  'a native handler that answers': {
    native: true,
    async play(stand) {
      await stand.open(stand.subject.native((exchange) => exchange.answer(201, 'native')));
      const reply = await (await stand.ask()).reply();
      expect([reply.status, reply.text]).to.deep.equal([201, 'native']);
    },
  },
  'a native handler that streams': {
    native: true,
    async play(stand) {
      let finish = (): void => {};
      await stand.open(
        stand.subject.native((exchange) => {
          const res = exchange.takeOver();
          res.writeHead(200);
          res.write('first');
          finish = () => void res.end('second');
        }),
      );
      const connection = await stand.ask();
      await connection.head();
      expect(String(await connection.chunk())).to.equal('first');
      await stand.row.middle?.();
      finish();
      expect(String(await connection.chunk())).to.equal('second');
      expect(await connection.chunk()).to.equal(undefined);
    },
  },
  'a native handler that throws before its headers': {
    native: true,
    async play(stand) {
      await stand.open(stand.subject.native(() => Promise.reject(new Error('hunter2'))));
      const reply = await (await stand.ask()).reply();
      expect([reply.status, reply.header('content-type')]).to.deep.equal([500, 'application/problem+json']);
      expect(reply.text).to.not.include('hunter2');
    },
  },
  'a native handler that throws after its headers': {
    native: true,
    async play(stand) {
      await stand.open(
        stand.subject.native(async (exchange) => {
          const res = exchange.takeOver();
          res.writeHead(200, { 'content-length': '100' });
          await new Promise<void>((resolve) => void res.write('part', () => resolve()));
          throw new Error('too late');
        }),
      );
      const reply = await (await stand.ask()).reply();
      expect([reply.status, reply.text, reply.complete]).to.deep.equal([200, 'part', false]);
    },
  },
  'a native handler that streams, and whose client leaves': {
    native: true,
    async play(stand) {
      await stand.open(
        stand.subject.native((exchange) => {
          const res = exchange.takeOver();
          res.writeHead(200);
          res.write('first');
        }),
      );
      const connection = await stand.ask();
      await connection.head();
      await connection.chunk();
      await stand.row.middle?.();
      connection.destroy();
      await stand.ended;
    },
  },
  'a native handler whose client leaves': {
    native: true,
    async play(stand) {
      let started = (): void => {};
      const running = new Promise<void>((resolve) => (started = resolve));
      await stand.open(
        stand.subject.native((exchange) => {
          exchange.takeOver();
          started();
        }),
      );
      const connection = await stand.ask();
      await running;
      connection.destroy();
      await stand.ended;
    },
  },
  'a native handler that calls next()': {
    native: true,
    async play(stand) {
      await stand.open(stand.subject.native((_exchange, next) => next()));
      const reply = await (await stand.ask()).reply();
      expect([reply.status, reply.text]).to.deep.equal([200, 'from the app']);
    },
  },
};

for (const subject of subjects) {
  describe(`wrappers around every kind of handler on ${subject.name}`, () => {
    let stand: Stand | undefined;
    // A hook, not a `finally`: mocha gives up on a test that waits for ever, and its server would keep the whole run alive.
    afterEach(() => stand?.close());
    for (const [rowName, makeRow] of Object.entries(rows)) {
      for (const [columnName, column] of Object.entries(columns)) {
        if (column.native === true && makeRow().replays === true) {
          it(`${rowName} is refused around ${columnName}`, () => {
            const handler = subject.native(() => undefined);
            for (const wrapper of makeRow().wrappers) expect(() => get('/x', wrapper, handler)).to.throw(TypeError, `GET /x: ${rowName} `);
            expect(() =>
              createMountable({ name: 'table', routes: [get('/x', handler)], wrappers: makeRow().wrappers, health: () => false }),
            ).to.throw(TypeError, rowName);
          });
          continue;
        }
        it(`${rowName} around ${columnName}`, async () => {
          const row = makeRow();
          stand = new Stand(subject, row);
          await column.play(stand, rowName);
          await stand.ended;
          await row.after?.();
        });
      }
    }
  });
}
