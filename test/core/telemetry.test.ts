import { context, createContextKey, metrics, propagation, trace, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { Attributes } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { AggregationTemporality, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import type { Histogram } from '@opentelemetry/sdk-metrics';
import { AlwaysOffSampler, BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { createServer, get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import {
  Call,
  REASONS,
  RemoteError,
  Reply,
  ServiceError,
  compose,
  detached,
  observeAttempt,
  observeCall,
  observeInbound,
  requestFacts,
} from '@ferrule/core';
import type {
  CallHeaders,
  CallInit,
  Handler,
  ObserveAttemptOptions,
  ObserveCallOptions,
  ObserveInboundOptions,
  RequestFacts,
  Wrapper,
} from '@ferrule/core';
import { runInContext } from '@ferrule/core/adapter';
import { manualClock } from '@ferrule/testing';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const RPC_METADATA = createContextKey('OpenTelemetry SDK Context Key RPC_METADATA');
const SUPPRESSED = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');

class Reader extends MetricReader {
  constructor() {
    super({ aggregationTemporalitySelector: () => AggregationTemporality.DELTA });
  }
  protected async onForceFlush(): Promise<void> {}
  protected async onShutdown(): Promise<void> {}
}

interface Point {
  readonly name: string;
  readonly unit: string;
  readonly attributes: Attributes;
  readonly sum: number;
  readonly count: number;
  readonly boundaries: readonly number[];
}

/** An SDK that belongs to one test. */
function sdk(options: { off?: boolean } = {}) {
  const exporter = new InMemorySpanExporter();
  const reader = new Reader();
  const tracerProvider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(exporter)],
    ...(options.off === true && { sampler: new AlwaysOffSampler() }),
  });
  const meterProvider = new MeterProvider({ readers: [reader] });
  return {
    tracerProvider,
    meterProvider,
    spans: (): ReadableSpan[] => exporter.getFinishedSpans(),
    async points(): Promise<Point[]> {
      const { resourceMetrics } = await reader.collect();
      return resourceMetrics.scopeMetrics.flatMap(({ metrics: all }) =>
        all.flatMap(({ descriptor, dataPoints }) =>
          dataPoints.map((point) => {
            const { sum, count, buckets } = point.value as Histogram;
            return { name: descriptor.name, unit: descriptor.unit, attributes: point.attributes, sum: sum!, count, boundaries: buckets.boundaries };
          }),
        ),
      );
    },
  };
}

const GET = { service: 'orders', name: 'GET /orders/:id', method: 'GET', path: '/orders/:id', idempotent: true };

function inbound(change: Partial<CallInit> = {}): Call {
  return new Call({ side: 'server', operation: GET, params: { id: '42' }, headers: { host: 'shop.test:8080', 'user-agent': 'test' }, ...change });
}

function outbound(change: Partial<CallInit> = {}): Call {
  return new Call({
    side: 'client',
    operation: GET,
    params: { id: '4 2' },
    endpoint: { id: 'orders-1', origin: 'http://127.0.0.1:8081' },
    ...change,
  });
}

/** Answers and moves the body, as an adapter would. */
async function serve(wrapper: Wrapper, call: Call, handler: Handler, sent?: number): Promise<Reply | undefined> {
  const reply = await wrapper(handler)(call).catch(() => undefined);
  call.answered(sent ?? reply?.status ?? 500);
  call.end({ kind: 'done', bytes: 0 });
  await turn();
  return reply;
}

/** Every reaction to promises that are settled now has run. */
async function turn(): Promise<void> {
  for (let index = 0; index < 5; index++) await Promise.resolve();
}

const ok: Handler = async () => new Reply(200, { ok: true });
const failing =
  (error: unknown): Handler =>
  async () => {
    throw error;
  };
/** What replies→errors makes of a reply: it knows who answered. */
const remote = (status: number): Error => new RemoteError('INTERNAL', 'remote', { status, service: 'orders' });

describe('telemetry', () => {
  before(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    propagation.setGlobalPropagator(new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }));
  });
  after(() => {
    context.disable();
    propagation.disable();
  });

  describe('observeInbound', () => {
    const make = (options: ObserveInboundOptions = {}) => {
      const otel = sdk();
      const clock = manualClock();
      return {
        ...otel,
        clock,
        wrapper: observeInbound({ tracerProvider: otel.tracerProvider, meterProvider: otel.meterProvider, clock, ...options }),
      };
    };

    it('makes one SERVER span named by method and route, with the words of the conventions', async () => {
      const { wrapper, spans } = make({
        facts: () => ({ path: '/orders/42', query: 'a=1&sig=abc', scheme: 'https', protocolVersion: '1.1', peerAddress: '10.0.0.9', peerPort: 5555 }),
      });
      await serve(wrapper, inbound(), ok);
      expect(spans()).to.have.length(1);
      const [span] = spans();
      expect(span!.name).to.equal('GET /orders/:id');
      expect(span!.kind).to.equal(SpanKind.SERVER);
      expect(span!.status.code).to.equal(SpanStatusCode.UNSET);
      expect(span!.attributes).to.deep.equal({
        'http.request.method': 'GET',
        'http.route': '/orders/:id',
        'http.response.status_code': 200,
        'url.path': '/orders/42',
        'url.query': 'a=1&sig=REDACTED',
        'url.scheme': 'https',
        'server.address': 'shop.test',
        'server.port': 8080,
        'client.address': '10.0.0.9',
        'network.peer.address': '10.0.0.9',
        'network.peer.port': 5555,
        'network.protocol.version': '1.1',
        'user_agent.original': 'test',
      });
      expect(span!.instrumentationScope.name).to.equal('@ferrule/core');
    });

    it('records one duration in seconds, with the advised buckets, the route and never the path', async () => {
      const { wrapper, points, clock } = make();
      await serve(wrapper, inbound(), async () => {
        await clock.advance(250);
        return new Reply(200);
      });
      const [point, ...others] = await points();
      expect(others).to.deep.equal([]);
      expect(point).to.deep.include({ name: 'http.server.request.duration', unit: 's', count: 1, sum: 0.25 });
      expect(point!.boundaries).to.deep.equal([0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]);
      expect(point!.attributes).to.deep.equal({
        'http.request.method': 'GET',
        'http.route': '/orders/:id',
        'url.scheme': 'http',
        'http.response.status_code': 200,
      });
    });

    for (const [status, code, errorType] of [
      [200, SpanStatusCode.UNSET, undefined],
      [304, SpanStatusCode.UNSET, undefined],
      [404, SpanStatusCode.UNSET, undefined],
      [499, SpanStatusCode.UNSET, undefined],
      [500, SpanStatusCode.ERROR, '500'],
      [504, SpanStatusCode.ERROR, '504'],
    ] as const) {
      it(`takes ${status} for ${errorType === undefined ? 'no error' : 'an error'}`, async () => {
        const { wrapper, spans, points } = make();
        await serve(wrapper, inbound(), async () => new Reply(status));
        expect(spans()[0]!.status).to.deep.equal({ code });
        expect(spans()[0]!.attributes['error.type']).to.equal(errorType);
        expect((await points())[0]!.attributes['error.type']).to.equal(errorType);
      });
    }

    it('tells the status that really left, not the one that the handler gave', async () => {
      const { wrapper, spans, points } = make();
      await serve(wrapper, inbound(), ok, 503);
      expect(spans()[0]!.attributes['http.response.status_code']).to.equal(503);
      expect((await points())[0]!.attributes['http.response.status_code']).to.equal(503);
    });

    it('ends when the body has left, not when the headers were known', async () => {
      const { wrapper, spans, points, clock } = make();
      const call = inbound();
      await wrapper(ok)(call);
      call.answered(200);
      await clock.advance(3000);
      expect(spans()).to.deep.equal([]);
      call.end({ kind: 'done', bytes: 10 });
      expect(spans()).to.have.length(1);
      expect((await points())[0]!.sum).to.equal(3);
    });

    it('ends when the reply to a timeout has left, although the handler still hangs', async () => {
      const { wrapper, spans } = make();
      const call = inbound();
      const timedOut: Handler = async (whole) => {
        void whole.branch().run(() => new Promise<Reply>(() => {}));
        return new Reply(504);
      };
      await wrapper(timedOut)(call);
      call.answered(504);
      call.end({ kind: 'done', bytes: 0 });
      expect(call.ended).to.equal(false);
      expect(spans()[0]!.attributes['http.response.status_code']).to.equal(504);
    });

    it('takes a caller that went away for no error', async () => {
      const { wrapper, spans, points } = make();
      const call = inbound();
      const pending = wrapper((one) => new Promise((_, reject) => one.onAbort((reason) => reject(reason))))(call).catch(() => undefined);
      call.abort(new ServiceError('CANCELLED', 'gone', { reason: REASONS.disconnected }));
      call.end({ kind: 'aborted', bytes: 0 });
      await pending;
      await turn();
      expect(spans()).to.have.length(1);
      expect(spans()[0]!.status.code).to.equal(SpanStatusCode.UNSET);
      expect(spans()[0]!.attributes).to.include({ 'ferrule.outcome': 'cancelled' }).and.not.have.property('http.response.status_code');
      expect((await points())[0]!.attributes)
        .to.include({ 'ferrule.outcome': 'cancelled' })
        .and.not.have.property('error.type');
    });

    it('takes a body that broke off for an error although its status said 200', async () => {
      const { wrapper, spans } = make();
      const call = inbound();
      await wrapper(ok)(call);
      call.answered(200);
      call.end({ kind: 'failed', bytes: 5 });
      expect(spans()[0]!.status.code).to.equal(SpanStatusCode.ERROR);
      expect(spans()[0]!.attributes).to.include({ 'http.response.status_code': 200, 'error.type': '_OTHER' });
    });

    it('waits for a native handler that settles after its last byte', async () => {
      const { wrapper, spans } = make();
      const call = inbound();
      let settle!: (reply: Reply) => void;
      void wrapper(() => new Promise<Reply>((resolve) => (settle = resolve)))(call);
      call.end({ kind: 'done', bytes: 3 });
      expect(spans()).to.deep.equal([]);
      settle(new Reply(201, undefined, {}, { sent: true }));
      await turn();
      expect(spans()[0]!.attributes['http.response.status_code']).to.equal(201);
    });

    it('puts the error behind a 5xx on the span once, and none behind a 4xx', async () => {
      const { wrapper, spans } = make();
      await serve(wrapper, inbound(), async () => new Reply(500, {}, {}, { error: new Error('boom') }));
      await serve(wrapper, inbound(), async () => new Reply(404, {}, {}, { error: new Error('none') }));
      expect(spans()[0]!.events.map((event) => event.attributes?.['exception.message'])).to.deep.equal(['boom']);
      expect(spans()[1]!.events).to.deep.equal([]);
      const quiet = make({ recordExceptions: false });
      await serve(quiet.wrapper, inbound(), async () => new Reply(500, {}, {}, { error: new Error('boom') }));
      expect(quiet.spans()[0]!.events).to.deep.equal([]);
    });

    it('observes what the application answers to an error that was left to it', async () => {
      const { wrapper, spans } = make();
      await serve(wrapper, inbound(), failing(new Error('native')), 418);
      expect(spans()[0]!.attributes['http.response.status_code']).to.equal(418);
      expect(spans()[0]!.status.code).to.equal(SpanStatusCode.UNSET);
    });

    it('survives a handler that throws instead of rejecting', async () => {
      const { wrapper, spans } = make();
      await serve(wrapper, inbound(), () => {
        throw new Error('sync');
      });
      expect(spans()[0]!.status.code).to.equal(SpanStatusCode.ERROR);
    });

    it('calls an unknown method HTTP and keeps its word apart', async () => {
      const { wrapper, spans, points } = make();
      await serve(wrapper, inbound({ operation: { ...GET, method: 'BREW', name: 'brew' } }), ok);
      expect(spans()[0]!.name).to.equal('HTTP /orders/:id');
      expect(spans()[0]!.attributes).to.include({
        'http.request.method': '_OTHER',
        'http.request.method_original': 'BREW',
        'ferrule.operation': 'brew',
      });
      expect((await points())[0]!.attributes['http.request.method']).to.equal('_OTHER');
    });

    it('fills the template when nobody knows the raw path, and names no route that there is not', async () => {
      const { wrapper, spans } = make();
      await serve(wrapper, inbound({ params: { id: 'a/b' } }), ok);
      await serve(wrapper, inbound({ operation: { ...GET, path: '' } }), ok);
      expect(spans()[0]!.attributes['url.path']).to.equal('/orders/a%2Fb');
      expect(spans()[1]!.name).to.equal('GET');
      expect(spans()[1]!.attributes).to.not.have.property('http.route');
    });

    it('is a child of the trace that came in, and parent of what the handler starts', async () => {
      const { wrapper, spans, tracerProvider } = make();
      await serve(wrapper, inbound({ headers: { traceparent: TRACEPARENT } }), async () => {
        await Promise.resolve();
        tracerProvider.getTracer('app').startSpan('inner').end();
        return new Reply(200);
      });
      const [inner, server] = spans();
      expect(server!.spanContext().traceId).to.equal('0af7651916cd43dd8448eb211c80319c');
      expect(server!.parentSpanContext?.spanId).to.equal('b7ad6b7169203331');
      expect(inner!.parentSpanContext?.spanId).to.equal(server!.spanContext().spanId);
    });

    it('does not become a child of a span that happens to be active, such as that of start-up', async () => {
      const { wrapper, spans, tracerProvider } = make();
      const startup = tracerProvider.getTracer('app').startSpan('start-up');
      await context.with(trace.setSpan(context.active(), startup), () => serve(wrapper, inbound(), ok));
      expect(spans()[0]!.parentSpanContext).to.equal(undefined);
    });

    it('only tells the route to the HTTP instrumentation when that owns the span', async () => {
      const { wrapper, spans, points, tracerProvider } = make();
      const owner = tracerProvider.getTracer('instrumentation-http').startSpan('GET', { kind: SpanKind.SERVER });
      const metadata: { type: string; route?: string } = { type: 'http' };
      const scope = trace.setSpan(context.active(), owner).setValue(RPC_METADATA, metadata);
      await context.with(scope, () => serve(wrapper, inbound(), ok));
      expect(metadata.route).to.equal('/orders/:id');
      expect(spans()).to.deep.equal([]);
      expect(await points()).to.deep.equal([]);
      owner.end();
      expect(spans()[0]!.attributes['http.route']).to.equal('/orders/:id');
    });

    it('makes its own span beside the instrumentation when told so, and nothing when switched off', async () => {
      const scope = context.active().setValue(RPC_METADATA, { type: 'http' });
      const own = make({ mode: 'own' });
      await context.with(scope, () => serve(own.wrapper, inbound(), ok));
      expect(own.spans()).to.have.length(1);
      const off = make({ mode: 'off' });
      await serve(off.wrapper, inbound(), ok);
      expect(off.spans()).to.deep.equal([]);
      expect(() => observeInbound({ mode: 'on' as 'own' })).to.throw(TypeError, /mode: on is unknown. Use one of auto, own, off/);
    });

    it('hands the call on untouched without an SDK', () => {
      const handler: Handler = () => new Promise(() => {});
      const call = inbound();
      let seen: Call | undefined;
      const result = observeInbound()((one) => ((seen = one), handler(one)))(call);
      expect(seen).to.equal(call);
      expect(result).to.be.instanceOf(Promise);
    });

    it('finds an SDK that is registered after the stack was composed', async () => {
      const otel = sdk();
      const stack = observeInbound()(ok);
      await stack(inbound());
      trace.setGlobalTracerProvider(otel.tracerProvider);
      metrics.setGlobalMeterProvider(otel.meterProvider);
      try {
        await serve(() => stack, inbound(), ok);
        expect(otel.spans()).to.have.length(1);
        expect(await otel.points()).to.have.length(1);
      } finally {
        trace.disable();
        metrics.disable();
      }
    });

    it('records durations without a tracer, and spans without a meter', async () => {
      const otel = sdk();
      await serve(observeInbound({ meterProvider: otel.meterProvider }), inbound(), ok);
      expect(await otel.points()).to.have.length(1);
      await serve(observeInbound({ tracerProvider: otel.tracerProvider }), inbound(), ok);
      expect(otel.spans()).to.have.length(1);
    });
  });

  describe('observeAttempt', () => {
    const make = (options: ObserveAttemptOptions = {}, off = false) => {
      const otel = sdk({ off });
      const clock = manualClock();
      return {
        ...otel,
        clock,
        wrapper: observeAttempt({ tracerProvider: otel.tracerProvider, meterProvider: otel.meterProvider, clock, ...options }),
      };
    };
    const send = (wrapper: Wrapper, call: Call, handler: Handler): Promise<Reply | undefined> =>
      call.run((one) => wrapper(handler)(one)).catch(() => undefined);

    it('makes one CLIENT span with the endpoint, and one duration by service', async () => {
      const { wrapper, spans, points, clock } = make();
      await send(wrapper, outbound({ query: { q: 'a b', sig: 'secret', list: ['1', '2'] } }), async () => {
        await clock.advance(20);
        return new Reply(200);
      });
      const [span] = spans();
      expect(span!.name).to.equal('GET /orders/:id');
      expect(span!.kind).to.equal(SpanKind.CLIENT);
      expect(span!.status.code).to.equal(SpanStatusCode.UNSET);
      expect(span!.attributes).to.deep.equal({
        'http.request.method': 'GET',
        'http.response.status_code': 200,
        'server.address': 'orders',
        'server.port': 80,
        'network.peer.address': '127.0.0.1',
        'network.peer.port': 8081,
        'url.full': 'http://127.0.0.1:8081/orders/4%202?q=a+b&sig=REDACTED&list=1&list=2',
        'url.template': '/orders/:id',
        'ferrule.service': 'orders',
        'ferrule.instance': 'orders-1',
      });
      const [point] = await points();
      expect(point).to.deep.include({ name: 'http.client.request.duration', unit: 's', sum: 0.02 });
      expect(point!.attributes).to.deep.equal({
        'http.request.method': 'GET',
        'server.address': 'orders',
        'server.port': 80,
        'url.template': '/orders/:id',
        'http.response.status_code': 200,
      });
    });

    it('keeps instances apart in durations only when asked, and knows a direct target by its address', async () => {
      const byInstance = make({ byInstance: true });
      await send(byInstance.wrapper, outbound({ endpoint: { id: 'x', origin: 'http://[::1]:8081' } }), ok);
      expect((await byInstance.points())[0]!.attributes).to.include({ 'server.address': '::1', 'server.port': 8081 });
      const direct = make({ trusted: false });
      await send(direct.wrapper, outbound({ endpoint: { id: 'x', origin: 'https://api.test' } }), ok);
      expect((await direct.points())[0]!.attributes).to.include({ 'server.address': 'api.test', 'server.port': 443 });
    });

    for (const [name, handler, status, errorType, cancelled] of [
      ['a reply of 404', failing(remote(404)), 404, '404', undefined],
      ['a reply of 503', failing(remote(503)), 503, '503', undefined],
      ['a plain reply of 500', async () => new Reply(500), 500, '500', undefined],
      [
        'a refused connection',
        failing(new ServiceError('UNAVAILABLE', 'no', { reason: REASONS.connectFailed })),
        undefined,
        'CONNECT_FAILED',
        undefined,
      ],
      ['a timeout', failing(new ServiceError('DEADLINE_EXCEEDED', 'late', { reason: REASONS.timeout })), undefined, 'TIMEOUT', undefined],
      ['an error of unknown kind', failing(new Error('odd')), undefined, 'UNKNOWN', undefined],
      [
        'a reason that is not ours',
        failing(new ServiceError('NOT_FOUND', 'x', { reason: 'ANYTHING_FROM_OUTSIDE' })),
        undefined,
        'NOT_FOUND',
        undefined,
      ],
      ['a caller that lost interest', failing(new ServiceError('CANCELLED', 'gone')), undefined, undefined, 'cancelled'],
      ['an AbortError', failing(new DOMException('x', 'AbortError')), undefined, undefined, 'cancelled'],
    ] as const satisfies readonly (readonly [string, Handler, number | undefined, string | undefined, string | undefined])[]) {
      it(`${name}: error.type ${errorType ?? 'absent'}`, async () => {
        const { wrapper, spans, points } = make();
        await send(wrapper, outbound(), handler);
        const [span] = spans();
        expect(span!.status.code).to.equal(errorType === undefined ? SpanStatusCode.UNSET : SpanStatusCode.ERROR);
        expect(span!.attributes['error.type']).to.equal(errorType);
        expect(span!.attributes['http.response.status_code']).to.equal(status);
        expect(span!.attributes['ferrule.outcome']).to.equal(cancelled);
        expect(span!.events).to.deep.equal([]);
        const [point] = await points();
        expect(point!.attributes['error.type']).to.equal(errorType);
      });
    }

    it('believes the reason of the abort more than the error that followed from it', async () => {
      const { wrapper, spans } = make();
      const call = outbound();
      await send(wrapper, call, async (one) => {
        one.abort(new ServiceError('DEADLINE_EXCEEDED', 'total', { reason: REASONS.timeout }));
        throw new DOMException('aborted', 'AbortError');
      });
      expect(spans()[0]!.attributes['error.type']).to.equal('TIMEOUT');
    });

    it('records durations without a tracer, and survives a handler that throws instead of rejecting', async () => {
      const { meterProvider, points } = sdk();
      await send(observeAttempt({ meterProvider }), outbound(), () => {
        throw new ServiceError('UNAVAILABLE', 'no', { reason: REASONS.connectFailed });
      });
      expect((await points()).map(({ attributes }) => attributes['error.type'])).to.deep.equal(['CONNECT_FAILED']);
    });

    it('names the service and the method alone when it knows neither endpoint nor template, nor the method', async () => {
      const { wrapper, spans, points } = make();
      const call = new Call({ side: 'client', operation: { ...GET, method: 'BREW', path: '' } });
      await send(wrapper, call, ok);
      expect(spans()[0]!.name).to.equal('HTTP');
      expect(spans()[0]!.attributes).to.deep.equal({
        'http.request.method': '_OTHER',
        'http.request.method_original': 'BREW',
        'http.response.status_code': 200,
        'server.address': 'orders',
        'server.port': 80,
        'url.full': 'http://orders',
        'ferrule.service': 'orders',
      });
      expect((await points())[0]!.attributes).to.not.have.property('url.template');
    });

    it('counts resends from the second attempt on', async () => {
      const { wrapper, spans } = make();
      const call = outbound();
      await call.run(async (root) => {
        await root.branch({ attempt: 1 }).run(wrapper(ok));
        return root.branch({ attempt: 3 }).run(wrapper(ok));
      });
      expect(spans().map((span) => span.attributes['http.request.resend_count'])).to.deep.equal([undefined, 2]);
    });

    it('ends with the last byte of a streamed body', async () => {
      const { wrapper, spans, points, clock } = make();
      const body = new Readable({ read() {} });
      const reply = await send(wrapper, outbound(), async () => new Reply(200, body));
      await clock.advance(1000);
      expect(spans()).to.deep.equal([]);
      body.push(null);
      body.resume();
      await new Promise((resolve) => body.once('close', resolve));
      expect(reply!.status).to.equal(200);
      expect(spans()).to.have.length(1);
      expect((await points())[0]!.sum).to.equal(1);
    });

    it('takes a stream that its reader gave up for cancelled, and one cut by a timeout for an error', async () => {
      for (const [reason, expected] of [
        [undefined, { 'ferrule.outcome': 'cancelled' }],
        [new ServiceError('DEADLINE_EXCEEDED', 'late', { reason: REASONS.timeout }), { 'error.type': 'TIMEOUT' }],
      ] as const) {
        const { wrapper, spans } = make();
        const body = new Readable({ read() {} });
        const call = outbound();
        await send(wrapper, call, async () => new Reply(200, body));
        if (reason !== undefined) call.abort(reason);
        body.destroy();
        await new Promise((resolve) => body.once('close', resolve));
        expect(spans()[0]!.attributes).to.include(expected);
      }
    });

    const headersSent = async (wrapper: Wrapper, call: Call): Promise<CallHeaders> => {
      let seen: CallHeaders = {};
      await send(wrapper, call, async (one) => {
        seen = one.headers;
        return new Reply(200);
      });
      return seen;
    };

    it('sends its own span as the parent, once, and baggage only to our own services', async () => {
      const baggage = propagation.setBaggage(context.active(), propagation.createBaggage({ tenant: { value: 'a' } }));
      const ours = make();
      const headers = await context.with(baggage, () => headersSent(ours.wrapper, outbound({ headers: { accept: 'x' } })));
      const { traceId, spanId } = ours.spans()[0]!.spanContext();
      expect(headers).to.deep.equal({ accept: 'x', traceparent: `00-${traceId}-${spanId}-01`, baggage: 'tenant=a' });
      const foreign = make({ trusted: false });
      expect(await context.with(baggage, () => headersSent(foreign.wrapper, outbound()))).to.have.all.keys('traceparent');
    });

    it('sends the parent even when it is not sampled', async () => {
      const { wrapper, spans, points } = make({}, true);
      expect((await headersSent(wrapper, outbound()))['traceparent']).to.match(/-00$/);
      expect(spans()).to.deep.equal([]);
      expect(await points()).to.have.length(1);
    });

    it('silences other instrumentation below itself, and only there', async () => {
      const { wrapper } = make();
      let below: unknown;
      await send(wrapper, outbound(), async () => {
        await Promise.resolve();
        below = context.active().getValue(SUPPRESSED);
        return new Reply(200);
      });
      expect(below).to.equal(true);
      expect(context.active().getValue(SUPPRESSED)).to.equal(undefined);
    });

    it('is silent itself where tracing is suppressed, and leaves it to the instrumentation when told so', async () => {
      const quiet = make();
      await context.with(context.active().setValue(SUPPRESSED, true), () => send(quiet.wrapper, outbound(), ok));
      expect(quiet.spans()).to.deep.equal([]);
      const deferred = make({ mode: 'defer' });
      let below: unknown;
      await send(deferred.wrapper, outbound(), async () => {
        below = context.active().getValue(SUPPRESSED);
        return new Reply(200);
      });
      expect(deferred.spans()).to.deep.equal([]);
      expect(await deferred.points()).to.deep.equal([]);
      expect(below).to.equal(undefined);
      expect(() => observeAttempt({ mode: 'auto' as 'own' })).to.throw(TypeError, /mode: auto is unknown/);
    });

    it('is a sibling of the other attempts, below the span of the request', async () => {
      const otel = sdk();
      const server = observeInbound({ tracerProvider: otel.tracerProvider });
      const client = observeAttempt({ tracerProvider: otel.tracerProvider });
      await serve(server, inbound(), async () => {
        await send(client, outbound(), failing(remote(503)));
        await send(client, outbound({ attempt: 2 }), ok);
        return new Reply(200);
      });
      const [first, second, whole] = otel.spans();
      expect([first!.parentSpanContext!.spanId, second!.parentSpanContext!.spanId]).to.deep.equal(Array(2).fill(whole!.spanContext().spanId));
      expect(whole!.status.code).to.equal(SpanStatusCode.UNSET);
    });
  });

  describe('propagation without an SDK', () => {
    const forwarded = async (headers: CallHeaders, own: CallHeaders = {}, options: ObserveAttemptOptions = {}): Promise<CallHeaders> => {
      let seen: CallHeaders = {};
      const handler = observeAttempt(options)(async (call) => {
        seen = call.headers;
        return new Reply(200);
      });
      await runInContext(inbound({ headers }), () => handler(outbound({ headers: own })));
      return seen;
    };

    it('hands the trace fields of the inbound call on as they came', async () => {
      const fields = { traceparent: TRACEPARENT, tracestate: 'a=1,b=2', baggage: 'tenant=a' };
      expect(await forwarded({ ...fields, cookie: 'c', host: 'h' }, { accept: 'x' })).to.deep.equal({ ...fields, accept: 'x' });
    });

    it('does so in every mode, and although a propagator is registered nobody has to write with', async () => {
      for (const mode of ['own', 'off'] as const)
        expect(await forwarded({ traceparent: TRACEPARENT }, {}, { mode })).to.deep.equal({ traceparent: TRACEPARENT });
    });

    it('sends baggage to our own services alone', async () => {
      expect(await forwarded({ traceparent: TRACEPARENT, baggage: 'tenant=a' }, {}, { trusted: false })).to.deep.equal({ traceparent: TRACEPARENT });
      expect(await forwarded({ baggage: 'tenant=a' })).to.deep.equal({ baggage: 'tenant=a' });
    });

    it('keeps the trace parent that the caller set, without mixing in the state of another', async () => {
      const own = { traceparent: TRACEPARENT.replace('b7ad', 'aaaa') };
      expect(await forwarded({ traceparent: TRACEPARENT, tracestate: 'a=1' }, own)).to.deep.equal(own);
    });

    it('sends none outside of an inbound call, nor from detached work', async () => {
      const call = outbound();
      let seen: Call | undefined;
      const handler = observeAttempt()(async (one) => ((seen = one), new Reply(200)));
      await handler(call);
      expect(seen).to.equal(call);
      await runInContext(inbound({ headers: { traceparent: TRACEPARENT } }), () => detached(() => handler(call)));
      expect(seen).to.equal(call);
      await runInContext(inbound(), () => handler(call));
      expect(seen).to.equal(call);
    });

    for (const [name, value, goesOn] of [
      ['version 00', TRACEPARENT, true],
      ['a later version with more', `01${TRACEPARENT.slice(2)}-extra`, true],
      ['version 00 with more', `${TRACEPARENT}-extra`, false],
      ['version ff', `ff${TRACEPARENT.slice(2)}`, false],
      ['a trace id of zeros', '00-00000000000000000000000000000000-b7ad6b7169203331-01', false],
      ['a parent id of zeros', '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01', false],
      ['capitals', TRACEPARENT.toUpperCase(), false],
      ['two joined ones', `${TRACEPARENT}, ${TRACEPARENT}`, false],
      ['a line break', `${TRACEPARENT}\r\nset-cookie: a=b`, false],
      ['nothing', '', false],
    ] as const) {
      it(`${goesOn ? 'hands on' : 'drops'} a trace parent: ${name}`, async () => {
        expect(await forwarded({ traceparent: value, tracestate: 'a=1' })).to.deep.equal(goesOn ? { traceparent: value, tracestate: 'a=1' } : {});
      });
    }

    it('bounds what it hands on, member by member, and drops what does not belong into a header', async () => {
      const members = Array.from({ length: 40 }, (_, index) => `k${index}=v`);
      const long = await forwarded({
        traceparent: TRACEPARENT,
        tracestate: members.join(','),
        baggage: `a=${'x'.repeat(8000)},b=${'y'.repeat(500)},c=1`,
      });
      expect(long['tracestate']).to.equal(members.slice(0, 32).join(','));
      expect(long['baggage']).to.equal(`a=${'x'.repeat(8000)}`);
      const wide = await forwarded({ traceparent: TRACEPARENT, tracestate: `a=${'x'.repeat(600)}`, baggage: 'a=\u0000' });
      expect(wide).to.deep.equal({ traceparent: TRACEPARENT });
      const repeated = await forwarded({ traceparent: TRACEPARENT, tracestate: ['a=1', 'b=2'] });
      expect(repeated['tracestate']).to.equal('a=1, b=2');
    });

    it('hands raw fields on when spans are made but no propagator writes them', async () => {
      propagation.disable();
      try {
        const { tracerProvider } = sdk();
        expect(await forwarded({ traceparent: TRACEPARENT }, {}, { tracerProvider })).to.deep.equal({ traceparent: TRACEPARENT });
        expect(await forwarded({ traceparent: TRACEPARENT }, {}, { mode: 'defer' })).to.deep.equal({ traceparent: TRACEPARENT });
      } finally {
        propagation.setGlobalPropagator(new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }));
      }
    });
  });

  describe('observeCall', () => {
    const make = (options: ObserveCallOptions = {}) => {
      const otel = sdk();
      const clock = manualClock();
      return { ...otel, clock, wrapper: observeCall({ tracerProvider: otel.tracerProvider, meterProvider: otel.meterProvider, clock, ...options }) };
    };

    it('records what the caller feels: all attempts and waits in one duration', async () => {
      const { wrapper, points, spans, clock } = make();
      await wrapper(async () => {
        await clock.advance(700);
        return new Reply(200);
      })(outbound());
      await turn();
      const [point] = await points();
      expect(point).to.deep.include({ name: 'ferrule.client.call.duration', unit: 's', sum: 0.7 });
      expect(point!.attributes).to.deep.equal({
        'ferrule.service': 'orders',
        'ferrule.operation': 'GET /orders/:id',
        'http.response.status_code': 200,
      });
      expect(spans()).to.deep.equal([]);
    });

    for (const [name, error, expected] of [
      ['refused before any attempt', new ServiceError('UNAVAILABLE', 'open', { reason: REASONS.circuitOpen }), { 'error.type': 'CIRCUIT_OPEN' }],
      ['answered with an error', remote(503), { 'error.type': '503', 'http.response.status_code': 503 }],
      ['given up by the caller', new ServiceError('CANCELLED', 'gone'), { 'ferrule.outcome': 'cancelled' }],
    ] as const) {
      it(`tells how it went: ${name}`, async () => {
        const { wrapper, points } = make();
        await wrapper(failing(error))(outbound()).catch(() => undefined);
        await turn();
        expect((await points())[0]!.attributes).to.deep.equal({ 'ferrule.service': 'orders', 'ferrule.operation': 'GET /orders/:id', ...expected });
      });
    }

    it('counts the attempts of a call in one histogram, by service and outcome', async () => {
      const { wrapper, points, meterProvider } = make();
      const attempt = observeAttempt({ meterProvider, mode: 'off' });
      const stack = (retries: number, reply: Handler) =>
        wrapper(async (call) => {
          for (let made = 1; made <= retries; made++)
            await call
              .branch({ attempt: made })
              .run(attempt(failing(remote(503))))
              .catch(() => undefined);
          return call.branch({ attempt: retries + 1 }).run(attempt(reply));
        });
      await stack(0, ok)(outbound());
      await stack(2, ok)(outbound());
      await stack(1, failing(remote(503)))(outbound()).catch(() => undefined);
      await wrapper(failing(new ServiceError('CANCELLED', 'gone')))(outbound()).catch(() => undefined);
      await turn();
      const found = (await points()).filter(({ name }) => name === 'ferrule.client.attempts');
      expect(found.map(({ unit, attributes, sum, count }) => ({ unit, ...attributes, sum, count }))).to.deep.equal([
        { unit: '{attempt}', 'ferrule.service': 'orders', 'ferrule.outcome': 'success', sum: 4, count: 2 },
        { unit: '{attempt}', 'ferrule.service': 'orders', 'ferrule.outcome': 'failure', sum: 2, count: 1 },
        { unit: '{attempt}', 'ferrule.service': 'orders', 'ferrule.outcome': 'cancelled', sum: 0, count: 1 },
      ]);
    });

    it('groups the attempts under one INTERNAL span when asked', async () => {
      const { wrapper, spans, tracerProvider } = make({ span: true });
      const stack = compose(wrapper, observeAttempt({ tracerProvider }))(ok);
      await outbound().run(stack);
      await turn();
      const [attempt, whole] = spans();
      expect(whole!.name).to.equal('orders GET /orders/:id');
      expect(whole!.kind).to.equal(SpanKind.INTERNAL);
      expect(attempt!.parentSpanContext!.spanId).to.equal(whole!.spanContext().spanId);
    });

    it('hands the call on untouched without an SDK', async () => {
      const call = outbound();
      let seen: Call | undefined;
      await observeCall()(async (one) => ((seen = one), new Reply(200)))(call);
      expect(seen).to.equal(call);
    });
  });

  describe('requestFacts', () => {
    const factsFor = (path: string): Promise<RequestFacts> =>
      new Promise((resolve, reject) => {
        const server = createServer((req, res) => {
          res.end();
          server.close(() => resolve(facts));
          const facts = requestFacts(req);
        }).listen(0, '127.0.0.1', () => {
          get({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, path, agent: false }, (res) => res.resume()).on('error', reject);
        });
      });

    it('reads them off a native request', async () => {
      const { peerPort, ...facts } = await factsFor('/orders/4%202?a=1&b=2?');
      expect(facts).to.deep.equal({ path: '/orders/4%202', query: 'a=1&b=2?', scheme: 'http', protocolVersion: '1.1', peerAddress: '127.0.0.1' });
      expect(peerPort).to.be.a('number');
    });

    for (const [url, path, query] of [
      ['/a', '/a', undefined],
      ['/a?', '/a', undefined],
      ['/?x', '/', 'x'],
    ] as const) {
      it(`${url} has the path ${path} and ${query === undefined ? 'no query' : `the query ${query}`}`, async () => {
        const facts = await factsFor(url);
        expect([facts.path, facts.query]).to.deep.equal([path, query]);
      });
    }

    it('believes what was sent, not what a mount path left of it, and knows TLS', () => {
      const req = { url: '/42', originalUrl: '/orders/42', httpVersion: '1.1', socket: { encrypted: true } } as unknown as IncomingMessage; // only what is read
      expect(requestFacts(req)).to.deep.equal({ path: '/orders/42', scheme: 'https', protocolVersion: '1.1' });
    });
  });

  it('names the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../../packages/core/package.json', import.meta.url), 'utf8')) as { version: string };
    const otel = sdk();
    await serve(observeInbound({ tracerProvider: otel.tracerProvider }), inbound(), ok);
    expect(otel.spans()[0]!.instrumentationScope.version).to.equal(version);
  });
});
