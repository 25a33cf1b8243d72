import { SpanKind, context, trace } from '@opentelemetry/api';
import type { Attributes } from '@opentelemetry/api';
import type { Call } from '../call/call.js';
import { checkFlag, checkOptions, checkSurroundings, namesOf } from '../options/check.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { named } from '../wrappers/wrapper.js';
import type { Wrapper } from '../wrappers/wrapper.js';
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
 * refusals included, by service, operation, status and error. The attempts are measured by `observeAttempt`.
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
    return context.with(scope, observed, undefined, next, call, { clock, span, duration, scope, attributes });
  });
}

function identity(call: Call): Attributes {
  return { 'ferrule.service': call.operation.service, 'ferrule.operation': call.operation.name };
}

function attributes(call: Call, result: Result): Attributes {
  const all = identity(call);
  if (result.status !== undefined) all['http.response.status_code'] = result.status;
  if (result.errorType !== undefined) all['error.type'] = result.errorType;
  if (result.cancelled) all['ferrule.outcome'] = 'cancelled';
  return all;
}
