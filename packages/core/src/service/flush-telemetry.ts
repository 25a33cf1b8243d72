import { metrics, trace } from '@opentelemetry/api';
import { checkList, checkMethods } from '../options/check.js';

/** What holds telemetry back to send it together: the providers of OpenTelemetry's SDK, and whatever of an application's own does so too. */
export interface Flushable {
  /** Sends what it holds. */
  forceFlush(): Promise<unknown>;
}

/** @throws TypeError for one that cannot be flushed. */
export function checkFlushables(value: unknown, option: string): void {
  if (value === false) return;
  checkList(value, option, 'what has forceFlush(), such as a LoggerProvider; or false for no flush');
  for (const [index, one] of ((value ?? []) as readonly unknown[]).entries())
    checkMethods(one ?? null, ['forceFlush'], `${option}[${index}]`, 'Give a provider of OpenTelemetry, or what has forceFlush()');
}

/**
 * Flushes those given and the providers that are registered with `@opentelemetry/api`, all at once, each once. Rejects when one of them fails, after
 * all have ended. undefined when there is nobody to flush.
 */
export function flushTelemetry(given: readonly Flushable[] = []): Promise<unknown> | undefined {
  const all = new Set<Flushable>(given);
  for (const provider of [tracerProvider(), metrics.getMeterProvider()]) if (isFlushable(provider)) all.add(provider);
  if (all.size === 0) return undefined;
  return Promise.allSettled(Array.from(all, async (one) => one.forceFlush())).then((ends) => {
    const failed = ends.filter((end) => end.status === 'rejected');
    if (failed.length > 0) throw failed[0]!.reason;
  });
}

/** The API hands out a proxy, which has no `forceFlush` of the provider behind it. */
function tracerProvider(): unknown {
  const provider = trace.getTracerProvider() as { getDelegate?(): unknown };
  return provider.getDelegate?.() ?? provider;
}

function isFlushable(value: unknown): value is Flushable {
  return typeof (value as Partial<Flushable> | undefined)?.forceFlush === 'function';
}
