import { getEventListeners } from 'node:events';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import {
  Call,
  REQUEST_ID,
  RemoteError,
  Reply,
  ServiceError,
  client,
  createDirectory,
  detached,
  httpTransport,
  isServiceError,
  memoryRegistry,
  roundRobin,
  staticRegistry,
  subset,
} from '@ferrule/core';
import type { ClientOptions, RequestOptions, ServiceClient } from '@ferrule/core';
import { operation, runInContext } from '@ferrule/core/adapter';
import { answers, manualClock, scriptedUpstream, seededRandom } from '@ferrule/testing';
import type { ScriptedAnswer, ScriptedStep, ScriptedUpstream } from '@ferrule/testing';

async function failureOf(work: Promise<unknown>): Promise<ServiceError> {
  try {
    await work;
  } catch (error) {
    expect(isServiceError(error), String(error)).to.equal(true);
    return error as ServiceError;
  }
  throw new Error('it did not fail');
}

const inboundCall = (init: { deadline?: number; requestId?: string } = {}): Call => {
  const call = new Call({ side: 'server', operation: operation('shop', 'GET', '/'), deadline: init.deadline });
  if (init.requestId !== undefined) call.values.set(REQUEST_ID, init.requestId);
  return call;
};

describe('client', () => {
  const open: AsyncDisposable[] = [];
  const opened = <D extends AsyncDisposable>(part: D): D => {
    open.push(part);
    return part;
  };
  afterEach(async () => {
    for (const part of open.splice(0).reverse()) await part[Symbol.asyncDispose]();
  });

  const upstream = async (...script: readonly ScriptedStep[]): Promise<ScriptedUpstream> => opened(await scriptedUpstream(...script));
  const clientOf = (target: string, options?: ClientOptions): ServiceClient => opened(client(target, options));
  /** Several instances of `orders`, asked in turn. */
  const ordersAt = (instances: readonly ScriptedUpstream[], options: ClientOptions = {}): ServiceClient =>
    clientOf('orders', {
      registry: staticRegistry({ orders: instances.map(({ origin }) => origin) }),
      balancer: roundRobin({ random: seededRandom(1) }),
      random: seededRandom(1),
      ...options,
    });

  it('refuses a null ejector and a subset that was not called, whatever else is set', () => {
    const registry = staticRegistry({ orders: ['http://127.0.0.1:1'] });
    const made = (options: object) => () => client('orders', { registry, attemptTimeout: '1s', ...options });
    expect(made({ ejector: null })).to.throw(TypeError, 'ejector: null is none. Give what ejector({ … }) made, or false.');
    expect(made({ subset })).to.throw(TypeError, 'subset: the function subset itself chooses nothing. Call it first');
  });

  describe('requests', () => {
    it('give the parsed body', async () => {
      const up = await upstream(answers.ok({ id: 42 }), { status: 204 }, answers.ok([1]), answers.ok('text'), answers.ok(null));
      const orders = clientOf(up.origin);
      const order: { id: number } = await orders.get<{ id: number }>('/orders/:id', { params: { id: 42 }, query: { full: true } });
      expect(order).to.deep.equal({ id: 42 });
      expect(await orders.delete('/orders/:id', { params: { id: 42 } })).to.equal(undefined);
      expect(await orders.post('/orders', { body: { a: 1 } })).to.deep.equal([1]);
      await orders.put('/orders/1', { body: [] });
      await orders.patch('/orders/1', { body: 'x', headers: { 'content-type': 'text/x' } });
      expect(up.requests.map(({ method, url }) => `${method} ${url}`)).to.deep.equal([
        'GET /orders/42?full=true',
        'DELETE /orders/42',
        'POST /orders',
        'PUT /orders/1',
        'PATCH /orders/1',
      ]);
      expect(up.requests[2]!.json()).to.deep.equal({ a: 1 });
    });

    it('give the whole reply, redirects included, which are not followed', async () => {
      const up = await upstream({ status: 302, headers: { location: '/there' } }, { status: 302, headers: { location: '/there' } });
      const orders = clientOf(up.origin);
      expect(await orders.request('get', '/')).to.have.property('status', 302);
      expect(await failureOf(orders.get('/'))).to.include({ code: 'INTERNAL', status: 502, reason: 'UNEXPECTED_STATUS' });
      expect(up.requests).to.have.length(2);
    });

    it('throw what the service answers as an error', async () => {
      const up = await upstream(
        answers.status(404, { title: 'User not found', detail: 'No user 42', code: 'NOT_FOUND', reason: 'USER_NOT_FOUND', number: 10001 }),
      );
      const error = await failureOf(clientOf(up.origin).get('/users/:id', { params: { id: 42 } }));
      expect(error).to.be.instanceOf(RemoteError);
      expect(error).to.include({ code: 'NOT_FOUND', status: 404, reason: 'USER_NOT_FOUND', number: 10001, instanceId: up.origin.slice(7) });
    });

    it('stream both ways', async () => {
      const up = await upstream((request) => ({ body: request.body.toString().toUpperCase() }));
      const orders = clientOf(up.origin);
      const { body } = await orders.request('POST', '/', { body: Readable.from(['a', 'b'].map((piece) => Buffer.from(piece))), stream: true });
      expect(await text(body as Readable)).to.equal('AB');
      up.script({ body: 'whole' });
      const stream: Readable = await orders.get('/', { stream: true });
      expect(await text(stream)).to.equal('whole');
    });

    it('send an idempotency key only when asked to, quoted, the same in all attempts', async () => {
      const up = await upstream(answers.unavailable(), answers.ok(), answers.ok(), answers.ok());
      const orders = clientOf(up.origin);
      await orders.post('/orders', { body: {}, idempotencyKey: true });
      await orders.post('/orders', { body: {}, idempotencyKey: 'order-7' });
      await orders.post('/orders', { body: {} });
      const [first, second, third, none] = up.requests.map(({ headers }) => headers['idempotency-key']);
      expect(first)
        .to.match(/^"[0-9a-f-]{36}"$/)
        .and.equal(second);
      expect(third).to.equal('"order-7"');
      expect(none).to.equal(undefined);
    });

    it('send default headers, which a request overrides whatever their case', async () => {
      const up = await upstream();
      up.otherwise(answers.ok());
      const orders = clientOf(up.origin, { headers: { 'X-Tenant': 'a', 'x-b': '1' } });
      await orders.get('/', { headers: { 'x-tenant': 'c' } });
      await orders.get('/', { headers: { accept: 'text/csv' } });
      expect(up.requests[0]!.headers).to.include({ 'x-tenant': 'c', 'x-b': '1', accept: 'application/json, */*;q=0.8' });
      expect(up.requests[1]!.headers).to.include({ 'x-tenant': 'a', accept: 'text/csv' });
    });

    const wrong: readonly (readonly [string, string, RequestOptions, RegExp])[] = [
      ['a missing parameter', '/a/:id', {}, /'id' is missing/],
      ['a path that is a URL', 'http://evil/', {}, /absolute path template/],
      ['a body without JSON', '/', { body: Symbol('x') }, /no JSON/],
      [
        'a cycle',
        '/',
        {
          body: ((): object => {
            const a: Record<string, unknown> = {};
            return (a['a'] = a);
          })(),
        },
        /circular/,
      ],
      ['a timeout of 0', '/', { timeout: 0 }, /leaves no time/],
      ['a timeout that is none', '/', { timeout: '5' }, /request timeout/],
      ['a key that cannot be quoted', '/', { idempotencyKey: 'a"b' }, /idempotencyKey/],
    ];
    for (const [name, path, options, message] of wrong) {
      it(`reject ${name} as the caller's mistake`, async () => {
        const error: unknown = await clientOf('http://127.0.0.1:1')
          .post(path, options)
          .catch((thrown: unknown) => thrown);
        expect(error).to.be.instanceOf(TypeError);
        expect((error as Error).message).to.match(message);
      });
    }

    it('refuse methods that are none', async () => {
      for (const method of ['', 'GE T', 'CONNECT', 'get\r\n']) {
        const error: unknown = await clientOf('http://127.0.0.1:1')
          .request(method, '/')
          .catch((thrown: unknown) => thrown);
        expect(error).to.be.instanceOf(TypeError);
      }
    });
  });

  describe('the target', () => {
    for (const target of [
      'orders',
      'http://host:1/path',
      'http://user:pass@host',
      'ftp://host',
      'http://',
      'http://host/?a',
      7 as unknown as string,
    ]) {
      it(`refuses ${JSON.stringify(target)} without a registry`, () =>
        expect(() => client(target))
          .to.throw(TypeError, /client/)
          .and.not.match(/pass@/));
    }

    it('may be an IPv6 address', async () => {
      const { createServer } = await import('node:http');
      const server = createServer((_req, res) => void res.end());
      const listens = await new Promise<boolean>((resolve) => server.once('error', () => resolve(false)).listen(0, '::1', () => resolve(true)));
      if (!listens) return;
      await clientOf(`http://[::1]:${(server.address() as { port: number }).port}`).get('/');
      server.close();
      server.closeAllConnections();
    });
  });

  describe('several instances', () => {
    const failures = [
      ['503', answers.unavailable()],
      ['503 with Retry-After', answers.unavailable(20)],
      ['429 with Retry-After', answers.status(429, undefined, { 'retry-after': '20' })],
      ['a reset', answers.reset()],
      ['a close', answers.close()],
      ['a reset in the body', answers.resetMidBody()],
      ['bytes that are no HTTP', answers.garbage()],
    ] as const;
    for (const [name, failure] of failures) {
      it(`try another one at once after ${name}`, async () => {
        // Whichever is asked first fails, and the clock stands still: there is nothing to wait for.
        let failed = false;
        const step = (): ScriptedAnswer => (failed ? answers.ok() : ((failed = true), failure));
        const ups = [await upstream(step), await upstream(step)];
        expect(await ordersAt(ups, { clock: manualClock() }).get('/')).to.deep.equal({ ok: true });
        expect(ups.map(({ requests }) => requests.length)).to.deep.equal([1, 1]);
      });
    }

    it('answer although one refuses connections, even a POST', async () => {
      const [gone, up] = [await scriptedUpstream(), await upstream()];
      await gone.close();
      up.otherwise(answers.ok());
      const orders = ordersAt([gone, up]);
      for (let n = 0; n < 6; n++) expect(await orders.post('/orders', { body: { n } })).to.deep.equal({ ok: true });
      expect(up.requests).to.have.length(6);
      expect(up.requests.some(({ headers }) => headers['x-attempt-count'] === '2')).to.equal(true);
    });

    it('send a POST that may have had an effect only once', async () => {
      const [first, second] = [await upstream(), await upstream()];
      for (const up of [first, second]) up.otherwise(answers.reset());
      expect(await failureOf(ordersAt([first, second]).post('/orders', { body: {} }))).to.include({ reason: 'CONNECTION_LOST' });
      expect(first.requests.length + second.requests.length).to.equal(1);
    });

    it('send a stream once, and again only when nothing of it was sent', async () => {
      const [gone, up] = [await scriptedUpstream(), await upstream()];
      await gone.close();
      up.otherwise((request) => ({ body: request.body }));
      const orders = ordersAt([gone, up]);
      for (let n = 0; n < 4; n++) expect((await orders.put<Buffer>('/', { body: Readable.from([Buffer.from('x')]) })).toString()).to.equal('x');
      up.otherwise(answers.unavailable());
      const body = Readable.from([Buffer.from('y')]);
      expect(await failureOf(orders.put('/', { body }))).to.include({ status: 503 });
      expect(body.destroyed).to.equal(true);
      const before = up.requests.length;
      expect(await failureOf(clientOf(up.origin).put('/', { body: () => Readable.from([Buffer.from('z')]) }))).to.include({ status: 503 });
      expect(up.requests.slice(before).map((request) => request.body.toString())).to.deep.equal(['z', 'z', 'z']);
    });

    it('never send the rest of a stream to another one, even where a write may go elsewhere', async () => {
      const ups = [await upstream(), await upstream()];
      for (const up of ups) up.otherwise(answers.unavailable(0));
      for (const options of [{}, { retry: { when: () => true } }]) {
        const before = ups[0]!.requests.length + ups[1]!.requests.length;
        const body = Readable.from([Buffer.from('all of it')]);
        expect(await failureOf(ordersAt(ups, options).post('/', { body }))).to.include({ status: 503 });
        expect(ups[0]!.requests.length + ups[1]!.requests.length).to.equal(before + 1);
      }
      expect(ups.flatMap(({ requests }) => requests.map((request) => request.body.toString()))).to.deep.equal(['all of it', 'all of it']);
    });

    it('give back the permit of a streamed reply without a body, which get() tells as an empty stream', async () => {
      const up = await upstream();
      up.otherwise({ status: 204 });
      const orders = clientOf(up.origin, { bulkhead: 1 });
      for (let n = 0; n < 3; n++) expect((await orders.request('GET', '/', { stream: true })).body).to.equal(undefined);
      expect(await text(await orders.get('/', { stream: true }))).to.equal('');
    });

    it('hold it against an endpoint when its streams break, without any timeout too', async () => {
      const up = await upstream();
      up.otherwise(answers.resetMidBody());
      const orders = clientOf(up.origin, { timeout: false, attemptTimeout: false, ejector: false });
      for (let n = 0; n < 3; n++) await failureOf(text(await orders.get('/', { stream: true })));
      expect(orders.endpoints()[0]!.success).to.be.below(0.9);
    });

    it('fail as NO_ENDPOINT when there is none', async () => {
      const registry = opened(memoryRegistry());
      expect(await failureOf(clientOf('orders', { registry, retry: false }).get('/'))).to.include({ code: 'UNAVAILABLE', reason: 'NO_ENDPOINT' });
    });

    it('close the connections of an instance that has left, known before the client was made', async () => {
      const up = await upstream();
      up.otherwise(answers.ok());
      const registry = staticRegistry({ orders: up.origin });
      const directory = opened(createDirectory({ discovery: registry }));
      await directory.ready('orders');
      const forgotten: string[] = [];
      const http = opened(httpTransport());
      const orders = clientOf('orders', { directory, transport: { ...http, forget: (origin) => (forgotten.push(origin), http.forget(origin)) } });
      await orders.get('/');
      const left = new Promise((resolve) => directory.onChange(resolve));
      registry.remove('orders', up.origin);
      await left;
      expect(forgotten).to.deep.equal([up.origin]);
    });

    it('close the connections in a shared transport with the last client that called them', async () => {
      const up = await upstream();
      up.otherwise(answers.ok());
      const forgotten: string[] = [];
      const http = opened(httpTransport());
      const transport = { ...http, forget: (origin: string) => (forgotten.push(origin), http.forget(origin)) };
      const [first, second] = [clientOf(up.origin, { transport }), clientOf(up.origin, { transport })];
      await Promise.all([first.get('/'), second.get('/')]);
      await first[Symbol.asyncDispose]();
      await first[Symbol.asyncDispose]();
      expect(forgotten).to.deep.equal([]);
      await second[Symbol.asyncDispose]();
      expect(forgotten).to.deep.equal([up.origin]);
    });
  });

  describe('time', () => {
    it('ends an attempt after 5 s and goes on elsewhere, and everything after 10 s', async () => {
      const clock = manualClock();
      const ups = [await upstream(), await upstream(), await upstream()];
      for (const up of ups) up.otherwise(answers.hang());
      const orders = ordersAt(ups, { clock });
      const failing = failureOf(orders.get('/'));
      await Promise.race(ups.map((up) => up.received(1)));
      await clock.advance(5_000);
      const seconds = ups.map(async (up) => (await up.received(1)).headers['x-attempt-count'] === '2' || new Promise(() => {}));
      await Promise.race(seconds);
      await clock.advance(5_000);
      expect(await failing).to.include({ code: 'DEADLINE_EXCEEDED', reason: 'TIMEOUT' });
      await orders[Symbol.asyncDispose]();
      expect(clock.pending).to.equal(0);
    });

    it('of its own lets a request exceed the limits of the client, for one attempt as well', async () => {
      const clock = manualClock();
      let go!: () => void;
      const up = await upstream({ body: { slow: true }, after: new Promise<void>((resolve) => (go = resolve)) });
      const work = clientOf(up.origin, { clock }).get('/', { timeout: '30s' });
      const { headers } = await up.received(1);
      expect(headers['x-request-timeout-ms']).to.equal('29995');
      await clock.advance(29_000);
      go();
      expect(await work).to.deep.equal({ slow: true });
    });

    it('of its own makes a request shorter', async () => {
      const clock = manualClock();
      const up = await upstream(answers.hang());
      const failing = failureOf(clientOf(up.origin, { clock }).get('/', { timeout: 200 }));
      expect((await up.received(1)).headers['x-request-timeout-ms']).to.equal('195');
      await clock.advance(200);
      expect(await failing).to.include({ code: 'DEADLINE_EXCEEDED' });
    });

    it('can be unlimited', async () => {
      const clock = manualClock();
      const up = await upstream(answers.ok());
      await clientOf(up.origin, { clock, timeout: false, attemptTimeout: false }).get('/');
      expect(up.requests[0]!.headers).to.not.have.property('x-request-timeout-ms');
    });

    for (const [name, script] of [
      ['headers', answers.hang()],
      ['body', { body: 'x'.repeat(10), bodyAfter: new Promise(() => {}) }],
    ] as const) {
      it(`is over for slow ${name}, and the connection is cut`, async () => {
        const clock = manualClock();
        const up = await upstream(script);
        const failing = failureOf(clientOf(up.origin, { clock, retry: false }).get('/'));
        const { finished } = await up.received(1);
        await clock.advance(5_000);
        expect(await failing).to.include({ code: 'DEADLINE_EXCEEDED' });
        expect(await finished).to.equal(false);
      });
    }
  });

  describe('the inbound call', () => {
    it('hands down its request id and what is left of its deadline, 5 ms less', async () => {
      const clock = manualClock({ now: 1_000 });
      const up = await upstream(answers.ok(), answers.ok());
      const orders = clientOf(up.origin, { clock });
      const inbound = inboundCall({ deadline: 2_000, requestId: 'abc' });
      await runInContext(inbound, () => orders.get('/'));
      expect(up.requests[0]!.headers).to.include({ 'x-request-id': 'abc', 'x-request-timeout-ms': '990' });
      await runInContext(inbound, () => detached(() => orders.get('/')));
      expect(up.requests[1]!.headers).to.include({ 'x-request-timeout-ms': '4995' }).and.not.have.property('x-request-id');
    });

    it('with no time left makes no call', async () => {
      const up = await upstream();
      const inbound = inboundCall({ deadline: 4 });
      expect(await failureOf(runInContext(inbound, () => clientOf(up.origin, { clock: manualClock() }).get('/')))).to.include({
        code: 'DEADLINE_EXCEEDED',
        unsent: true,
      });
      expect(up.requests).to.have.length(0);
    });

    it('takes its calls with it when it is aborted, and does not keep them', async () => {
      const up = await upstream(answers.hang(), answers.ok(), answers.hang());
      const orders = clientOf(up.origin);
      const inbound = inboundCall();
      const failing = failureOf(runInContext(inbound, () => orders.get('/')));
      const { finished } = await up.received(1);
      const kept = runInContext(inbound, () => detached(() => orders.get('/')));
      await kept;
      inbound.abort(new ServiceError('CANCELLED', 'gone', { reason: 'CLIENT_DISCONNECTED' }));
      expect(await failing).to.include({ code: 'CANCELLED', reason: 'CLIENT_DISCONNECTED' });
      expect(await finished).to.equal(false);
      expect(await failureOf(runInContext(inbound, () => orders.get('/')))).to.include({ code: 'CANCELLED' });
      expect(up.requests).to.have.length(2);
    });

    it('leaves no listener behind, and a normal end aborts nothing', async () => {
      const up = await upstream({ body: 'late', bodyAfter: Promise.resolve() });
      const inbound = inboundCall();
      const taken: unknown[] = [];
      const onAbort = inbound.onAbort.bind(inbound);
      Object.defineProperty(inbound, 'onAbort', {
        value: (listener: (reason: unknown) => void) => {
          const take = onAbort(listener);
          return () => (taken.push(listener), take());
        },
      });
      const orders = clientOf(up.origin);
      const { body } = await runInContext(inbound, () => orders.request('GET', '/', { stream: true }));
      inbound.end({ kind: 'done', bytes: 0 });
      expect(taken).to.have.length(0);
      expect(await text(body as Readable)).to.equal('late');
      await new Promise((resolve) => setImmediate(resolve));
      expect(taken).to.have.length(1);
    });
  });

  describe('a signal', () => {
    it('cancels, and leaves no listener behind', async () => {
      const up = await upstream(answers.hang(), answers.ok());
      const orders = clientOf(up.origin);
      const controller = new AbortController();
      const failing = failureOf(orders.get('/', { signal: controller.signal }));
      const { finished } = await up.received(1);
      const reason = new Error('changed my mind');
      controller.abort(reason);
      expect(await failing).to.include({ code: 'CANCELLED', cause: reason });
      expect(await finished).to.equal(false);
      expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);

      const unused = new AbortController();
      await orders.get('/', { signal: unused.signal });
      await new Promise((resolve) => setImmediate(resolve));
      expect(getEventListeners(unused.signal, 'abort')).to.have.length(0);
    });

    it('may be shared by any number of calls: Node is given no reason to warn of a leak', async () => {
      const up = await upstream();
      up.otherwise(answers.hang());
      const orders = clientOf(up.origin);
      const controller = new AbortController();
      const warned: Error[] = [];
      const warn = (warning: Error): void => void warned.push(warning);
      process.on('warning', warn);
      const failing = Array.from({ length: 50 }, () => failureOf(orders.get('/', { signal: controller.signal })));
      await up.received(50);
      expect(getEventListeners(controller.signal, 'abort')).to.have.length(1);
      controller.abort(new Error('enough'));
      for (const failure of await Promise.all(failing)) expect(failure).to.include({ code: 'CANCELLED' });
      process.off('warning', warn);
      expect(warned).to.deep.equal([]);
      expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
    });

    it('that is aborted already sends nothing', async () => {
      const up = await upstream();
      expect(await failureOf(clientOf(up.origin).get('/', { signal: AbortSignal.abort() }))).to.include({ code: 'CANCELLED' });
      expect(up.requests).to.have.length(0);
    });

    it('of a timeout is a timeout', async () => {
      const up = await upstream(answers.hang());
      expect(await failureOf(clientOf(up.origin).get('/', { signal: AbortSignal.abort(new DOMException('over', 'TimeoutError')) }))).to.include({
        code: 'DEADLINE_EXCEEDED',
      });
    });
  });

  describe('the stack', () => {
    it('stands in the one order, whatever order the options are in', () => {
      const all = clientOf('http://127.0.0.1:1', {
        fallback: new Reply(200),
        errors: [{ toError: () => undefined }],
        circuitBreaker: true,
        rateLimit: { limit: 5 },
        bulkhead: 3,
        retry: true,
        attemptTimeout: 1,
        timeout: 2,
      });
      expect(all.describe().map((name) => (name.startsWith('observe') ? 'observe' : name))).to.deep.equal([
        'ownErrors',
        'observe',
        'fallback',
        'timeout(total)',
        'rateLimit',
        'bulkhead',
        'circuitBreaker',
        'retry',
        'balance',
        'observe',
        'timeout(attempt)',
        'remoteErrors',
        'http',
      ]);
    });

    it('by default has nothing that may refuse', () => {
      expect(clientOf('http://127.0.0.1:1', { telemetry: false }).describe()).to.deep.equal([
        'timeout(total)',
        'retry',
        'balance',
        'timeout(attempt)',
        'remoteErrors',
        'http',
      ]);
    });

    it('falls back to a reply', async () => {
      const up = await upstream(answers.status(500));
      expect(await clientOf(up.origin, { fallback: () => new Reply(200, { cached: true }) }).get('/')).to.deep.equal({ cached: true });
    });

    it('does not open the circuit for one bad instance of two', async () => {
      const [bad, good] = [await upstream(), await upstream()];
      bad.otherwise(answers.unavailable());
      good.otherwise(answers.ok());
      const orders = ordersAt([bad, good], { circuitBreaker: { minimumCalls: 5 } });
      for (let n = 0; n < 30; n++) await orders.get('/');
      expect(bad.requests.length).to.be.below(12);
    });

    it('maps errors with the given mappers; policies go by the reply all the same', async () => {
      class OutOfStock extends Error {}
      const up = await upstream(answers.status(409, { reason: 'OUT_OF_STOCK' }));
      up.otherwise(answers.ok());
      const orders = clientOf(up.origin, {
        errors: [{ toError: ({ body }) => ((body as { reason?: string }).reason === 'OUT_OF_STOCK' ? new OutOfStock() : undefined) }],
      });
      expect(await orders.get('/').catch((error: unknown) => error)).to.be.instanceOf(OutOfStock);
    });

    it('keeps the Retry-After that a mapper leaves out of its ServiceError, and whether it may be tried again', async () => {
      const busy = answers.status(503, { reason: 'BUSY' }, { 'retry-after': '7' });
      const named = (retryable: boolean) => [{ toError: () => new ServiceError('UNAVAILABLE', 'busy', { reason: 'MINE', retryable }) }];
      const [up, other] = [await upstream(busy), await upstream(busy)];
      up.otherwise(answers.ok());
      other.otherwise(answers.ok());
      const waits: number[] = [];
      const on = (event: { readonly kind: string; readonly delayMs: number }): void => void waits.push(event.delayMs);
      // A write: it may be sent again for one reason alone, that the other side has said when.
      const orders = clientOf(up.origin, { errors: named(true), retry: { maxRetryAfter: '20ms', on } });
      expect(await orders.post('/', { body: {} })).to.deep.equal({ ok: true });
      expect(waits).to.deep.equal([20]);
      const last = await failureOf(clientOf(other.origin, { errors: named(false) }).post('/', { body: {} }));
      expect(last).to.include({ reason: 'MINE', message: 'busy' });
      expect(other.requests.length).to.equal(1);
    });
  });

  it('bounds what it keeps of paths', async () => {
    const up = await upstream();
    up.otherwise(answers.ok());
    const names = new Set<string>();
    const http = opened(httpTransport());
    const orders = clientOf(up.origin, { transport: { ...http, handle: (call) => (names.add(call.operation.name), http.handle(call)) } });
    for (let n = 0; n < 1_010; n++) await orders.get(`/orders/${n}`);
    expect(names.size).to.equal(1_001);
    expect(names.has('GET _OTHER')).to.equal(true);
  });

  it('closes what it opened and leaves open what it was given', async () => {
    const up = await upstream();
    up.otherwise(answers.ok());
    const registry = opened(staticRegistry({ orders: up.origin }));
    const directory = opened(createDirectory({ discovery: registry }));
    const transport = opened(httpTransport());
    const [first, second] = [client('orders', { directory, transport }), clientOf('orders', { directory, transport })];
    await first.get('/');
    await first[Symbol.asyncDispose]();
    const failure = await failureOf(first.get('/'));
    expect(failure).to.include({ code: 'FAILED_PRECONDITION', status: 500, retryable: false });
    expect((failure as Error).message).to.equal('The client of orders was disposed of. Make a new one, or dispose of it later.');
    expect(await second.get('/')).to.deep.equal({ ok: true });
  });
});
