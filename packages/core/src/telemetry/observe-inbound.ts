import { SpanKind, SpanStatusCode, context, createContextKey, propagation, trace } from '@opentelemetry/api';
import type { Attributes, Context, Histogram, Span } from '@opentelemetry/api';
import type { Call } from '../call/call.js';
import type { End } from '../call/life.js';
import type { Reply } from '../call/reply.js';
import { checkFlag, checkFunction, checkOptions, checkSurroundings, namesOf } from '../options/check.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { named } from '../wrappers/wrapper.js';
import type { Handler, Wrapper } from '../wrappers/wrapper.js';
import { splitHost } from './request-facts.js';
import type { RequestFacts } from './request-facts.js';
import { OTHER, durationOptions, errorTypeOf, filledPath, isCancellation, knownMethods, spanName, withoutSecrets } from './semantic.js';
import { checkProviders, histogramSource, tracerSource } from './sources.js';
import type { ProviderOptions } from './sources.js';

export interface ObserveInboundOptions extends ProviderOptions {
  /**
   * `auto`: when OpenTelemetry's HTTP instrumentation observes the request already, only the route is told to it, otherwise a
   * SERVER span and a duration of our own; `own`: always our own; `off`: nothing. Default `auto`.
   */
  readonly mode?: 'auto' | 'own' | 'off';
  /** What a span says of the native request; asked for only when one is recorded. Default: what the Call knows. */
  readonly facts?: (call: Call) => RequestFacts;
  /** Whether the error behind a 5xx is put on the span, with its stack trace. Default true. */
  readonly recordExceptions?: boolean;
  readonly clock?: Clock;
}

const OPTIONS = namesOf<ObserveInboundOptions>({
  tracerProvider: true,
  meterProvider: true,
  mode: true,
  facts: true,
  recordExceptions: true,
  clock: true,
});

/** The instrumentation of node:http leaves itself in the context under this key; keys are made by name, so that the API alone finds it. */
const RPC_METADATA = createContextKey('OpenTelemetry SDK Context Key RPC_METADATA');
const MODES: readonly string[] = ['auto', 'own', 'off'];
const NO_FACTS: RequestFacts = {};

/**
 * One SERVER span and one `http.server.request.duration` (seconds) for each call, with the words of OpenTelemetry's stable HTTP
 * conventions. Both end when the reply has left or the socket closed, and tell the status that really left. A 4xx and a caller
 * that went away are no errors. Without an SDK it costs two look-ups and hands the call on.
 * @throws TypeError when `mode` is unknown.
 */
export function observeInbound(options: ObserveInboundOptions = {}): Wrapper {
  checkOptions('observeInbound', options, OPTIONS);
  checkSurroundings('observeInbound', options);
  checkProviders('observeInbound', options);
  checkFlag(options.recordExceptions, 'observeInbound recordExceptions');
  checkFunction(options.facts, 'observeInbound facts');
  const { mode = 'auto', clock = systemClock, recordExceptions = true, facts } = options;
  if (!MODES.includes(mode)) throw new TypeError(`observeInbound mode: ${String(mode)} is unknown. Use one of ${MODES.join(', ')}.`);
  if (mode === 'off') return named({ name: 'observe' }, (next) => next);
  const tracerOfNow = tracerSource(options.tracerProvider);
  const durationOfNow = histogramSource(options.meterProvider, 'http.server.request.duration', durationOptions('Duration of HTTP server requests.'));
  const methods = knownMethods();

  return named({ name: 'observe' }, (next) => (call) => {
    const tracer = tracerOfNow();
    const duration = durationOfNow();
    if (tracer === undefined && duration === undefined) return next(call);
    const active = context.active();
    if (mode === 'auto' && tellRoute(active, call)) return next(call);

    const method = methods.has(call.operation.method) ? call.operation.method : OTHER;
    const about = facts?.(call) ?? NO_FACTS;
    // Parents are remote: an active span is that of start-up, whose context a listening socket carries into every request.
    const parent = propagation.extract(trace.deleteSpan(active), call.headers);
    const span = tracer?.startSpan(
      spanName(method, call.operation.path),
      { kind: SpanKind.SERVER, attributes: spanAttributes(call, method, about) },
      parent,
    );
    const scope = span === undefined ? parent : trace.setSpan(parent, span);
    const observation = new Inbound(call, method, about, clock, span, duration, scope, recordExceptions);
    return observation.watch(context.with(scope, invoke, undefined, next, call));
  });
}

/** Tells the instrumentation that owns the request's span which route it was; false when there is none. */
function tellRoute(active: Context, call: Call): boolean {
  const metadata = active.getValue(RPC_METADATA) as { type?: string; route?: string } | undefined;
  if (metadata?.type !== 'http') return false;
  const route = call.operation.path;
  if (route !== '') {
    metadata.route = route;
    trace.getSpan(active)?.setAttribute('http.route', route);
  }
  return true;
}

function invoke(next: Handler, call: Call): Promise<Reply> {
  try {
    return next(call);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** From the first byte of a request to the last of its reply. */
class Inbound {
  readonly #start: number;
  #status: number | undefined;
  #settled = false;
  #error: unknown;
  #end: End | undefined;

  constructor(
    readonly call: Call,
    readonly method: string,
    readonly facts: RequestFacts,
    readonly clock: Clock,
    readonly span: Span | undefined,
    readonly duration: Histogram | undefined,
    readonly scope: Context,
    readonly recordExceptions: boolean,
  ) {
    this.#start = clock.now();
  }

  watch(result: Promise<Reply>): Promise<Reply> {
    this.call.onAnswered((status) => (this.#status = status));
    result.then(
      (reply) => this.#settle(reply.status, reply.error),
      (error: unknown) => this.#settle(undefined, error),
    );
    this.call.onOwnEnd((end) => {
      this.#end = end;
      this.#finish();
    });
    return result;
  }

  #settle(status: number | undefined, error: unknown): void {
    this.#settled = true;
    this.#status ??= status;
    this.#error = error;
    this.#finish();
  }

  #finish(): void {
    const end = this.#end;
    if (end === undefined) return;
    // A native handler's promise may settle after the last byte; what it answered is known by then at the latest.
    if (end.kind === 'done' && this.#status === undefined && !this.#settled) return;
    const { call, span, duration } = this;
    this.#end = undefined;
    const status = this.#status;
    const errorType = this.#errorType(end, status);
    if (duration !== undefined) {
      const attributes = metricAttributes(call, this.method, this.facts, status, errorType);
      if (status === undefined && end.kind === 'aborted') attributes['ferrule.outcome'] = 'cancelled';
      duration.record((this.clock.now() - this.#start) / 1000, attributes, this.scope);
    }
    if (span === undefined) return;
    if (span.isRecording()) {
      if (status !== undefined) span.setAttribute('http.response.status_code', status);
      if (errorType !== undefined) {
        span.setAttribute('error.type', errorType);
        span.setStatus({ code: SpanStatusCode.ERROR });
        if (this.recordExceptions && this.#error instanceof Error) span.recordException(this.#error);
      } else if (end.kind === 'aborted') {
        span.setAttribute('ferrule.outcome', 'cancelled');
      }
    }
    span.end();
  }

  /** undefined when it went well, when the client is to blame, and when it went away. */
  #errorType(end: End, status: number | undefined): string | undefined {
    if (status !== undefined && status >= 500) return String(status);
    if (end.kind === 'failed') return this.#error === undefined ? OTHER : errorTypeOf(this.#error);
    if (status === undefined && end.kind === 'done' && this.#error !== undefined && !isCancellation(this.#error)) return errorTypeOf(this.#error);
    return undefined;
  }
}

function spanAttributes(call: Call, method: string, facts: RequestFacts): Attributes {
  const { operation } = call;
  const attributes: Attributes = {
    'http.request.method': method,
    'url.path': facts.path ?? filledPath(call),
    'url.scheme': facts.scheme ?? 'http',
  };
  if (method === OTHER) attributes['http.request.method_original'] = operation.method;
  if (operation.path !== '') attributes['http.route'] = operation.path;
  if (operation.name !== `${operation.method} ${operation.path}`) attributes['ferrule.operation'] = operation.name;
  if (facts.query !== undefined) attributes['url.query'] = withoutSecrets(facts.query);
  const host = call.header('host');
  if (host !== undefined) {
    const server = splitHost(host);
    attributes['server.address'] = server.host;
    if (server.port !== undefined) attributes['server.port'] = server.port;
  }
  if (facts.peerAddress !== undefined) {
    attributes['client.address'] = facts.peerAddress;
    attributes['network.peer.address'] = facts.peerAddress;
  }
  if (facts.peerPort !== undefined) attributes['network.peer.port'] = facts.peerPort;
  if (facts.protocolVersion !== undefined) attributes['network.protocol.version'] = facts.protocolVersion;
  const agent = call.header('user-agent');
  if (agent !== undefined) attributes['user_agent.original'] = agent;
  return attributes;
}

function metricAttributes(call: Call, method: string, facts: RequestFacts, status: number | undefined, errorType: string | undefined): Attributes {
  const attributes: Attributes = { 'http.request.method': method, 'url.scheme': facts.scheme ?? 'http' };
  if (call.operation.path !== '') attributes['http.route'] = call.operation.path;
  if (status !== undefined) attributes['http.response.status_code'] = status;
  if (errorType !== undefined) attributes['error.type'] = errorType;
  if (facts.protocolVersion !== undefined) attributes['network.protocol.version'] = facts.protocolVersion;
  return attributes;
}
