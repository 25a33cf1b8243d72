import type { BatchObservableCallback, MeterProvider as Provider } from '@opentelemetry/api';
import { AggregationTemporality, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import type { CollectionResult } from '@opentelemetry/sdk-metrics';

class Reader extends MetricReader {
  constructor() {
    super({ aggregationTemporalitySelector: () => AggregationTemporality.CUMULATIVE });
  }
  protected async onForceFlush(): Promise<void> {}
  protected async onShutdown(): Promise<void> {}
}

/** A metrics SDK that belongs to one test, read when the test wants, and the callbacks that it holds. */
export interface MetricsSdk {
  readonly meterProvider: Provider;
  readonly callbacks: ReadonlySet<BatchObservableCallback>;
  collect(): Promise<CollectionResult>;
}

export function metricsSdk(): MetricsSdk {
  const reader = new Reader();
  const real = new MeterProvider({ readers: [reader] });
  const callbacks = new Set<BatchObservableCallback>();
  return {
    meterProvider: {
      getMeter(...parts) {
        const meter = real.getMeter(...parts);
        const [add, remove] = [meter.addBatchObservableCallback.bind(meter), meter.removeBatchObservableCallback.bind(meter)];
        meter.addBatchObservableCallback = (callback, observables) => (callbacks.add(callback), add(callback, observables));
        meter.removeBatchObservableCallback = (callback, observables) => (callbacks.delete(callback), remove(callback, observables));
        return meter;
      },
    },
    callbacks,
    collect: () => reader.collect(),
  };
}
