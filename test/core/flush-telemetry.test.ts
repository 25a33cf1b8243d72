import { metrics, trace } from '@opentelemetry/api';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { expect } from 'chai';
import { createService, silentLogger } from '@ferrule/core';
import { expressAdapter } from '@ferrule/express';

describe('telemetry of the providers that the application has registered', () => {
  let flushed: string[];
  const tracing = new BasicTracerProvider();
  const measuring = new MeterProvider();
  tracing.forceFlush = async () => void flushed.push('traces');
  measuring.forceFlush = async () => void flushed.push('metrics');

  beforeEach(() => {
    flushed = [];
    trace.setGlobalTracerProvider(tracing);
    metrics.setGlobalMeterProvider(measuring);
  });
  afterEach(() => {
    trace.disable();
    metrics.disable();
  });

  const run = async (telemetry?: false): Promise<void> => {
    const service = createService({
      name: 'orders',
      adapter: expressAdapter(),
      listen: { host: '127.0.0.1' },
      signals: false,
      logger: silentLogger,
      ...(telemetry === false && { telemetry }),
    });
    await service.start();
    await service.stop();
  };

  it('is flushed at the end of the stop', async () => {
    await run();
    expect(flushed.sort()).to.deep.equal(['metrics', 'traces']);
  });

  it('is left to the application with telemetry: false', async () => {
    await run(false);
    expect(flushed).to.deep.equal([]);
  });
});
