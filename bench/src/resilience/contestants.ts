// The same function guarded by us and by the peers, each in a process of its own (worker.ts). The peers' packages come untyped from .cache,
// so that the parts in use are described here.
import { createRequire } from 'node:module';
import { circuitBreaker, guard, retry, timeout } from '@ferrule/core';
import { cockatiel, opossum } from '../policy-peers.js';

/** What is measured. It settles; a rejection is part of it. */
export type Guarded = () => Promise<unknown>;

interface Moleculer {
  readonly ServiceBroker: new (options: object) => {
    createService(schema: object): void;
    start(): Promise<void>;
    call(action: string): Promise<unknown>;
  };
}

const HOUR_MS = 3_600_000;
const work = async (): Promise<number> => 42;
/** Made once: what a stack trace costs is not the question. */
const failure = new Error('failed');
const failing = async (): Promise<never> => {
  throw failure;
};

async function cockatielStack(peers: string, strategy: 'Aggressive' | 'Cooperative'): Promise<Guarded> {
  const library = await cockatiel(peers);
  const policy = library.wrap(
    library.retry(library.handleAll, { maxAttempts: 2, backoff: new library.ExponentialBackoff() }),
    library.circuitBreaker(library.handleAll, {
      halfOpenAfter: 5000,
      breaker: new library.SamplingBreaker({ threshold: 0.5, duration: 10_000, minimumRps: 2 }),
    }),
    library.timeout(1000, library.TimeoutStrategy[strategy]),
  );
  return () => policy.execute(work);
}

export const CONTESTANTS = {
  bare: async () => work,
  ours: async () => guard(work, retry(), circuitBreaker(), timeout('1s')),
  /** Its function is told by a signal, and the caller waits until it heeds that. */
  'cockatiel cooperative': (peers) => cockatielStack(peers, 'Cooperative'),
  /** The caller hears of the end of the time at once, as with ours. */
  'cockatiel aggressive': (peers) => cockatielStack(peers, 'Aggressive'),
  /** A breaker and a timeout of 10 s: it has no retry. */
  async opossum(peers) {
    const breaker = new (opossum(peers))(work, {});
    return () => breaker.fire();
  },
  async moleculer(peers) {
    const { ServiceBroker } = createRequire(peers)('moleculer') as Moleculer;
    const broker = new ServiceBroker({
      logger: false,
      requestTimeout: 1000,
      retryPolicy: { enabled: true, retries: 2 },
      circuitBreaker: { enabled: true, threshold: 0.5, windowTime: 10, minRequestCount: 20 },
    });
    broker.createService({ name: 'bench', actions: { work } });
    await broker.start();
    return () => broker.call('bench.work');
  },

  async 'open: ours'() {
    const refused = guard(failing, circuitBreaker({ minimumCalls: 1, openFor: HOUR_MS }));
    await refused().catch(() => {});
    return refused;
  },
  async 'open: cockatiel'(peers) {
    const library = await cockatiel(peers);
    const policy = library.circuitBreaker(library.handleAll, { halfOpenAfter: HOUR_MS, breaker: new library.ConsecutiveBreaker(1) });
    const refused = (): Promise<unknown> => policy.execute(failing);
    await refused().catch(() => {});
    return refused;
  },
  async 'open: opossum'(peers) {
    const breaker = new (opossum(peers))(failing, { resetTimeout: HOUR_MS });
    breaker.open();
    return () => breaker.fire();
  },

  'failure: bare': async () => failing,
  'failure: ours, 100': () => failureOfOurs(100),
  'failure: ours, 100000': () => failureOfOurs(100_000),
  'failure: opossum, 100': (peers) => failureOfOpossum(peers, 100),
  'failure: opossum, 100000': (peers) => failureOfOpossum(peers, 100_000),
} satisfies Readonly<Record<string, (peers: string) => Promise<Guarded>>>;

export type Contestant = keyof typeof CONTESTANTS;

/** A breaker that looks back an hour, holds so many successes, and never opens. */
async function failureOfOurs(successes: number): Promise<Guarded> {
  const breaker = circuitBreaker({ threshold: 1, window: HOUR_MS });
  const succeeds = guard(work, breaker);
  for (let call = 0; call < successes; call++) await succeeds();
  return guard(failing, breaker);
}

async function failureOfOpossum(peers: string, successes: number): Promise<Guarded> {
  let isFailing = false;
  const breaker = new (opossum(peers))(() => (isFailing ? failing() : work()), {
    rollingCountTimeout: HOUR_MS,
    errorThresholdPercentage: 101,
    timeout: false,
  });
  for (let call = 0; call < successes; call++) await breaker.fire();
  isFailing = true;
  return () => breaker.fire();
}
