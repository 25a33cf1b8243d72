// What bench/src/resilience measures in time, here in counts: retries, hedges and refusals over real sockets, exact to the call.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { backoff, bulkhead, client, createService, get, isServiceError, silentLogger } from '@ferrule/core';
import type { ClientOptions, HedgeEvent, ServiceClient, ServiceOptions } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';
import { manualClock } from '@ferrule/testing';

const CALLS = 60;

describe('overload over real sockets', function () {
  this.timeout(10_000);
  const open: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });

  const clientOf = (target: string, options: ClientOptions): ServiceClient => {
    const made = client(target, options);
    open.push(async () => made[Symbol.asyncDispose]());
    return made;
  };

  /** A server that answers when it is told to. */
  async function held(): Promise<{ origin: string; waiting: ServerResponse[]; arrived(count: number): Promise<void> }> {
    const waiting: ServerResponse[] = [];
    const server = createServer((_req, res) => {
      waiting.push(res);
      server.emit('held');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    open.push(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    return {
      origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      waiting,
      async arrived(count) {
        while (waiting.length < count) await once(server, 'held');
      },
    };
  }

  /**
   * All calls at once to a server that answers nothing, and the attempts that it saw once all have failed. `waves`: how many there are each time
   * before the patience of the last ones ends.
   */
  async function attemptsInOutage(retry: ClientOptions['retry'] & object, waves: readonly number[]): Promise<number> {
    const clock = manualClock();
    const server = await held();
    const orders = clientOf(server.origin, { clock, ejector: false, attemptTimeout: '200ms', retry });
    const calls = Promise.allSettled(Array.from({ length: CALLS }, () => orders.get('/')));
    for (const attempts of waves) {
      await server.arrived(attempts);
      await clock.advance(200);
    }
    expect((await calls).every(({ status }) => status === 'rejected')).to.equal(true);
    return server.waiting.length;
  }

  it('an outage costs a tenth more attempts and the reserve of ten seconds, not three times as many', async () => {
    const most = CALLS + CALLS / 10 + 10;
    expect(await attemptsInOutage({ backoff: backoff.fixed(0) }, [CALLS, most])).to.equal(most);
  });

  it('the control: without budgets it costs three times as many', async () => {
    expect(await attemptsInOutage({ backoff: backoff.fixed(0), budgets: [] }, [CALLS, 2 * CALLS, 3 * CALLS])).to.equal(3 * CALLS);
  });

  /** A service of ours whose handler ends when it is told to. */
  async function service(options: Partial<ServiceOptions>): Promise<{ origin: string; begun: (() => void)[] }> {
    const begun: (() => void)[] = [];
    const made = createService({
      name: 'orders',
      adapter: expressAdapter(),
      signals: false,
      logger: silentLogger,
      listen: { host: '127.0.0.1' },
      drainDelay: 0,
      routes: [get('/', () => new Promise<object>((resolve) => begun.push(() => resolve({ ok: true }))))],
      ...options,
    });
    const { port } = await made.start();
    open.push(() => made.stop());
    return { origin: `http://127.0.0.1:${port}`, begun };
  }

  it('work whose deadline passed while it waited is never begun', async () => {
    const clock = manualClock();
    const permits = bulkhead({ limit: 4, queue: CALLS, clock });
    const { origin, begun } = await service({ clock, wrappers: [permits] });
    const orders = clientOf(origin, { clock, ejector: false, retry: false, attemptTimeout: '200ms' });
    const calls = Promise.allSettled(Array.from({ length: CALLS }, () => orders.get('/')));
    while (permits.active + permits.queued < CALLS) await nextTurn();
    await clock.advance(200);
    expect((await calls).every(({ status }) => status === 'rejected')).to.equal(true);
    for (const end of begun) end();
    while (permits.active + permits.queued > 0) await nextTurn();
    expect(begun).to.have.length(4);
  });

  /** Every tenth of 200 calls is late; the number of hedges and of those that were forbidden. */
  async function hedges(hedge: object): Promise<{ hedged: number; forbidden: number }> {
    const clock = manualClock();
    const server = await held();
    let heard = (_kind: HedgeEvent['kind']): void => {};
    const orders = clientOf(server.origin, {
      clock,
      ejector: false,
      hedge: { delay: '10ms', elsewhere: () => true, on: ({ kind }) => heard(kind), ...hedge },
    });
    const count = { hedged: 0, forbidden: 0 };
    for (let index = 1; index <= 200; index++) {
      const before = server.waiting.length;
      const call = orders.get('/');
      await server.arrived(before + 1);
      if (index % 10 === 0) {
        const decided = new Promise<HedgeEvent['kind']>((resolve) => (heard = resolve));
        await clock.advance(10);
        const isHedged = (await decided) === 'hedge';
        count[isHedged ? 'hedged' : 'forbidden']++;
        if (isHedged) await server.arrived(before + 2);
      }
      server.waiting.at(-1)!.end('{}');
      await call;
    }
    return count;
  }

  it('hedges one call in twenty at most, however many are late', async () => {
    expect(await hedges({})).to.deep.equal({ hedged: 10, forbidden: 10 });
  });

  it('the control: without a budget every late call is hedged', async () => {
    expect(await hedges({ ratio: 1, budgets: [] })).to.deep.equal({ hedged: 20, forbidden: 0 });
  });

  it('what is above the limit is refused before it is begun, with a time to come back, and nothing else is', async () => {
    const { origin, begun } = await service({ concurrencyLimit: { initial: 20 } });
    const orders = clientOf(origin, { ejector: false, retry: false });
    const refused: unknown[] = [];
    const calls = Array.from({ length: CALLS }, () => orders.get('/').catch((error: unknown) => void refused.push(error)));
    while (refused.length < CALLS - 20) await nextTurn();
    expect(begun).to.have.length(20);
    for (const end of begun) end();
    await Promise.all(calls);
    expect(refused).to.have.length(CALLS - 20);
    expect(refused.map((error) => isServiceError(error) && [error.status, error.reason, error.retryAfterMs])).to.deep.equal(
      Array.from({ length: CALLS - 20 }, () => [503, 'CONCURRENCY_LIMITED', 1000]),
    );
  });

  it('the control: without a limit all are begun', async () => {
    const { origin, begun } = await service({});
    const orders = clientOf(origin, { ejector: false, retry: false });
    const calls = Array.from({ length: CALLS }, () => orders.get('/'));
    while (begun.length < CALLS) await nextTurn();
    for (const end of begun) end();
    await Promise.all(calls);
  });
});
