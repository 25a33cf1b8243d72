import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { Call, Reply, ServiceError, isServiceError, memoryRegistry, roundRobin, serviceFetch, staticRegistry } from '@ferrule/core';
import type { ServiceFetch, ServiceFetchOptions } from '@ferrule/core';
import { operation, runInContext } from '@ferrule/core/adapter';
import { answers, manualClock, scriptedUpstream, seededRandom } from '@ferrule/testing';
import type { ScriptedStep, ScriptedUpstream } from '@ferrule/testing';

async function failureOf(work: Promise<unknown>): Promise<Error & { cause?: unknown }> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not fail');
}

describe('serviceFetch', () => {
  const open: AsyncDisposable[] = [];
  const opened = <D extends AsyncDisposable>(part: D): D => {
    open.push(part);
    return part;
  };
  afterEach(async () => {
    for (const part of open.splice(0).reverse()) await part[Symbol.asyncDispose]();
  });
  const upstream = async (...script: readonly ScriptedStep[]): Promise<ScriptedUpstream> => opened(await scriptedUpstream(...script));
  const fetchOf = (instances: readonly ScriptedUpstream[], options: ServiceFetchOptions = {}): ServiceFetch =>
    opened(
      serviceFetch({
        registry: staticRegistry({ orders: instances.map(({ origin }) => origin) }),
        balancer: roundRobin({ random: seededRandom(1) }),
        random: seededRandom(1),
        ...options,
      }),
    );

  it('answers with a real Response whose body is a stream', async () => {
    const up = await upstream({ status: 201, body: { id: 1 }, headers: { 'set-cookie': ['a=1', 'b=2'], 'x-one': '1' } });
    const response = await fetchOf([up])('http://orders/orders?a=1#fragment');
    expect(response).to.be.instanceOf(Response);
    expect(response).to.include({ status: 201, ok: true, redirected: false, url: 'http://orders/orders?a=1#fragment' });
    expect(response.headers.getSetCookie()).to.deep.equal(['a=1', 'b=2']);
    expect(response.headers.get('X-One')).to.equal('1');
    expect(response.body).to.be.instanceOf(ReadableStream);
    expect(await response.json()).to.deep.equal({ id: 1 });
    expect(up.requests[0]).to.include({ method: 'GET', url: '/orders?a=1' });
    expect(up.requests[0]!.headers).to.include({ accept: '*/*', 'accept-encoding': 'identity', host: up.origin.slice(7) });
  });

  it('streams before the whole body is there', async () => {
    let go!: () => void;
    const up = await upstream({ body: 'late', bodyAfter: new Promise<void>((resolve) => (go = resolve)) });
    const response = await fetchOf([up])('http://orders/');
    go();
    expect(await response.text()).to.equal('late');
  });

  const bodies: readonly (readonly [string, () => RequestInit, string, string | RegExp])[] = [
    ['text', () => ({ body: 'ü' }), 'ü', 'text/plain;charset=UTF-8'],
    ['form fields', () => ({ body: new URLSearchParams({ a: '1 2' }) }), 'a=1+2', 'application/x-www-form-urlencoded;charset=UTF-8'],
    ['bytes', () => ({ body: new Uint8Array([97, 98]), headers: { 'content-type': 'x/y' } }), 'ab', 'x/y'],
    ['a Blob', () => ({ body: new Blob(['ab'], { type: 'a/b' }) }), 'ab', 'a/b'],
    ['a stream', () => ({ body: new Blob(['ab']).stream(), duplex: 'half', headers: { 'content-type': 'x/y' } }), 'ab', 'x/y'],
    ['JSON', () => ({ body: JSON.stringify({ a: 1 }), headers: [['Content-Type', 'application/json']] }), '{"a":1}', 'application/json'],
  ];
  for (const [name, init, arrived, type] of bodies) {
    it(`sends ${name}`, async () => {
      const up = await upstream(answers.ok());
      await (await fetchOf([up])(new URL('http://orders/'), { method: 'post', ...init() })).text();
      expect(up.requests[0]!.method).to.equal('POST');
      expect(up.requests[0]!.body.toString()).to.equal(arrived);
      expect(up.requests[0]!.headers['content-type']).to.equal(type);
    });
  }

  it('sends FormData', async () => {
    const up = await upstream(answers.ok());
    const form = new FormData();
    form.set('a', '1');
    await fetchOf([up])('http://orders/', { method: 'POST', body: form });
    expect(up.requests[0]!.headers['content-type']).to.match(/^multipart\/form-data; boundary=/);
    expect(up.requests[0]!.body.toString()).to.contain('name="a"');
  });

  it('takes Request objects, with their method, headers, body and signal', async () => {
    const up = await upstream(answers.ok(), answers.ok());
    const find = fetchOf([up]);
    await find(new Request('http://orders/a', { method: 'PUT', body: 'x', headers: { 'x-a': '1' } }));
    expect(up.requests[0]).to.include({ method: 'PUT', url: '/a' });
    expect(up.requests[0]!.headers['x-a']).to.equal('1');
    expect(up.requests[0]!.body.toString()).to.equal('x');
    const aborted = new Request('http://orders/a', { signal: AbortSignal.abort() });
    expect((await failureOf(find(aborted))).name).to.equal('AbortError');
    expect((await find(aborted, { signal: null })).status).to.equal(200);
  });

  for (const [status, body] of [
    [404, { detail: 'no' }],
    [500, 'x'.repeat(100_000)],
    [503, undefined],
    [429, 'slow'],
  ] as const) {
    it(`answers ${status} as a Response, whole and unparsed, after the retries`, async () => {
      const up = await upstream();
      up.otherwise(answers.status(status, body, { 'x-a': 'b' }));
      const response = await fetchOf([up])('http://orders/', { method: 'POST' });
      expect(response).to.include({ status, ok: false });
      expect(response.headers.get('x-a')).to.equal('b');
      expect(await response.text()).to.equal(body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body));
    });
  }

  it('tries again inside, elsewhere', async () => {
    let failed = false;
    const step = (): ReturnType<typeof answers.ok> => (failed ? answers.ok() : ((failed = true), answers.unavailable()));
    const ups = [await upstream(step), await upstream(step)];
    const response = await fetchOf(ups)('http://orders/', { method: 'PUT', body: 'x' });
    expect(response.status).to.equal(200);
    expect(ups.map(({ requests }) => requests[0]!.body.toString())).to.deep.equal(['x', 'x']);
  });

  for (const status of [204, 205, 304]) {
    it(`answers ${status} without a body`, async () => {
      const response = await fetchOf([await upstream({ status })])('http://orders/');
      expect(response).to.include({ status, body: null });
    });
  }

  it('does not follow redirects', async () => {
    const up = await upstream();
    up.otherwise({ status: 302, headers: { location: 'http://169.254.169.254/' } });
    const find = fetchOf([up]);
    expect(await find('http://orders/')).to.include({ status: 302 });
    const error = await failureOf(find('http://orders/', { redirect: 'error' }));
    expect(error).to.be.instanceOf(TypeError);
    expect(error.message).to.equal('fetch failed');
  });

  describe('what is a service', () => {
    const seen: string[] = [];
    const plain = ((input: string | URL | Request) => {
      seen.push(input instanceof Request ? input.url : String(input));
      return Promise.resolve(new Response('plain'));
    }) as typeof fetch;
    const find = (): ServiceFetch =>
      opened(serviceFetch({ registry: opened(memoryRegistry()), services: ['Orders.internal'], fetch: plain, retry: false }));

    for (const url of [
      'http://localhost/a',
      'http://orders:8080/a',
      'http://orders.example/a',
      'http://127.0.0.1/a',
      'http://2130706433/a',
      'http://[::1]/a',
      'http://orders.internal:1/a',
      'ftp://orders/a',
      'data:text/plain,a',
      '/relative',
      'http://user:pass@orders/',
    ]) {
      it(`not ${url}, which goes to plain fetch`, async () => {
        seen.length = 0;
        expect(await (await find()(url)).text()).to.equal('plain');
        expect(seen).to.deep.equal([url]);
      });
    }

    for (const [url, service] of [
      ['http://orders/a', 'orders'],
      ['https://ORDERS/a', 'orders'],
      ['http://orders:80/a', 'orders'],
      ['http://my_orders-2/a', 'my_orders-2'],
      ['http://orders.internal/a', 'Orders.internal'],
    ] as const) {
      it(`${url}: ${service}`, async () => {
        const error = await failureOf(find()(url));
        expect(error).to.be.instanceOf(TypeError);
        expect((error.cause as Error).message).to.contain(`"${service}"`);
      });
    }
  });

  describe('fails in the words of fetch:', () => {
    it('a connection that fails is a TypeError with the cause', async () => {
      const gone = await scriptedUpstream();
      await gone.close();
      const error = await failureOf(fetchOf([gone], { retry: false })('http://orders/'));
      expect(error).to.be.instanceOf(TypeError);
      expect(error.message).to.equal('fetch failed');
      expect(error.cause).to.be.instanceOf(ServiceError).with.property('reason', 'CONNECT_FAILED');
    });

    it('an abort rejects with the reason of the signal and leaves no listener behind', async () => {
      const up = await upstream(answers.hang(), answers.hang());
      const find = fetchOf([up]);
      const controller = new AbortController();
      const failing = failureOf(find('http://orders/', { signal: controller.signal }));
      const { finished } = await up.received(1);
      controller.abort();
      expect((await failing).name).to.equal('AbortError');
      expect(await failing).to.equal(controller.signal.reason);
      expect(await finished).to.equal(false);
      expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
      expect((await failureOf(find('http://orders/', { signal: controller.signal }))).name).to.equal('AbortError');
      expect(up.requests).to.have.length(1);
    });

    it('an abort in the middle of the body fails its reader', async () => {
      const up = await upstream({ body: 'x'.repeat(10), bodyAfter: new Promise(() => {}) });
      const controller = new AbortController();
      const response = await fetchOf([up])('http://orders/', { signal: controller.signal });
      const failing = failureOf(response.text());
      controller.abort();
      expect((await failing).name).to.equal('AbortError');
      expect(await (await up.received(1)).finished).to.equal(false);
      await new Promise((resolve) => setImmediate(resolve));
      expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
    });

    it('a limit of the stack is a TimeoutError', async () => {
      const clock = manualClock();
      const up = await upstream(answers.hang());
      const failing = failureOf(fetchOf([up], { clock, retry: false })('http://orders/'));
      await up.received(1);
      await clock.advance(5_000);
      expect(await failing)
        .to.be.instanceOf(DOMException)
        .with.property('name', 'TimeoutError');
      expect(isServiceError((await failing).cause)).to.equal(true);
    });

    it('what fetch refuses is refused', async () => {
      const find = fetchOf([await upstream()]);
      expect(await failureOf(find('http://orders/', { method: 'GET', body: 'x' }))).to.be.instanceOf(TypeError);
      expect(await failureOf(find('http://orders/', { headers: { 'b ad': 'x' } }))).to.be.instanceOf(TypeError);
    });
  });

  it('cancels the request when the body is cancelled', async () => {
    const up = await upstream({ body: 'x'.repeat(10), bodyAfter: new Promise(() => {}) });
    const response = await fetchOf([up])('http://orders/');
    await response.body!.cancel();
    expect(await (await up.received(1)).finished).to.equal(false);
  });

  it('survives a reader who cancels while pieces of the body are still queued', async () => {
    const up = await upstream();
    up.otherwise({ body: 'x'.repeat(1_000_000) });
    const find = fetchOf([up], { bulkhead: 1 });
    const uncaught: unknown[] = [];
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => uncaught.push(error));
    try {
      for (let n = 0; n < 20; n++) {
        const response = await find('http://orders/');
        await response.body!.cancel();
        for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of listeners) process.on('uncaughtException', listener);
    }
    expect(uncaught).to.deep.equal([]);
  });

  it('gives the permit of a body that is empty back, and lets it be read all the same', async () => {
    const up = await upstream();
    up.otherwise({ headers: { 'content-length': '0' } });
    const find = fetchOf([up], { bulkhead: 1 });
    for (let n = 0; n < 3; n++) await find('http://orders/');
    const response = await find('http://orders/');
    expect(response.body).to.be.instanceOf(ReadableStream);
    expect(await response.text()).to.equal('');
    expect(response.headers.has('content-type')).to.equal(false);
  });

  it('ends a body with the deadline of the inbound call', async () => {
    const clock = manualClock();
    const up = await upstream({ body: 'x'.repeat(10), bodyAfter: new Promise(() => {}) });
    const inbound = new Call({ side: 'server', operation: operation('shop', 'GET', '/'), deadline: 2_000 });
    const find = fetchOf([up], { clock });
    const response = await runInContext(inbound, () => find('http://orders/'));
    const failing = failureOf(response.text());
    await clock.advance(1_995);
    expect(await failing).to.include({ name: 'TimeoutError' });
    expect(await (await up.received(1)).finished).to.equal(false);
  });

  it('makes a Response of a fallback', async () => {
    const find = opened(serviceFetch({ registry: opened(memoryRegistry()), retry: false, fallback: new Reply(200, { cached: true }) }));
    const response = await find('http://orders/');
    expect(response.headers.get('content-type')).to.equal('application/json');
    expect(await response.json()).to.deep.equal({ cached: true });
  });

  it('needs somewhere to look', () => {
    expect(() => serviceFetch({})).to.throw(TypeError, /registry or a directory/);
    expect(() => serviceFetch({ registry: memoryRegistry(), services: [''] })).to.throw(TypeError, /services/);
  });

  it('is closed by disposing of it', async () => {
    const find = fetchOf([await upstream(answers.ok())]);
    await (await find('http://orders/')).text();
    await find[Symbol.asyncDispose]();
    expect(await failureOf(find('http://orders/'))).to.be.instanceOf(TypeError);
  });
});
