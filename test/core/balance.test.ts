import { Readable } from 'node:stream';
import { expect } from 'chai';
import { Call, REASONS, RemoteError, Reply, ServiceError, hedge, timeout } from '@ferrule/core';
import type { Handler } from '@ferrule/core';
import { Endpoint, TRIED, balance, operation, refusal, remoteErrors } from '@ferrule/core/adapter';
import type { Lease, Outcome, Selector } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';

/** Hands out one endpoint and writes down what it is told. */
function recorder(): { selector: Selector; endpoint: Endpoint; told: (string | Outcome)[] } {
  const endpoint = new Endpoint({ id: 'a', service: 'up', host: '127.0.0.1', port: 80 });
  const told: (string | Outcome)[] = [];
  const lease: Lease = { endpoint, answered: (status) => void told.push(`answered ${status}`), end: (outcome) => void told.push(outcome) };
  return { endpoint, told, selector: { select: () => lease } };
}

const outgoing = (): Call => new Call({ side: 'client', operation: operation('up', 'GET', '/') });

/** A transport that answers so and ends the life it was given, as the contract of transports wants it. */
const transport =
  (reply: Reply): Handler =>
  (call) => {
    call.answered(reply.status);
    call.end({ kind: 'done', bytes: 0 });
    return Promise.resolve(reply);
  };

const failing =
  (error: unknown): Handler =>
  (call) => {
    call.end({ kind: 'failed', bytes: 0 });
    return Promise.reject(error);
  };

const settled = async (work: Promise<unknown>): Promise<void> => void (await work.catch(() => {}));
const unavailable = (reason: string, cause?: unknown): ServiceError => new ServiceError('UNAVAILABLE', 'x', { reason, cause });
const system = (code: string): Error => Object.assign(new Error(code), { code });

describe('balance', () => {
  it('sends the call to the endpoint that was picked', async () => {
    const { selector, endpoint } = recorder();
    let seen: Call | undefined;
    await outgoing().run(
      balance(selector)((call) => {
        seen = call;
        return Promise.resolve(new Reply(200));
      }),
    );
    expect(seen?.endpoint).to.equal(endpoint);
  });

  it('waits for a selector that does not know yet, and fails with one that refuses', async () => {
    const { selector } = recorder();
    const later: Selector = { select: (call) => Promise.resolve(selector.select(call)) };
    expect((await balance(later)(transport(new Reply(200)))(outgoing())).status).to.equal(200);
    const none = unavailable(REASONS.noEndpoint);
    expect(
      await outgoing()
        .run(
          balance({
            select: () => {
              throw none;
            },
          })(transport(new Reply(200))),
        )
        .catch((error: unknown) => error),
    ).to.equal(none);
  });

  const replies: readonly (readonly [string, Reply, Outcome])[] = [
    ['200', new Reply(200), { kind: 'ok', status: 200 }],
    ['a redirect', new Reply(302), { kind: 'ok', status: 302 }],
    ['404', new Reply(404), { kind: 'ok', status: 404 }],
    ['408', new Reply(408), { kind: 'error', status: 408 }],
    ['425', new Reply(425), { kind: 'error', status: 425 }],
    ['429', new Reply(429), { kind: 'overload', status: 429 }],
    ['429 with Retry-After', new Reply(429, undefined, { 'retry-after': '2' }), { kind: 'overload', status: 429, retryAfterMs: 2_000 }],
    ['500', new Reply(500), { kind: 'error', status: 500 }],
    ['503', new Reply(503), { kind: 'error', status: 503 }],
    ['503 with Retry-After', new Reply(503, undefined, { 'retry-after': '0' }), { kind: 'overload', status: 503, retryAfterMs: 0 }],
    ['504', new Reply(504), { kind: 'error', status: 504 }],
  ];
  for (const [name, reply, outcome] of replies) {
    it(`tells the lease of ${name}: ${outcome.kind}`, async () => {
      const { selector, told, endpoint } = recorder();
      const call = outgoing();
      await settled(call.run(balance(selector)(remoteErrors()(transport(reply)))));
      expect(told).to.deep.equal([`answered ${reply.status}`, outcome]);
      const expected = reply.status >= 400 ? [endpoint] : undefined;
      expect(call.values.get(TRIED)).to.deep.equal(expected);
    });
  }

  it('judges by status when a mapper made its own error of the reply', async () => {
    const { selector, told } = recorder();
    await settled(
      outgoing().run(balance(selector)(remoteErrors({ mappers: [{ toError: () => new RangeError('mine') }] })(transport(new Reply(500))))),
    );
    expect(told).to.deep.equal(['answered 500', { kind: 'error', status: 500 }]);
  });

  it('notes an endpoint as tried when it is picked, of a call that may be hedged', async () => {
    const { selector, endpoint } = recorder();
    const call = outgoing();
    let seen: unknown;
    await call.run(hedge()(balance(selector)((one) => ((seen = [...one.values.get(TRIED)!]), transport(new Reply(200))(one)))));
    expect(seen).to.deep.equal([endpoint]);
    await settled(call.run(balance(selector)(failing(unavailable(REASONS.connectFailed)))));
    expect(call.values.get(TRIED), 'once').to.deep.equal([endpoint]);
  });

  it('hears of headers through whatever branches the call below it', async () => {
    const { selector, told } = recorder();
    let read!: () => void;
    const slow: Handler = async (call) => {
      call.answered(200);
      await new Promise<void>((resolve) => (read = resolve));
      return new Reply(200);
    };
    const work = outgoing().run(balance(selector)(timeout({ limit: 100, clock: manualClock() })(slow)));
    expect(told).to.deep.equal(['answered 200']);
    read();
    await work;
  });

  const failures: readonly (readonly [string, unknown, Outcome['kind']])[] = [
    ['a refused connection', unavailable(REASONS.connectFailed, system('ECONNREFUSED')), 'refused'],
    [
      'all addresses refused',
      unavailable(REASONS.connectFailed, new AggregateError([system('ECONNREFUSED'), system('ECONNREFUSED')], 'all')),
      'refused',
    ],
    [
      'some addresses refused',
      unavailable(REASONS.connectFailed, new AggregateError([system('ECONNREFUSED'), system('EHOSTUNREACH')], 'all')),
      'transport',
    ],
    ['a host without an address', unavailable(REASONS.connectFailed, system('ENOTFOUND')), 'transport'],
    ['a lost connection', unavailable(REASONS.connectionLost), 'transport'],
    ['a malformed reply', unavailable(REASONS.malformedReply), 'error'],
    ['a reply that is too large', new ServiceError('OUT_OF_RANGE', 'x', { reason: REASONS.replyTooLarge }), 'ok'],
    ['a timeout', new ServiceError('DEADLINE_EXCEEDED', 'x', { reason: REASONS.timeout }), 'timeout'],
    ['no time left to send it', new ServiceError('DEADLINE_EXCEEDED', 'x', { reason: REASONS.timeout, unsent: true }), 'cancelled'],
    ['an own refusal', refusal('UNAVAILABLE', 'x', { reason: REASONS.bulkheadFull }), 'cancelled'],
    ['a bug of a wrapper below', new TypeError('bug'), 'cancelled'],
  ];
  for (const [name, error, kind] of failures) {
    it(`tells the lease of ${name}: ${kind}`, async () => {
      const { selector, told, endpoint } = recorder();
      const call = outgoing();
      await settled(call.run(balance(selector)(failing(error))));
      expect(told.map((one) => (one as Outcome).kind)).to.deep.equal([kind]);
      expect(call.values.get(TRIED)).to.deep.equal(kind === 'cancelled' ? undefined : [endpoint]);
    });
  }

  it("does not take a remote service's trouble with its own services for the endpoint's connection", async () => {
    const { selector, told } = recorder();
    const error = new RemoteError('UNAVAILABLE', 'x', { status: 503, service: 'up', reason: REASONS.connectFailed });
    await settled(
      outgoing().run(
        balance(selector)((call) => {
          call.answered(503);
          return failing(error)(call);
        }),
      ),
    );
    expect(told).to.deep.equal(['answered 503', { kind: 'error', status: 503 }]);
  });

  for (const [status, outcome] of [
    [200, { kind: 'cancelled' }],
    [404, { kind: 'cancelled' }],
    [500, { kind: 'error', status: 500 }],
    [429, { kind: 'overload', status: 429 }],
  ] as const) {
    it(`tells of a caller who left after ${status} was answered: ${outcome.kind}`, async () => {
      const { selector, told } = recorder();
      const call = outgoing();
      const reading: Handler = (attempt) =>
        new Promise((_resolve, reject) => {
          attempt.answered(status);
          attempt.onAbort((reason) => {
            attempt.end({ kind: 'aborted', bytes: 0 });
            reject(reason);
          });
        });
      const work = call.run(balance(selector)(reading));
      call.abort(new ServiceError('CANCELLED', 'gone'));
      await settled(work);
      expect(told).to.deep.equal([`answered ${status}`, outcome]);
    });
  }

  it('tells of an abort by the caller: it says nothing', async () => {
    const { selector, told } = recorder();
    const call = outgoing();
    const hanging: Handler = (attempt) =>
      new Promise((_resolve, reject) =>
        attempt.onAbort((reason) => {
          attempt.end({ kind: 'aborted', bytes: 0 });
          reject(reason);
        }),
      );
    const work = call.run(balance(selector)(hanging));
    call.abort(new ServiceError('CANCELLED', 'gone'));
    await settled(work);
    expect(told).to.deep.equal([{ kind: 'cancelled' }]);
  });

  for (const position of ['below', 'above'] as const) {
    it(`hears of a timeout ${position} it, and keeps the lease until the work has really ended`, async () => {
      const { selector, told } = recorder();
      const clock = manualClock();
      let finish!: () => void;
      const stubborn: Handler = (call) =>
        new Promise((_resolve, reject) =>
          call.onAbort((reason) => {
            reject(reason);
            finish = () => call.end({ kind: 'aborted', bytes: 0 });
          }),
        );
      const limit = timeout({ limit: 100, clock });
      // The innermost life is ended by the transport alone, so that it can outlive its promise.
      const held: Handler = (call) => stubborn(call.branch());
      const work = outgoing().run(position === 'below' ? balance(selector)(limit(held)) : limit(balance(selector)(held)));
      await Promise.all([settled(work), clock.advance(100)]);
      expect(told).to.deep.equal([]);
      finish();
      expect(told).to.deep.equal([{ kind: 'timeout' }]);
    });
  }

  it('keeps the lease while a stream is open, and tells how it ended', async () => {
    const streams: readonly (readonly [(body: Readable) => unknown, Outcome])[] = [
      [(body) => body.resume().push(null), { kind: 'ok', status: 200 }],
      [(body) => body.destroy(unavailable(REASONS.connectionLost)), { kind: 'transport', status: 200 }],
      [(body) => body.destroy(), { kind: 'ok', status: 200 }],
    ];
    for (const [finish, outcome] of streams) {
      const { selector, told } = recorder();
      const body = new Readable({ read() {} }).on('error', () => {});
      const call = outgoing();
      await call.run(
        balance(selector)((attempt) => {
          attempt.answered(200);
          return Promise.resolve(new Reply(200, body));
        }),
      );
      expect(told).to.deep.equal(['answered 200']);
      const ended = new Promise((resolve) => call.onEnd(resolve));
      finish(body);
      await ended;
      expect(told).to.deep.equal(['answered 200', outcome]);
    }
  });
});
