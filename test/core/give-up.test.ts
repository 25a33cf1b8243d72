import { expect } from 'chai';
import { Reply, ServiceError, backoff, client, createService, get, retryBudget, silentLogger } from '@ferrule/core';
import type { ClientOptions, HttpAdapter, RetryBudget, Service, ServiceOptions } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';
import { koaAdapter } from '@ferrule/koa';
import { answers, scriptedUpstream } from '@ferrule/testing';

/** Allows nothing, as one that is used up. */
const USED_UP: RetryBudget = { began() {}, succeeded() {}, failed() {}, allows: () => false, spend() {} };
const none = (budgets: readonly RetryBudget[]): ClientOptions => ({ retry: { budgets, backoff: backoff.fixed(0) } });

for (const [host, adapter] of [
  ['express', expressAdapter],
  ['koa', koaAdapter],
] as const satisfies readonly (readonly [string, () => HttpAdapter])[]) {
  describe(`x-retry: no on ${host}`, () => {
    const open: AsyncDisposable[] = [];
    afterEach(async () => {
      for (const part of open.splice(0).reverse()) await part[Symbol.asyncDispose]();
    });
    const failing = async (): ReturnType<typeof scriptedUpstream> => {
      const up = await scriptedUpstream(answers.unavailable(), ...Array.from({ length: 20 }, () => answers.unavailable()));
      open.push(up);
      return up;
    };
    /** A service between: its route calls `to`, and does with a failure what `then` says. */
    const between = async (
      to: string,
      budgets: readonly RetryBudget[],
      then?: (error: unknown) => unknown,
      more: Partial<ServiceOptions> = {},
    ): Promise<string> => {
      const options = none(budgets);
      const service: Service = createService({
        name: 'between',
        adapter: adapter(),
        signals: false,
        logger: silentLogger,
        listen: { host: '127.0.0.1', port: 0 },
        routes: [
          get('/', () =>
            service
              .client(to, options)
              .get('/')
              .catch((error: unknown) => (then === undefined ? Promise.reject(error as Error) : then(error))),
          ),
        ],
        ...more,
      });
      open.push(service);
      return `http://127.0.0.1:${(await service.start()).port}`;
    };

    it('keeps the callers above from trying again: A, B and C make one attempt at C', async () => {
      const up = await failing();
      const b = await between(up.origin, [USED_UP]);
      const a = await between(b, []);
      const reply = await fetch(a);
      await reply.text();
      expect(reply.status).to.be.at.least(500);
      expect(up.requests).to.have.length(1);
      // A was told, and tells its own caller.
      expect(reply.headers.get('x-retry')).to.equal('no');
      expect(reply.headers.get('content-type')).to.include('application/problem+json');
      const outer = client(a, none([]));
      open.push(outer);
      await outer.get('/').catch(() => undefined);
      expect(up.requests).to.have.length(2);
    });

    it('is not said while there is a budget: each layer tries as often as it may', async () => {
      const up = await failing();
      const b = await between(up.origin, [retryBudget()]);
      const reply = await fetch(b);
      await reply.text();
      expect(reply.headers.has('x-retry')).to.equal(false);
      expect(up.requests).to.have.length(3);
    });

    for (const [how, then] of [
      ['as the cause of another error', (error: unknown) => Promise.reject(new Error('no order', { cause: error }))],
      ['as the cause of an error for the client', (error: unknown) => Promise.reject(new ServiceError('UNAVAILABLE', 'later', { cause: error }))],
    ] as const) {
      it(`is said of what was given up with ${how}`, async () => {
        const reply = await fetch(await between((await failing()).origin, [USED_UP], then));
        await reply.text();
        expect(reply.headers.get('x-retry')).to.equal('no');
      });
    }

    for (const [how, then] of [
      ['answered all the same', () => new Reply(200, 'from the shelf')],
      ['failed for another reason', () => Promise.reject(new ServiceError('UNAVAILABLE', 'the disk is full'))],
    ] as const) {
      it(`is not said by a handler that ${how}`, async () => {
        const reply = await fetch(await between((await failing()).origin, [USED_UP], then));
        await reply.text();
        expect(reply.headers.has('x-retry')).to.equal(false);
      });
    }

    it('is said of an error that the client maps to one of its own, and with a reply that the service maps', async () => {
      class Gone extends Error {}
      const up = await failing();
      const service: Service = createService({
        name: 'mapped',
        adapter: adapter(),
        signals: false,
        logger: silentLogger,
        listen: { host: '127.0.0.1', port: 0 },
        errors: [{ toReply: (error) => (error instanceof Gone ? new Reply(503, 'gone') : undefined) }],
        routes: [get('/', () => service.client(up.origin, { ...none([USED_UP]), errors: [{ toError: () => new Gone() }] }).get('/'))],
      });
      open.push(service);
      const reply = await fetch(`http://127.0.0.1:${(await service.start()).port}`);
      expect([reply.status, await reply.text(), reply.headers.get('x-retry')]).to.deep.equal([503, 'gone', 'no']);
    });
  });
}
