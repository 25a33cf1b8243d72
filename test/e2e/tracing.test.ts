import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { expect } from 'chai';
import { client, createService, get, memoryRegistry, silentLogger } from '@ferrule/core';
import type { Call, Service, ServiceClient } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';
import { koaAdapter } from '@ferrule/koa';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

/** A client that calls `orders` on Express, which calls `users` on Koa. */
async function shop(): Promise<{ readonly orders: ServiceClient; readonly atUsers: Call[]; stop(): Promise<void> }> {
  const registry = memoryRegistry();
  const atUsers: Call[] = [];
  const common = { registry, listen: { host: '127.0.0.1' }, drainDelay: 0, signals: false, logger: silentLogger } as const;
  const users: Service = createService({
    ...common,
    name: 'users',
    adapter: koaAdapter(),
    routes: [get('/users/:id', (call) => (atUsers.push(call), { name: `user ${call.params['id']}` }))],
  });
  const orders: Service = createService({
    ...common,
    name: 'orders',
    adapter: expressAdapter(),
    routes: [get('/orders/:id', async () => ({ user: await orders.client('users').get('/users/:id', { params: { id: '7' } }) }))],
  });
  await users.start();
  await orders.start();
  const caller = client('orders', { registry });
  return {
    orders: caller,
    atUsers,
    async stop() {
      await caller[Symbol.asyncDispose]();
      await orders.stop();
      await users.stop();
      await registry[Symbol.asyncDispose]();
    },
  };
}

describe('tracing', () => {
  let running: Awaited<ReturnType<typeof shop>>;
  beforeEach(async () => {
    running = await shop();
  });
  afterEach(() => running.stop());

  it('without an SDK the trace of a request goes on through every service as it came', async () => {
    const fields = { traceparent: TRACEPARENT, tracestate: 'a=1', baggage: 'tenant=a' };
    expect(await running.orders.get('/orders/:id', { params: { id: '42' }, headers: fields })).to.deep.equal({ user: { name: 'user 7' } });
    expect(running.atUsers).to.have.length(1);
    expect(running.atUsers[0]!.headers).to.include(fields);
  });

  it('with an SDK a request is one trace: a CLIENT and a SERVER span for each hop, each the child of the one before', async () => {
    const exporter = new InMemorySpanExporter();
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    propagation.setGlobalPropagator(new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }));
    // The services are up already: telemetry finds an SDK whenever it is registered.
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
    try {
      await running.orders.get('/orders/:id', { params: { id: '42' } });
      await running.stop(); // every reply has left, so every span has ended
    } finally {
      trace.disable();
      propagation.disable();
      context.disable();
    }
    const spans = exporter.getFinishedSpans();
    const chain: ReadableSpan[] = [];
    for (let parent: string | undefined; ;) {
      const next = spans.find(({ parentSpanContext }) => parentSpanContext?.spanId === parent);
      if (next === undefined) break;
      chain.push(next);
      parent = next.spanContext().spanId;
    }
    expect(chain.map(({ kind, name }) => [kind, name])).to.deep.equal([
      [2, 'GET /orders/:id'],
      [1, 'GET /orders/:id'],
      [2, 'GET /users/:id'],
      [1, 'GET /users/:id'],
    ]);
    expect(spans).to.have.length(4);
    expect(new Set(spans.map((span) => span.spanContext().traceId)).size).to.equal(1);
    for (const span of spans) expect(span.attributes['http.response.status_code'], span.name).to.equal(200);
    expect(chain[1]!.attributes).to.include({
      'url.path': '/orders/42',
      'http.route': '/orders/:id',
      'network.peer.address': '127.0.0.1',
      'network.protocol.version': '1.1',
    });
    expect(String(chain[0]!.attributes['url.full'])).to.match(/^http:\/\/127\.0\.0\.1:\d+\/orders\/42$/);
    expect(running.atUsers[0]!.headers['traceparent']).to.equal(`00-${chain[2]!.spanContext().traceId}-${chain[2]!.spanContext().spanId}-01`);
  });
});
