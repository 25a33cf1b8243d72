// cockatiel and opossum as people use them: around `fetch`, one breaker an upstream, upstreams in turn, one retry that goes to the next.
import { cockatiel, opossum } from '../policy-peers.js';
import { ATTEMPT_MS, LIMIT_MS } from './clients.js';
import type { BenchClient, ClientKind } from './clients.js';

const OPEN_MS = 10_000;

/** 5xx are failures to a breaker, as they are to ours. */
async function ask(url: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(url, { signal });
  await response.arrayBuffer();
  if (response.status >= 500) throw new Error(`status ${response.status}`);
}

async function events(url: string): Promise<() => void> {
  const stop = new AbortController();
  const { body } = await fetch(`${url}events`, { signal: stop.signal });
  void body?.pipeTo(new WritableStream()).catch(() => {});
  return () => stop.abort();
}

/** Every upstream once a round. */
function inTurn(urls: readonly string[]): () => number {
  let turn = -1;
  return () => (turn = (turn + 1) % urls.length);
}

function urlsOf(ports: readonly number[]): readonly string[] {
  return ports.map((port) => `http://127.0.0.1:${port}/`);
}

export const cockatielFetch: ClientKind = {
  name: 'cockatiel around fetch, round robin',
  upstream: 'http',
  async open(ports, peersManifest): Promise<BenchClient> {
    const library = await cockatiel(peersManifest);
    const urls = urlsOf(ports);
    const next = inTurn(urls);
    const breakers = urls.map(() =>
      library.circuitBreaker(library.handleAll, {
        halfOpenAfter: OPEN_MS,
        breaker: new library.SamplingBreaker({ threshold: 0.5, duration: 10_000, minimumRps: 0.5 }),
      }),
    );
    const retrying = library.retry(library.handleAll, { maxAttempts: 1, backoff: new library.ExponentialBackoff() });
    const limited = library.timeout(LIMIT_MS, library.TimeoutStrategy.Aggressive);
    const once = library.timeout(ATTEMPT_MS, library.TimeoutStrategy.Aggressive);
    return {
      call: () =>
        limited.execute(() =>
          retrying.execute(() => {
            const index = next();
            return breakers[index]!.execute(() => once.execute(({ signal }) => ask(urls[index]!, signal)));
          }),
        ),
      stream: () => events(urls[next()]!),
      close: async () => {},
    };
  },
};

export const opossumFetch: ClientKind = {
  name: 'opossum around fetch, round robin',
  upstream: 'http',
  async open(ports, peersManifest): Promise<BenchClient> {
    const Breaker = opossum(peersManifest);
    const urls = urlsOf(ports);
    const next = inTurn(urls);
    const breakers = urls.map(
      (url) =>
        new Breaker(() => ask(url, AbortSignal.timeout(ATTEMPT_MS)), {
          timeout: ATTEMPT_MS,
          errorThresholdPercentage: 50,
          volumeThreshold: 5,
          resetTimeout: OPEN_MS,
        }),
    );
    return {
      async call() {
        // It has no retry of its own.
        try {
          await breakers[next()]!.fire();
        } catch {
          await breakers[next()]!.fire();
        }
      },
      stream: () => events(urls[next()]!),
      async close() {
        for (const breaker of breakers) breaker.shutdown();
      },
    };
  },
};
