// The four clients that are compared. Each has one second for a call and one retry; breakers and outlier detection are set as eagerly as they go.
import { createRequire } from 'node:module';
import { client, staticRegistry } from '@ferrule/core';
import { BalancedPool, RetryAgent } from 'undici';
import { grpcMethod, nodeUrls } from './protocol.js';
import type { Grpc, Moleculer } from './protocol.js';

export interface BenchClient {
  /** Rejects when the call failed. */
  call(): Promise<void>;
  /** Opens a stream of events that never ends; absent where the bench has none. */
  stream?(): Promise<() => void>;
  close(): Promise<void>;
}

export interface ClientKind {
  readonly name: string;
  readonly upstream: 'http' | 'grpc' | 'moleculer';
  open(ports: readonly number[], peersManifest: string): Promise<BenchClient>;
}

export const LIMIT_MS = 1_000;
export const ATTEMPT_MS = 600;

export const ours: ClientKind = {
  name: 'ferrule',
  upstream: 'http',
  async open(ports) {
    const registry = staticRegistry({ bench: ports.map((port) => `http://127.0.0.1:${port}`) });
    const bench = client('bench', { registry, timeout: LIMIT_MS, attemptTimeout: ATTEMPT_MS });
    return {
      async call() {
        await bench.get('/');
      },
      async stream() {
        const { body } = await bench.request('GET', '/events', { stream: true });
        const stream = body as NodeJS.ReadableStream & { destroy(): void };
        stream.resume();
        return () => stream.destroy();
      },
      async close() {
        await bench[Symbol.asyncDispose]();
        await registry[Symbol.asyncDispose]();
      },
    };
  },
};

export const undici: ClientKind = {
  name: 'undici BalancedPool + RetryAgent',
  upstream: 'http',
  async open(ports) {
    const agent = new RetryAgent(new BalancedPool(ports.map((port) => `http://127.0.0.1:${port}`)), {
      maxRetries: 1,
      minTimeout: 10,
      statusCodes: [502, 503, 504],
      methods: ['GET'],
    });
    return {
      async call() {
        // BalancedPool picks the upstream; the origin of the request is not used.
        const { statusCode, body } = await agent.request({ origin: 'http://bench', path: '/', method: 'GET', signal: AbortSignal.timeout(LIMIT_MS) });
        await body.json();
        if (statusCode !== 200) throw new Error(`status ${statusCode}`);
      },
      async stream() {
        const { body } = await agent.request({ origin: 'http://bench', path: '/events', method: 'GET' });
        body.resume();
        body.on('error', () => {});
        return () => void body.destroy();
      },
      close: () => agent.destroy(),
    };
  },
};

export const grpc: ClientKind = {
  name: 'grpc-js round_robin + outlier_detection + retry',
  upstream: 'grpc',
  async open(ports, peersManifest) {
    const library = createRequire(peersManifest)('@grpc/grpc-js') as Grpc;
    const Client = library.makeGenericClientConstructor(grpcMethod, 'Bench');
    const seconds = (value: number): object => ({ seconds: value, nanos: 0 });
    const serviceConfig = {
      loadBalancingConfig: [
        {
          outlier_detection: {
            interval: seconds(1),
            base_ejection_time: seconds(10),
            max_ejection_percent: 50,
            failure_percentage_ejection: { threshold: 50, enforcement_percentage: 100, minimum_hosts: 1, request_volume: 5 },
            child_policy: [{ round_robin: {} }],
          },
        },
      ],
      methodConfig: [
        {
          name: [{}],
          retryPolicy: {
            maxAttempts: 2,
            initialBackoff: '0.010s',
            maxBackoff: '0.100s',
            backoffMultiplier: 2,
            retryableStatusCodes: ['UNAVAILABLE'],
          },
        },
      ],
    };
    const stub = new Client(`ipv4:${ports.map((port) => `127.0.0.1:${port}`).join(',')}`, library.credentials.createInsecure(), {
      'grpc.service_config': JSON.stringify(serviceConfig),
    });
    await new Promise<void>((resolve, reject) => stub.waitForReady(Date.now() + 5_000, (error) => (error ? reject(error) : resolve())));
    return {
      call: () =>
        new Promise((resolve, reject) => {
          stub.ask(Buffer.from('x'), new library.Metadata(), { deadline: Date.now() + LIMIT_MS }, (error) =>
            error ? reject(new Error(error.details ?? 'failed')) : resolve(),
          );
        }),
      close: async () => stub.close(),
    };
  },
};

export const moleculer: ClientKind = {
  name: 'moleculer round robin + breaker + retry',
  upstream: 'moleculer',
  async open(ports, peersManifest) {
    const { ServiceBroker } = createRequire(peersManifest)('moleculer') as Moleculer;
    const broker = new ServiceBroker({
      nodeID: 'node-3',
      logger: false,
      requestTimeout: LIMIT_MS,
      retryPolicy: { enabled: true, retries: 1, delay: 10 },
      circuitBreaker: {
        enabled: true,
        threshold: 0.5,
        minRequestCount: 5,
        windowTime: 10,
        halfOpenTime: 10_000,
        check: (error: { code?: number }) => (error.code ?? 500) >= 500,
      },
      transporter: { type: 'TCP', options: { udpDiscovery: false, port: ports[3], urls: nodeUrls(ports) } },
    });
    await broker.start();
    await broker.waitForServices('bench', 20_000);
    // One node is enough for waitForServices; the comparison wants all three.
    const giveUp = Date.now() + 20_000;
    while (broker.registry.getNodeList({ onlyAvailable: true }).length < 4) {
      if (Date.now() > giveUp) throw new Error('moleculer did not see its three nodes');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return {
      async call() {
        await broker.call('bench.ask');
      },
      close: () => broker.stop(),
    };
  },
};

export const clients: readonly ClientKind[] = [ours, undici, grpc, moleculer];
