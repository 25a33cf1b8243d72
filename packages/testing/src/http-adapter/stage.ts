import assert from 'node:assert/strict';
import { createService, silentLogger } from '@ferrule/core';
import type { Route, Service, ServiceOptions } from '@ferrule/core';
import type { Address } from '@ferrule/core/adapter';
import { conformanceCase } from '../conformance.js';
import type { ConformanceCase, Defer } from '../conformance.js';
import { rawConnection, requestBytes } from '../raw-http.js';
import type { ManualClock } from '../manual-clock.js';
import type { RawConnection, RawReply } from '../raw-http.js';
import type { ForeignApp, HttpAdapterSubject } from './subject.js';

/** What a case says when it wants a service: what createService takes, and an app that the adapter adopts. */
export interface Cast extends Partial<Omit<ServiceOptions, 'listen'>> {
  readonly routes: readonly Route[];
  readonly app?: ForeignApp;
  readonly clock?: ManualClock;
  /** The app listens itself. */
  readonly attached?: true;
}

/** What is thrown into a request: method, target, fields and body. */
export type Ask = readonly [
  method: string,
  target: string,
  headers?: Readonly<Record<string, string | readonly string[]>>,
  body?: string | Uint8Array,
];

/** Longer than any deadline of a service: what has not settled by then never will. */
const MOST_SECONDS = 600;

/** Where a case plays: it starts services, connects to them, and everything is put away behind it. */
export class Stage {
  readonly subject: HttpAdapterSubject;
  readonly #defer: Defer;

  constructor(subject: HttpAdapterSubject, defer: Defer) {
    this.subject = subject;
    this.#defer = defer;
  }

  /** A service on a free port, not started. It takes no signals and does not wait before it drains. */
  prepare(cast: Cast): Service {
    const { app, routes, attached, ...options } = cast;
    const service = createService({
      name: 'stage',
      adapter: this.subject.createAdapter(app),
      signals: false,
      logger: silentLogger,
      drainDelay: 0,
      drainTimeout: 1_000,
      ...(attached !== true && { listen: { host: '127.0.0.1', port: 0 } }),
      ...options,
      routes,
    });
    this.#defer(() => this.settle(service.stop(), options.clock));
    return service;
  }

  defer(cleanUp: () => unknown): void {
    this.#defer(cleanUp);
  }

  /** Waits for work that waits for time: lets the clock go on, a second at a time, until it is done. */
  async settle<T>(work: Promise<T>, clock?: ManualClock): Promise<T> {
    let settled = clock === undefined;
    const noted = work.finally(() => (settled = true));
    for (let seconds = 0; !settled && seconds < MOST_SECONDS; seconds++) await Promise.race([noted, clock!.advance(1_000)]);
    // Without this a stop that never ends would keep the loop, and the test runner with it, going for ever.
    if (!settled) throw new Error(`not settled after ${MOST_SECONDS} s of its own clock`);
    return noted;
  }

  async start(cast: Cast): Promise<Service & { readonly address: Address }> {
    const service = this.prepare(cast);
    await service.start();
    assert.ok(service.address, 'a started service has an address');
    return service as Service & { readonly address: Address };
  }

  async connect(service: { readonly address: Address | undefined }): Promise<RawConnection> {
    const { port } = service.address!;
    const connection = await rawConnection({ host: '127.0.0.1', port });
    this.#defer(() => connection.destroy());
    return connection;
  }

  /** One request on a connection of its own. */
  async ask(service: { readonly address: Address | undefined }, ...[method, target, headers, body]: Ask): Promise<RawReply> {
    const connection = await this.connect(service);
    connection.send(requestBytes(method, target, headers, body));
    try {
      return await connection.reply(method);
    } finally {
      connection.destroy();
    }
  }

  /** Starts a service with these routes and asks it once. */
  async play(routes: readonly Route[], ...ask: Ask): Promise<RawReply> {
    return this.ask(await this.start({ routes }), ...ask);
  }
}

export type HttpAdapterCase = ConformanceCase<HttpAdapterSubject>;

export function stageCase(name: string, body: (stage: Stage) => Promise<void>, deadlineMs?: number): HttpAdapterCase {
  return conformanceCase<HttpAdapterSubject>(name, (subject, defer) => body(new Stage(subject, defer)), deadlineMs);
}

/** Asserts a problem+json reply (RFC 9457) and gives its members. */
export function problemOf(reply: RawReply, status: number, code?: string): Record<string, unknown> {
  assert.equal(reply.status, status, `status of ${reply.text}`);
  assert.match(reply.header('content-type') ?? '', /^application\/problem\+json(;|$)/);
  const problem = reply.json() as Record<string, unknown>;
  assert.equal(problem['status'], status, 'status inside of the problem');
  assert.equal(typeof problem['title'], 'string', 'a problem has a title');
  if (code !== undefined) assert.equal(problem['code'], code, 'canonical code');
  return problem;
}

/** A promise and the way to settle it. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
}

export function deferred<T = void>(): Deferred<T> {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((take) => (resolve = take));
  return { promise, resolve };
}
