import { Readable } from 'node:stream';
import { expect } from 'chai';
import { Call, Reply, ServiceError, compose, fallback, guard, timeout } from '@ferrule/core';
import { OUTBOUND, traitsOf } from '@ferrule/core/adapter';
import type { Outbound } from '@ferrule/core/adapter';
import type { Handler, Wrapper } from '@ferrule/core';
import { manualClock } from '@ferrule/testing';

const OPERATION = { service: 'orders', name: 'GET /orders', method: 'GET', path: '/orders', idempotent: true };
const call = (): Call => new Call({ side: 'client', operation: OPERATION });
const away = new ServiceError('UNAVAILABLE', 'away');
const failing = (): Promise<never> => Promise.reject(away);

describe('fallback', () => {
  it('answers with its value when the call failed, and stays out of the way when it did not', async () => {
    const reply = new Reply(200, []);
    const wrapper: Wrapper = fallback(reply);
    expect(await wrapper(failing)(call())).to.equal(reply);
    expect((await wrapper(async () => new Reply(201))(call())).status).to.equal(201);
  });

  it('answers with what the function makes of the failure and the call', async () => {
    const told = fallback(async (error, attempt) => new Reply(200, `${attempt.label} failed: ${(error as Error).message}`));
    expect((await compose(told)(failing)(call())).body).to.equal('GET /orders failed: away');
  });

  for (const value of [undefined, null, 0, '', false]) {
    it(`takes ${JSON.stringify(value) ?? 'undefined'} for a value like any other`, async () => {
      expect(await guard((): unknown => failing(), fallback(value))()).to.equal(value);
    });
  }

  it('throws what its function throws', async () => {
    const worse = new Error('the cache is gone too');
    const handler = fallback((): Reply => {
      throw worse;
    })(failing);
    expect(await handler(call()).catch((error: unknown) => error)).to.equal(worse);
  });

  it('never answers a cancelled call: its failure goes on', async () => {
    const gone = call();
    gone.abort(new Error('gone'));
    const handler = fallback(new Reply(200))(failing);
    expect(await handler(gone).catch((error: unknown) => error)).to.equal(away);
    for (const cancelled of [new ServiceError('CANCELLED', 'gone'), new DOMException('aborted', 'AbortError')]) {
      const cancelling = fallback(new Reply(200))(() => Promise.reject(cancelled));
      expect(await cancelling(call()).catch((error: unknown) => error)).to.equal(cancelled);
    }
  });

  it('answers for a timeout inside of it', async () => {
    const clock = manualClock();
    const answer = guard(() => new Promise<string>(() => {}), fallback('from the cache'), timeout({ limit: 10, clock }))();
    await clock.advance(10);
    expect(await answer).to.equal('from the cache');
  });

  it('answers for those failures alone that `when` names, and tells its listener of them', async () => {
    const heard: unknown[] = [];
    const choosy = fallback(new Reply(200), {
      when: (error) => (error as ServiceError).code === 'UNAVAILABLE',
      on: (event) => void heard.push(event.error),
    });
    await choosy(failing)(call());
    const notFound = new ServiceError('NOT_FOUND', 'none');
    expect(await choosy(() => Promise.reject(notFound))(call()).catch((error: unknown) => error)).to.equal(notFound);
    expect(heard).to.deep.equal([away]);
  });

  describe('with another service', () => {
    const other: Handler = async (one) => new Reply(200, `${one.operation.service} ${one.operation.name}`);

    it('gives it the same call: a handler, or a client, whose name the call then has', async () => {
      expect((await fallback({ service: other })(failing)(call())).body).to.equal('orders GET /orders');
      const standIn = fallback({ service: { service: 'orders-archive', handler: other } });
      const wrapper: Wrapper = standIn;
      expect((await wrapper(failing)(call())).body).to.equal('orders-archive GET /orders');
      expect(standIn.stats()).to.deep.equal({ substituted: 1 });
    });

    it('throws what that one fails with, and aborts it with the call', async () => {
      const worse = new ServiceError('UNAVAILABLE', 'away too');
      expect(await fallback({ service: () => Promise.reject(worse) })(failing)(call()).catch((error: unknown) => error)).to.equal(worse);
      const one = call();
      const gone = new ServiceError('CANCELLED', 'gone');
      const answer = one.run(fallback({ service: (branch) => new Promise<Reply>((_resolve, reject) => branch.onAbort(reject)) })(failing));
      await new Promise((resolve) => setImmediate(resolve));
      one.abort(gone);
      expect(await answer.catch((error: unknown) => error)).to.equal(gone);
      expect(one.ended).to.equal(true);
    });

    it('does not send it what was sent once, nor a call to one address', async () => {
      const upload = new Call({ side: 'client', operation: OPERATION, body: Readable.from(['x']) });
      const pinned = call();
      pinned.values.set(OUTBOUND, { target: '/orders', mode: 'parse', address: 'http://10.0.0.1' } as Outbound);
      for (const one of [upload, pinned]) expect(await fallback({ service: other })(failing)(one).catch((error: unknown) => error)).to.equal(away);
    });

    it('is for calls: a guarded function has nothing to send', async () => {
      const work = guard(failing, fallback({ service: other }) as never);
      expect(await work().catch((error: unknown) => error)).to.be.instanceOf(TypeError);
    });

    it('takes a value with a member of that name for a value', async () => {
      expect(await guard((): unknown => failing(), fallback({ service: 'orders' }))()).to.deep.equal({ service: 'orders' });
    });
  });

  it('says that it may answer in place of the handler, so that it is refused on native routes', () => {
    expect(traitsOf(fallback(new Reply(200)))).to.deep.equal({ name: 'fallback', replays: true });
  });

  it('refuses to have nothing to answer with', () => {
    expect(() => (fallback as () => unknown)()).to.throw(TypeError, 'fallback: there is nothing to answer with');
  });

  it('refuses a `when` that is no function', () => {
    // @ts-expect-error: for callers in plain JavaScript
    expect(() => fallback(1, { when: true })).to.throw(TypeError, 'fallback when: true is no function');
  });
});
