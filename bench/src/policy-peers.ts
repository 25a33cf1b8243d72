// The parts of cockatiel and opossum that the benches use; the packages come untyped from .cache.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

export interface CockatielPolicy {
  execute<R>(fn: (context: { readonly signal: AbortSignal; readonly attempt?: number }) => Promise<R>): Promise<R>;
}

interface Cockatiel {
  readonly handleAll: object;
  readonly ExponentialBackoff: new () => object;
  readonly ConsecutiveBreaker: new (failures: number) => object;
  readonly SamplingBreaker: new (options: { threshold: number; duration: number; minimumRps: number }) => object;
  readonly TimeoutStrategy: { readonly Aggressive: string; readonly Cooperative: string };
  retry(on: object, options: { maxAttempts: number; backoff: object }): CockatielPolicy;
  circuitBreaker(on: object, options: { halfOpenAfter: number; breaker: object }): CockatielPolicy;
  timeout(ms: number, strategy: string): CockatielPolicy;
  wrap(...policies: readonly object[]): CockatielPolicy;
}

export type Opossum = new <A extends readonly unknown[]>(
  fn: (...args: A) => Promise<unknown>,
  options: Readonly<Record<string, unknown>>,
) => { fire(...args: A): Promise<unknown>; open(): void; shutdown(): void };

export async function cockatiel(peers: string): Promise<Cockatiel> {
  return (await import(pathToFileURL(createRequire(peers).resolve('cockatiel')).href)) as Cockatiel;
}

export function opossum(peers: string): Opossum {
  return createRequire(peers)('opossum') as Opossum;
}
