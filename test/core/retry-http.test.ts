import { Readable } from 'node:stream';
import { expect } from 'chai';
import { Call, backoff, client, staticRegistry } from '@ferrule/core';
import type { ClientOptions, RetryEvent, ServiceClient, ServiceError } from '@ferrule/core';
import { operation, runInContext } from '@ferrule/core/adapter';
import type { Clock } from '@ferrule/core/adapter';
import { answers, manualClock, scriptedUpstream } from '@ferrule/testing';
import type { ScriptedStep, ScriptedUpstream } from '@ferrule/testing';

const failureOf = (work: Promise<unknown>): Promise<ServiceError> =>
  work.then(
    () => expect.fail('it did not fail'),
    (error: ServiceError) => error,
  );

describe('retry over HTTP', () => {
  const open: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const part of open.splice(0).reverse()) await part[Symbol.asyncDispose]();
  });
  const upstream = async (...script: readonly ScriptedStep[]): Promise<ScriptedUpstream> => {
    const up = await scriptedUpstream(...script);
    open.push(up);
    return up;
  };
  const clientOf = (target: string, options: ClientOptions = {}): ServiceClient => {
    const made = client(target, { ...options, retry: { backoff: backoff.fixed(0), ...(options.retry as object) } });
    open.push(made);
    return made;
  };

  it('tells the other side which attempt it is', async () => {
    const up = await upstream(answers.unavailable(), answers.status(502), answers.ok());
    await clientOf(up.origin).get('/');
    expect(up.requests.map(({ headers }) => headers['x-attempt-count'])).to.deep.equal(['1', '2', '3']);
  });

  for (const [name, value] of [
    ['x-retry', 'no'],
    ['grpc-retry-pushback-ms', '-1'],
  ] as const) {
    it(`does not try again after a reply with ${name}: ${value}`, async () => {
      const up = await upstream(answers.status(503, undefined, { [name]: value }));
      const heard: RetryEvent[] = [];
      const failure = await failureOf(clientOf(up.origin, { retry: { on: (event) => void heard.push(event) } }).get('/'));
      expect(failure.status).to.equal(503);
      expect(up.requests).to.have.length(1);
      expect(heard.map(({ kind, by }) => [kind, by])).to.deep.equal([['forbidden', 'pushback']]);
    });
  }

  it('waits as long as a reply with grpc-retry-pushback-ms says', async () => {
    const clock = manualClock();
    const up = await upstream(answers.status(503, undefined, { 'grpc-retry-pushback-ms': '300' }), answers.ok());
    let heard = (_delayMs: number): void => {};
    const retried = new Promise<number>((resolve) => (heard = resolve));
    const got = clientOf(up.origin, { clock, retry: { on: ({ delayMs }) => heard(delayMs) } }).get('/');
    expect(await retried).to.equal(300);
    await clock.advance(299);
    expect(up.requests).to.have.length(1);
    await clock.advance(1);
    expect(await got).to.deep.equal({ ok: true });
  });

  it('does not multiply: called for a request that is a second try, one with a storm guard tries once', async () => {
    const up = await upstream(answers.unavailable(), answers.unavailable(), answers.ok());
    const orders = clientOf(up.origin, { retry: { stormGuard: true } });
    const inbound = (attempt: string): Call =>
      new Call({ side: 'server', operation: operation('shop', 'GET', '/'), headers: { 'x-attempt-count': attempt } });
    await failureOf(runInContext(inbound('2'), () => orders.get('/')));
    expect(up.requests).to.have.length(1);
    expect(await runInContext(inbound('1'), () => orders.get('/'))).to.deep.equal({ ok: true });
  });

  it('asks for nothing again once headers were handed on', async () => {
    const up = await upstream({ ...answers.resetMidBody(), headers: { 'content-type': 'text/plain' } });
    const body: Readable = await clientOf(up.origin).get('/', { stream: true });
    const reading = (async () => {
      for await (const _ of body);
    })();
    expect((await failureOf(reading)).reason).to.equal('CONNECTION_LOST');
    expect(up.requests).to.have.length(1);
  });

  describe('a request body', () => {
    const LIMIT = 65_536;
    for (const [what, body, options, sent] of [
      ['of 64 KiB is sent again', Buffer.alloc(LIMIT, 'x'), {}, 2],
      ['of more is not', Buffer.alloc(LIMIT + 1, 'x'), {}, 1],
      ['of text is measured in bytes', 'ü'.repeat(LIMIT / 2 + 1), {}, 1],
      ['of JSON is measured as it is sent', { text: 'x'.repeat(LIMIT) }, {}, 1],
      ['is sent again as the client allows', Buffer.alloc(LIMIT + 1, 'x'), { replayLimit: LIMIT + 1 }, 2],
      ['is not sent again at all with a limit of 0', 'x', { replayLimit: 0 }, 1],
      ['nothing is sent again with a limit of 0', undefined, { replayLimit: 0 }, 2],
      ['that a function makes for each attempt is sent again', () => Readable.from([Buffer.alloc(LIMIT + 1, 'x')]), {}, 2],
    ] as const) {
      it(what, async () => {
        const up = await upstream(answers.unavailable(), answers.ok());
        await clientOf(up.origin, { retry: options })
          .put('/orders/1', { body })
          .catch(() => {});
        expect(up.requests).to.have.length(sent);
        const [first, last] = [up.requests[0]!.body, up.requests.at(-1)!.body];
        expect(first.equals(last), 'the same body').to.equal(true);
      });
    }

    it('of any length goes elsewhere when nothing of it was sent', async () => {
      const [gone, up] = [await scriptedUpstream(), await upstream(answers.ok(), answers.ok(), answers.ok(), answers.ok())];
      await gone.close();
      const orders = clientOf('orders', { registry: staticRegistry({ orders: [gone.origin, up.origin] }) });
      for (let call = 0; call < 4; call++) await orders.put('/orders/1', { body: Buffer.alloc(LIMIT + 1) });
      expect(up.requests).to.have.length(4);
    });

    it('has a limit that is a number of bytes', () => {
      expect(() => clientOf('http://127.0.0.1:1', { retry: { replayLimit: -1 } })).to.throw(TypeError, 'retry replayLimit: -1 is no count');
    });
  });

  describe('behind a limit of connections', () => {
    /** The one connection is taken by a request until `go`. */
    async function busy(clock: Clock): Promise<{ up: ScriptedUpstream; orders: ServiceClient; first: Promise<unknown>; go: () => void }> {
      let go = (): void => {};
      const up = await upstream({ body: 'first', headers: { 'content-type': 'text/plain' }, after: new Promise<void>((resolve) => (go = resolve)) });
      up.otherwise(answers.ok());
      const orders = clientOf(up.origin, { clock, timeout: false, attemptTimeout: false, pool: { connections: 1 } });
      const first = orders.get('/first');
      await up.received(1);
      return { up, orders, first, go };
    }

    it('a request says how much time it has left when it is sent, not when it began to wait', async () => {
      const clock = manualClock({ now: 1000 });
      const { up, orders, first, go } = await busy(clock);
      const second = orders.get('/second', { timeout: 1000 });
      await clock.advance(600);
      go();
      await Promise.all([first, second]);
      expect(up.requests[1]!.headers['x-request-timeout-ms']).to.equal('395');
    });

    it('one whose time is over when its turn comes is not sent, though no timer has told it yet', async () => {
      const clock = manualClock({ now: 1000 });
      let lateMs = 0; // as when the process was busy: time has passed, and timers have not run
      const { up, orders, first, go } = await busy({ ...clock, now: () => clock.now() + lateMs });
      const second = failureOf(orders.get('/second', { timeout: 1000 }));
      lateMs = 2000;
      go();
      await first;
      expect(await second).to.include({ code: 'DEADLINE_EXCEEDED', unsent: true });
      expect(up.requests).to.have.length(1);
      expect(await orders.get('/third'), 'the connection is free').to.deep.equal({ ok: true });
    });
  });
});
