// What the upstreams of the bench, their parent and the peers' libraries (which come untyped from .cache) agree on.

/** `stalls`: its event loop is blocked for half of the time, a second at once. */
export type Fault = 'none' | 'unavailable' | 'slow' | 'hang' | 'stalls';
export type ToNode =
  | { readonly type: 'fault'; readonly fault: Fault }
  /** Milliseconds that a call takes, and how many at once; the others queue. */
  | { readonly type: 'speed'; readonly workMs: number; readonly atOnce: number }
  | { readonly type: 'hits' };
export type FromNode = { readonly type: 'ready'; readonly port: number } | { readonly type: 'hits'; readonly hits: number };

interface GrpcMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (value: Buffer) => Buffer;
  readonly requestDeserialize: (value: Buffer) => Buffer;
  readonly responseSerialize: (value: Buffer) => Buffer;
  readonly responseDeserialize: (value: Buffer) => Buffer;
}

type GrpcAnswer = (error: { code?: number; details?: string } | null, value?: Buffer) => void;

export interface GrpcClient {
  ask(request: Buffer, metadata: object, options: { deadline: number }, answer: GrpcAnswer): void;
  waitForReady(deadline: number, ready: (error?: Error) => void): void;
  close(): void;
}

/** The part of @grpc/grpc-js that the bench uses. */
export interface Grpc {
  readonly status: { readonly UNAVAILABLE: number };
  readonly Metadata: new () => object;
  readonly credentials: { createInsecure(): object };
  readonly ServerCredentials: { createInsecure(): object };
  readonly Server: new () => {
    addService(methods: Record<string, GrpcMethod>, handlers: Record<string, (call: unknown, answer: GrpcAnswer) => void>): void;
    tryShutdown(ended: () => void): void;
    bindAsync(address: string, credentials: object, bound: (error: Error | null, port: number) => void): void;
  };
  makeGenericClientConstructor(
    methods: Record<string, GrpcMethod>,
    name: string,
  ): new (target: string, credentials: object, options: Record<string, unknown>) => GrpcClient;
}

/** The part of moleculer that the bench uses. */
export interface Moleculer {
  readonly Errors: { readonly MoleculerRetryableError: new (message: string, code: number, type: string) => Error };
  readonly ServiceBroker: new (options: object) => {
    createService(schema: object): void;
    start(): Promise<void>;
    stop(): Promise<void>;
    waitForServices(name: string, timeout: number): Promise<void>;
    call(action: string, params?: object): Promise<unknown>;
    registry: { getNodeList(options: { onlyAvailable: boolean }): readonly { id: string }[] };
  };
}

const same = (value: Buffer): Buffer => value;

export const grpcMethod: Record<string, GrpcMethod> = {
  ask: {
    path: '/bench.Bench/Ask',
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  },
};

/** Moleculer's fixed addresses; the bench uses no discovery by UDP. The last port is the client's. */
export function nodeUrls(ports: readonly number[]): readonly string[] {
  return ports.map((port, index) => `tcp://127.0.0.1:${port}/node-${index}`);
}
