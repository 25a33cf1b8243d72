import { SpanKind, context, trace } from '@opentelemetry/api';
import type { Attributes } from '@opentelemetry/api';
import type { Call } from '../call/call.js';
import { checkFlag, checkOptions, checkSurroundings, namesOf } from '../options/check.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { named } from '../wrappers/wrapper.js';
import type { Wrapper } from '../wrappers/wrapper.js';
import { ATTEMPTS_METRIC, ATTEMPTS_OPTIONS, countAttempts } from './attempt-count.js';
import { observed } from './outbound.js';
import type { Result } from './outbound.js';
import { durationOptions } from './semantic.js';
import { checkProviders, histogramSource, tracerSource } from './sources.js';
import type { ProviderOptions } from './sources.js';

export interface ObserveCallOptions extends ProviderOptions {
  /** Whether each call has an INTERNAL span around those of its attempts, which also shows calls that were refused before any attempt. Default false. */
  readonly span?: boolean;
  readonly clock?: Clock;
}

export const OBSERVE_CALL_OPTIONS: readonly string[] = namesOf<ObserveCallOptions>({
  tracerProvider: true,
  meterProvider: true,
  span: true,
  clock: true,
});

/**
 * What the caller feels: one `ferrule.client.call.duration` (seconds) for each outbound call, all its attempts, waits and
 * refusals included, by service, operation, status and error; and one `ferrule.client.attempts`, how many attempts it took, by service and
 * outcome (`success`, `failure`, `cancelled`). The attempts themselves are measured by `observeAttempt`.
 */
export function observeCall(options: ObserveCallOptions = {}): Wrapper {
  checkOptions('observeCall', options, OBSERVE_CALL_OPTIONS);
  checkSurroundings('observeCall', options);
  checkFlag(options.span, 'observeCall span');
  checkProviders('observeCall', options);
  const { clock = systemClock } = options;
  const tracerOfNow = options.span === true ? tracerSource(options.tracerProvider) : () => undefined;
  const durationOfNow = histogramSource(
    options.meterProvider,
    'ferrule.client.call.duration',
    durationOptions('Duration of outbound calls as their caller feels them, all attempts included.'),
  );
  const attemptsOfNow = histogramSource(options.meterProvider, ATTEMPTS_METRIC, ATTEMPTS_OPTIONS);

  return named({ name: 'observe(call)' }, (next) => (call) => {
    const tracer = tracerOfNow();
    const duration = durationOfNow();
    if (tracer === undefined && duration === undefined) return next(call);
    const active = context.active();
    const span = tracer?.startSpan(
      `${call.operation.service} ${call.operation.name}`,
      { kind: SpanKind.INTERNAL, attributes: identity(call) },
      active,
    );
    const scope = span === undefined ? active : trace.setSpan(active, span);
    const attempts = duration === undefined ? undefined : attemptsOfNow();
    if (attempts === undefined) return context.with(scope, observed, undefined, next, call, { clock, span, duration, scope, attributes });
    const count = countAttempts(call);
    const counted = (one: Call, result: Result): Attributes => {
      attempts.record(count.attempts, outcome(one, result), scope);
      return attributes(one, result);
    };
    return context.with(scope, observed, undefined, next, call, { clock, span, duration, scope, attributes: counted });
  });
}

function identity(call: Call): Attributes {
  return { 'ferrule.service': call.operation.service, 'ferrule.operation': call.operation.name };
}

function outcome(call: Call, { cancelled, errorType }: Result): Attributes {
  return { 'ferrule.service': call.operation.service, 'ferrule.outcome': cancelled ? 'cancelled' : errorType === undefined ? 'success' : 'failure' };
}

function attributes(call: Call, result: Result): Attributes {
  const all = identity(call);
  if (result.status !== undefined) all['http.response.status_code'] = result.status;
  if (result.errorType !== undefined) all['error.type'] = result.errorType;
  if (result.cancelled) all['ferrule.outcome'] = 'cancelled';
  return all;
}
