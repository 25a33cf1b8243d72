import { expect } from 'chai';
import { Call, Reply, ServiceError, concurrencyLimit, fallback, rateLimit, replyCache, throttle } from '@ferrule/core';
import type { Wrapper } from '@ferrule/core';
import { manualClock } from '@ferrule/testing';
import type { ManualClock } from '@ferrule/testing';

const CALLS = 10_000;

/** A call that counts the listeners for its abort that are still there, and the signals that were made. */
class CountedCall extends Call {
  listeners = 0;
  signals = 0;

  constructor() {
    super({ side: 'client', operation: { service: 'orders', name: 'GET /orders', method: 'GET', path: '/orders', idempotent: true } });
  }

  override get signal(): AbortSignal {
    this.signals++;
    return super.signal;
  }

  override onAbort(listener: (reason: unknown) => void): () => void {
    let isThere = true;
    const gone = (): void => {
      if (isThere) this.listeners--;
      isThere = false;
    };
    this.listeners++;
    const forget = super.onAbort((reason) => {
      gone();
      listener(reason);
    });
    return () => {
      gone();
      forget();
    };
  }
}

const POLICIES: Readonly<Record<string, (clock: ManualClock) => Wrapper>> = {
  fallback: () => fallback(new Reply(200, 'instead')),
  'fallback to a service': () => fallback({ service: async () => new Reply(200, 'theirs') }),
  rateLimit: (clock) => rateLimit({ limit: 1_000, per: '1s', clock }),
  'rateLimit with keys': (clock) => rateLimit({ limit: 1, key: () => String(Math.floor(clock.now() / 10)), maxKeys: 10, clock }),
  throttle: (clock) => throttle({ clock }),
  replyCache: (clock) => replyCache({ ttl: 1, clock }),
};

describe('what policies leave behind', () => {
  for (const [name, make] of Object.entries(POLICIES)) {
    it(`${name}: nothing over 10,000 calls, of which a third fail and some are aborted`, async () => {
      const clock = manualClock();
      let made = 0;
      const handle = make(clock)(async () => {
        if (++made % 3 === 0) throw new ServiceError('UNAVAILABLE', 'away');
        return new Reply(200);
      });
      const left = { listeners: 0, signals: 0, alive: 0 };
      for (let index = 0; index < CALLS; index++) {
        const call = new CountedCall();
        if (index % 7 === 0) call.abort(new Error('gone'));
        await call.run(handle).catch(() => {});
        left.listeners += call.listeners;
        left.signals += call.signals;
        if (!call.ended) left.alive++;
        if (index % 10 === 0) await clock.advance(1);
      }
      expect(left).to.deep.equal({ listeners: 0, signals: 0, alive: 0 });
      expect(clock.pending).to.equal(0);
      expect(made).to.be.above(CALLS / 200);
    });
  }

  it('concurrencyLimit: with 1,000 callers at a time of which some leave while they wait, never more than the limit, and no permit in the end', async () => {
    const clock = manualClock();
    const limit = concurrencyLimit({ initial: 20, min: 20, max: 20, queue: 50, clock });
    let open = 0;
    let most = 0;
    let done = 0;
    const handle = limit(async () => {
      most = Math.max(most, ++open);
      await new Promise<void>((resolve) => clock.schedule(5, resolve));
      open--;
      done++;
      return new Reply(200);
    });
    const calls = Array.from({ length: 1_000 }, () => new CountedCall());
    const gone = new Error('gone');
    const results = calls.map((call) =>
      call.run(handle).then(
        () => 'done',
        (error: unknown) => (error === gone ? 'gone' : String(error)),
      ),
    );
    expect(limit.stats()).to.include({ active: 20, queued: 980 });
    for (const [index, call] of calls.entries()) if (index >= 20 && index % 3 === 0) call.abort(gone);
    for (let turn = 0; turn < 60; turn++) await clock.advance(5);
    const all = await Promise.all(results);
    expect(new Set(all)).to.deep.equal(new Set(['done', 'gone']));
    expect(all.filter((result) => result === 'done')).to.have.length(done);
    expect(most).to.equal(20);
    expect(limit.stats()).to.include({ active: 0, queued: 0 });
    expect(calls.reduce((sum, { listeners }) => sum + listeners, 0)).to.equal(0);
  });
});
