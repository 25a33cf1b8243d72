import { SpanKind, context, createContextKey, propagation, trace } from '@opentelemetry/api';
import type { Attributes, Context } from '@opentelemetry/api';
import type { Call } from '../call/call.js';
import { checkFlag, checkFunction, checkOptions, checkSurroundings, namesOf } from '../options/check.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { named } from '../wrappers/wrapper.js';
import type { Wrapper } from '../wrappers/wrapper.js';
import { attemptBegins } from './attempt-count.js';
import { observed } from './outbound.js';
import type { Result } from './outbound.js';
import { forwardTrace } from './propagation.js';
import { splitHost } from './request-facts.js';
import { OTHER, durationOptions, filledPath, knownMethods, spanName, withoutSecrets } from './semantic.js';
import { checkProviders, histogramSource, tracerSource } from './sources.js';
import type { ProviderOptions } from './sources.js';

export interface ObserveAttemptOptions extends ProviderOptions {
  /**
   * `own`: a CLIENT span and a duration of our own for each attempt, and instrumentation of node:http, fetch and undici is told
   * to be silent below; `defer`: that instrumentation observes and propagates; `off`: nothing but handing trace fields on. Default `own`.
   */
  readonly mode?: 'own' | 'defer' | 'off';
  /** Whether the other side is one of ours, found through a registry: baggage goes nowhere else. Default true. */
  readonly trusted?: boolean;
  /** Whether durations are kept apart by the address of the instance, which makes as many time series as there were ever instances. Default false: by service. */
  readonly byInstance?: boolean;
  /** Path and query as they are sent, for `url.full`. Default: the template filled with the parameters. */
  readonly target?: (call: Call) => string;
  readonly clock?: Clock;
}

export const OBSERVE_ATTEMPT_OPTIONS: readonly string[] = namesOf<ObserveAttemptOptions>({
  tracerProvider: true,
  meterProvider: true,
  mode: true,
  trusted: true,
  byInstance: true,
  target: true,
  clock: true,
});

/** Instrumentation that finds this set in the context makes no span and writes no header; keys are made by name. */
const SUPPRESS_TRACING = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');
const MODES: readonly string[] = ['own', 'defer', 'off'];

/**
 * One CLIENT span and one `http.client.request.duration` (seconds) for each attempt, which knows the endpoint, with the words of
 * OpenTelemetry's stable HTTP conventions, and the trace fields in the headers. A 4xx is an error here, a caller that lost
 * interest is none. Without an SDK the trace fields of the inbound call are handed on as they came.
 * Stands inside of `balance` and of whatever branches the call for each attempt.
 * @throws TypeError when `mode` is unknown.
 */
export function observeAttempt(options: ObserveAttemptOptions = {}): Wrapper {
  checkOptions('observeAttempt', options, OBSERVE_ATTEMPT_OPTIONS);
  checkSurroundings('observeAttempt', options);
  checkProviders('observeAttempt', options);
  checkFlag(options.trusted, 'observeAttempt trusted');
  checkFlag(options.byInstance, 'observeAttempt byInstance');
  checkFunction(options.target, 'observeAttempt target');
  const { mode = 'own', trusted = true, byInstance = false, clock = systemClock, target = filledTarget } = options;
  if (!MODES.includes(mode)) throw new TypeError(`observeAttempt mode: ${String(mode)} is unknown. Use one of ${MODES.join(', ')}.`);
  const tracerOfNow = mode === 'own' ? tracerSource(options.tracerProvider) : () => undefined;
  const durationOfNow =
    mode === 'own'
      ? histogramSource(options.meterProvider, 'http.client.request.duration', durationOptions('Duration of HTTP client requests.'))
      : () => undefined;
  const methods = knownMethods();
  const methodOf = (call: Call): string => (methods.has(call.operation.method) ? call.operation.method : OTHER);
  const attributes = (call: Call, result: Result): Attributes => metricAttributes(call, methodOf(call), addressOf(call, trusted, byInstance), result);

  return named({ name: 'observe(attempt)' }, (next) => (call) => {
    attemptBegins(call);
    const tracer = tracerOfNow();
    const duration = durationOfNow();
    if (tracer === undefined) {
      const sent = mode !== 'defer' || noPropagator() ? forwardTrace(call, trusted) : call;
      return duration === undefined ? next(sent) : observed(next, sent, { clock, span: undefined, duration, scope: context.active(), attributes });
    }
    const active = context.active();
    if (active.getValue(SUPPRESS_TRACING) === true) return next(call);
    const method = methodOf(call);
    const span = tracer.startSpan(
      spanName(method, call.operation.path),
      { kind: SpanKind.CLIENT, attributes: spanAttributes(call, method, addressOf(call, trusted, false), target) },
      active,
    );
    const scope = trace.setSpan(active, span);
    const sinks = { clock, span, duration, scope, attributes };
    return context.with(scope.setValue(SUPPRESS_TRACING, true), observed, undefined, next, withTrace(call, scope, trusted), sinks);
  });
}

function noPropagator(): boolean {
  return propagation.fields().length === 0;
}

/** The call with the fields that the registered propagator writes, and those of the inbound call when there is none. */
function withTrace(call: Call, scope: Context, trusted: boolean): Call {
  if (noPropagator()) return forwardTrace(call, trusted);
  const fields: Record<string, string> = {};
  propagation.inject(trusted ? scope : propagation.deleteBaggage(scope), fields);
  for (const _ in fields) return call.derive({ headers: { ...call.headers, ...fields } });
  return call;
}

interface ServerAddress {
  readonly host: string;
  readonly port: number | undefined;
}

/** A service is known by its name; whatever was addressed directly, by its address. */
function addressOf(call: Call, trusted: boolean, byInstance: boolean): ServerAddress {
  const origin = call.endpoint?.origin;
  const secure = origin?.startsWith('https:') === true;
  if (origin !== undefined && (byInstance || !trusted)) return splitOrigin(origin);
  return { host: call.operation.service, port: secure ? 443 : 80 };
}

function splitOrigin(origin: string): ServerAddress {
  const at = origin.indexOf('://');
  const { host, port } = splitHost(at < 0 ? origin : origin.slice(at + 3));
  return { host, port: port ?? (origin.startsWith('https:') ? 443 : 80) };
}

function spanAttributes(call: Call, method: string, server: ServerAddress, target: (call: Call) => string): Attributes {
  const { operation, endpoint } = call;
  const attributes: Attributes = {
    'http.request.method': method,
    'server.address': server.host,
    'ferrule.service': operation.service,
    'url.full': `${endpoint?.origin ?? `http://${server.host}`}${redacted(target(call))}`,
  };
  if (server.port !== undefined) attributes['server.port'] = server.port;
  if (method === OTHER) attributes['http.request.method_original'] = operation.method;
  if (operation.path !== '') attributes['url.template'] = operation.path;
  if (call.attempt > 1) attributes['http.request.resend_count'] = call.attempt - 1;
  if (endpoint !== undefined) {
    const peer = splitOrigin(endpoint.origin);
    attributes['network.peer.address'] = peer.host;
    attributes['network.peer.port'] = peer.port!;
    attributes['ferrule.instance'] = endpoint.id;
  }
  return attributes;
}

function metricAttributes(call: Call, method: string, server: ServerAddress, result: Result): Attributes {
  const attributes: Attributes = { 'http.request.method': method, 'server.address': server.host };
  if (server.port !== undefined) attributes['server.port'] = server.port;
  if (call.operation.path !== '') attributes['url.template'] = call.operation.path;
  if (result.status !== undefined) attributes['http.response.status_code'] = result.status;
  if (result.errorType !== undefined) attributes['error.type'] = result.errorType;
  if (result.cancelled) attributes['ferrule.outcome'] = 'cancelled';
  return attributes;
}

function redacted(target: string): string {
  const at = target.indexOf('?');
  return at < 0 ? target : `${target.slice(0, at)}?${withoutSecrets(target.slice(at + 1))}`;
}

function filledTarget(call: Call): string {
  const path = filledPath(call);
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(call.query)) {
    if (typeof value === 'string') query.append(name, value);
    else if (value !== undefined) for (const one of value) query.append(name, one);
  }
  const text = query.toString();
  return text === '' ? path : `${path}?${text}`;
}
