import { checkMethods } from '../options/check.js';
import { createNoopMeter, metrics, trace } from '@opentelemetry/api';
import type { Histogram, MeterProvider, MetricOptions, Tracer, TracerProvider } from '@opentelemetry/api';

/** The instrumentation scope of all spans and metrics of this package. */
export const SCOPE = '@ferrule/core';
/** Of the scope; a test keeps it equal to the package's. */
export const SCOPE_VERSION = '0.1.0';

/** Where telemetry goes. Default: the providers that the application registered with `@opentelemetry/api`, whenever it did so. */
export interface ProviderOptions {
  readonly tracerProvider?: TracerProvider;
  readonly meterProvider?: MeterProvider;
}

/** @throws TypeError for a provider that is none. */
export function checkProviders(factory: string, { tracerProvider, meterProvider }: ProviderOptions): void {
  checkMethods(tracerProvider, ['getTracer'], `${factory} tracerProvider`, 'Give a TracerProvider of OpenTelemetry, or leave it out');
  checkMethods(meterProvider, ['getMeter'], `${factory} meterProvider`, 'Give a MeterProvider of OpenTelemetry, or leave it out');
}

/**
 * The tracer of now, undefined while there is no SDK: that answer costs nanoseconds, so that nothing is built for nobody.
 * Asked on each call, because an SDK may be registered after the stack was composed.
 */
export function tracerSource(own: TracerProvider | undefined): () => Tracer | undefined {
  let seen: TracerProvider | undefined;
  let tracer: Tracer | undefined;
  return () => {
    const provider = own ?? trace.getTracerProvider();
    if (tracer !== undefined && provider === seen) return tracer;
    seen = provider;
    tracer = tracerOf(provider);
    return tracer;
  };
}

/** What the API's proxy has beside `getTracer`: the tracer of the real provider, undefined until one is set. Found by shape, as there may be two copies of the API. */
interface ProxyProvider extends TracerProvider {
  getDelegateTracer?(name: string, version: string): Tracer | undefined;
}

function tracerOf(provider: ProxyProvider): Tracer | undefined {
  // Without a delegate `getTracer` would give one whose spans record nothing.
  return provider.getDelegateTracer === undefined ? provider.getTracer(SCOPE, SCOPE_VERSION) : provider.getDelegateTracer(SCOPE, SCOPE_VERSION);
}

/**
 * The histogram of now, undefined while there is no SDK. Kept per provider: the metrics API has no proxy, so that an instrument
 * made before the SDK was registered would stay mute for ever.
 */
export function histogramSource(own: MeterProvider | undefined, name: string, options: MetricOptions): () => Histogram | undefined {
  let seen: MeterProvider | undefined;
  let histogram: Histogram | undefined;
  return () => {
    const provider = own ?? metrics.getMeterProvider();
    if (provider === seen) return histogram;
    seen = provider;
    const meter = provider.getMeter(SCOPE, SCOPE_VERSION);
    histogram = meter === createNoopMeter() ? undefined : meter.createHistogram(name, options);
    return histogram;
  };
}
