import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import type { Duplex } from 'node:stream';
import { REASONS, refusal } from '../errors/service-error.js';
import { silentLogger } from '../logging/logger.js';
import type { Logger } from '../logging/logger.js';
import { shown } from '../options/shown.js';
import { systemClock } from '../time/clock.js';
import type { Clock, Timer } from '../time/clock.js';
import { runApp } from './app-context.js';
import type { Address, ListenOptions, Mountable } from './http-adapter.js';
import { checkPort, limitsOf } from './listen-options.js';
import { StalledReaders } from './stalled-readers.js';
import { callOf, whenClosed } from './tracking.js';

/** Hears that the servers close, with the sockets that were upgraded and are still open (WebSocket, CONNECT). */
export type DrainHook = (upgraded: readonly Duplex[]) => unknown;

/** How long a client may take nothing of a reply, and how often that is looked at: it is cut after 60 to 75 s. */
const STALL_MS = 60_000;
const STALL_LOOKS = 4;
const SWEEP_MS = 50;
/** A connection that has sent nothing is given this long from its connect: its first request may be on the way. */
const SILENCE_MS = 250;
const GRACE_MS = 1_000;
const DRAIN_MS = 20_000;
/** The age of a socket that http does not read itself (the raw one below TLS), so that its silence says nothing. */
const NEVER_SILENT = Infinity;

/**
 * The sockets of one service, on servers made here (`listen`) and on servers of the app (`attach`): health before anything else,
 * and a drain that neither loses a request nor hangs.
 *
 * `server.close()` alone does neither (measured on Node 20, 22 and 24):
 * 1. A reply in flight still says keep-alive, and its connection serves further requests after `close()`. So every reply whose headers
 *    are unsent, and every later one, says `Connection: close`. Of several on one connection (pipelining) only the last one does, because
 *    Node ends the connection after the first that does, and what was executed meanwhile would lose its reply.
 * 2. Idle connections are closed once; one that becomes idle later stays. So they are closed again and again.
 * 3. A connection that has sent nothing is never closed. So connections are tracked, and silent ones destroyed.
 * 4. A connection counts as idle once its reply was ended, though the client may still be reading it: it would be cut off. So connections
 *    with a reply that has not closed are kept from being taken for idle.
 * 5. After `close()`, headersTimeout and requestTimeout are no longer enforced: half a request holds the server for ever. So there is a
 *    deadline, and what is left then is aborted (its handler hears of it and has 1 s to answer) and cut.
 *
 * Upgraded connections are no longer http's; they hold the drain until they end, or are cut with the rest. `onDrain` is the place to end them.
 * HTTP/2 sessions are not handled.
 */
export class ServerHost {
  readonly #listener: RequestListener;
  readonly #isAdopted: boolean;
  #mounted: (Pick<Mountable, 'health'> & Partial<Pick<Mountable, 'callFor'>>) | undefined;
  #clock: Clock = systemClock;
  #logger: Logger = silentLogger;
  /** By server, how to stop looking on. */
  readonly #servers = new Map<Server, () => void>();
  /** By socket, when it was connected. */
  readonly #sockets = new Map<Socket, number>();
  readonly #upgraded = new Set<Duplex>();
  readonly #open = new Set<ServerResponse>();
  readonly #hooks: DrainHook[] = [];
  /** One function for all responses, so that a request costs no closure: Node calls it with the response as `this`. */
  readonly #forget: (this: ServerResponse) => void;
  #listening = false;
  #draining = false;
  #closing: Promise<void> | undefined;
  #cutting = false;
  /** By socket, the last reply on it while draining. */
  readonly #last = new WeakMap<Socket, ServerResponse>();
  readonly #saysClose = new WeakSet<ServerResponse>();
  #stallMs = STALL_MS;
  #stalled = new StalledReaders(STALL_MS);
  #stallTimer: Timer | undefined;
  #timer: Timer | undefined;
  #progress: () => void = () => {};

  /**
   * `listener` is the framework: it takes every request that is not about health, on servers that have no listener of their own.
   * `adopted` says that it has middleware and routes of its own, which then run in the context of a call, as those of a server's own
   * listeners always do. An app of the adapter's own needs none around its routes, and pays for none.
   */
  constructor(listener: RequestListener, { adopted = false }: { readonly adopted?: boolean } = {}) {
    this.#listener = listener;
    this.#isAdopted = adopted;
    const open = this.#open;
    const moved = (): void => this.#progress();
    this.#forget = function () {
      open.delete(this);
      moved();
    };
  }

  /**
   * From now on health requests are answered, before anything else sees them, and the service's logger and clock are used.
   * @throws Error when there is a service already.
   */
  mount(service: Pick<Mountable, 'health' | 'logger' | 'clock'> & Partial<Pick<Mountable, 'callFor'>>): void {
    if (this.#mounted !== undefined) throw new Error('mount: this adapter carries a service already. Make one adapter for each service.');
    this.#mounted = service;
    this.#clock = service.clock;
    this.#logger = service.logger;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Exchanges whose reply has not ended. */
  get open(): number {
    return this.#open.size;
  }

  /**
   * Makes a server and listens.
   * @throws Error when it listens already or was closed, TypeError or RangeError for bad limits; rejects with Node's error when the port cannot be bound.
   */
  async listen(options: ListenOptions = {}): Promise<Address> {
    const { host = '0.0.0.0', port = 0 } = options;
    if (this.#listening) throw new Error('listen: this host listens already. Use one host for each address, or attach a server of your own.');
    if (this.#closing !== undefined) throw new Error('listen: this host was closed. Make a new one.');
    checkPort(port);
    const limits = limitsOf(options.server ?? {});
    this.#listening = true;
    this.#stallMs = options.server?.stallTimeout ?? STALL_MS;
    this.#stalled = new StalledReaders(this.#stallMs);
    const server = createServer(limits);
    if (options.server?.maxConnections !== undefined) server.maxConnections = options.server.maxConnections;
    this.attach(server);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port }, () => {
          server.off('error', reject);
          resolve();
        });
      });
    } catch (error) {
      this.#listening = false;
      this.#release(server);
      throw error;
    }
    server.on('error', (error) => this.#logger.error({ error }, 'The http server reports an error'));
    const bound = server.address() as AddressInfo;
    return { host: bound.address, port: bound.port };
  }

  /**
   * Looks after a server of the app, at best before it listens: health requests are answered here, all others go to the server's own
   * listeners (to ours while it has none), in the context of a call, and `close` drains it. Its timeouts stay as they are.
   * @throws TypeError when it is no server, Error when this host was closed.
   */
  attach(server: Server): void {
    checkServer(server);
    if (this.#closing !== undefined) throw new Error('attach: this host was closed. Make a new one.');
    if (this.#servers.has(server)) return;
    // Events are looked at where the server emits them. A listener could not keep a health request from the others, and one for
    // 'upgrade' would by itself switch off Node's default for upgrade requests that nobody listens to.
    const before = server.emit as (event: string, ...args: never[]) => boolean;
    const isTls = server instanceof TlsServer;
    let on = true;
    const emit = (event: string, ...args: never[]): boolean => {
      if (on) {
        // The other two come in the place of `request` when the app has listeners for them.
        if (event === 'request' || event === 'checkContinue' || event === 'checkExpectation') {
          const req = args[0] as unknown as IncomingMessage;
          const res = args[1] as unknown as ServerResponse;
          if (this.#take(req, res)) return true;
          if (event === 'request' && server.listenerCount('request') === 0) {
            const call = this.#isAdopted ? this.#mounted?.callFor?.(res) : undefined;
            if (call === undefined) this.#listener(req, res);
            else runApp(res, call, () => this.#listener(req, res));
            return true;
          }
          const call = this.#mounted?.callFor?.(res);
          if (call !== undefined) return runApp(res, call, () => before.call(server, event, ...args));
        } else if (event === 'connection') {
          this.#track(args[0] as unknown as Socket, isTls ? NEVER_SILENT : this.#clock.now());
        } else if (event === 'secureConnection') {
          this.#track(args[0] as unknown as Socket, this.#clock.now());
        } else if (event === 'upgrade' || event === 'connect') {
          const socket = args[1] as unknown as Duplex;
          this.#upgraded.add(socket);
          socket.once('close', () => this.#upgraded.delete(socket));
        }
      }
      return before.call(server, event, ...args);
    };
    server.emit = emit as Server['emit'];
    this.#servers.set(server, () => {
      on = false;
      // Somebody who patched it after us (a tracer, another host) keeps calling ours, which now only hands on.
      if (server.emit === (emit as Server['emit'])) server.emit = before as Server['emit'];
    });
  }

  /** Calls `hook` once when the servers begin to close. What it throws is logged. */
  onDrain(hook: DrainHook): void {
    this.#hooks.push(hook);
  }

  /**
   * From now on every reply says `Connection: close`, those in flight included as far as their headers are unsent; of several on one
   * connection the last. Still serving; idempotent.
   */
  startDraining(): void {
    if (this.#draining) return;
    this.#draining = true;
    for (const res of this.#open) this.#endConnectionAfter(res);
  }

  /**
   * Accepts nothing more and resolves when all exchanges and connections have ended. When `signal` aborts, or 20 s after the first call
   * without one, the calls that are left are aborted and have 1 s to answer; then everything is cut. Never rejects; never hangs.
   */
  close(signal?: AbortSignal): Promise<void> {
    const closing = (this.#closing ??= this.#close(signal === undefined));
    if (signal !== undefined) {
      const cut = (): void => this.#cut();
      if (signal.aborted) cut();
      else {
        signal.addEventListener('abort', cut, { once: true });
        void closing.then(() => signal.removeEventListener('abort', cut));
      }
    }
    return closing;
  }

  async #close(withDeadline: boolean): Promise<void> {
    this.startDraining();
    const deadline = withDeadline ? this.#clock.schedule(DRAIN_MS, () => this.#cut()) : undefined;
    const upgraded = [...this.#upgraded];
    for (const hook of this.#hooks) {
      // Nobody waits for a hook: what it ends is seen on the sockets.
      (async () => hook(upgraded))().catch((error: unknown) => this.#logger.warn({ error }, 'A drain hook failed'));
    }
    await new Promise<void>((resolve) => {
      let running = this.#servers.size;
      this.#progress = () => {
        if (this.#cutting && this.#open.size === 0) this.#destroyAll();
        if (this.#sockets.size === 0 && (running === 0 || this.#cutting)) resolve();
      };
      for (const server of this.#servers.keys()) {
        // Calls back when its connections have ended, those that came before `attach` included; with an error when the app has closed it.
        this.#sparingOpen(() =>
          server.close(() => {
            running--;
            this.#progress();
          }),
        );
      }
      this.#sweep();
    });
    deadline?.cancel();
    this.#timer?.cancel();
    this.#stallTimer?.cancel();
    this.#progress = () => {};
    for (const server of [...this.#servers.keys()]) this.#release(server);
  }

  #sweep(): void {
    const connectedBefore = this.#clock.now() - SILENCE_MS;
    this.#sparingOpen(() => {
      for (const server of this.#servers.keys()) server.closeIdleConnections();
    });
    for (const [socket, since] of this.#sockets) if (socket.bytesRead === 0 && since <= connectedBefore) socket.destroy();
    this.#progress();
    this.#timer = this.#clock.schedule(SWEEP_MS, () => this.#sweep());
  }

  /** Whether there is nothing left to do for it: it was a health request and is answered, or its connection ends before its turn. */
  #take(req: IncomingMessage, res: ServerResponse): boolean {
    if (this.#open.has(res)) return false; // a listener for `checkContinue` hands it on as a request
    if (this.#draining && !this.#endConnectionAfter(res)) return true;
    this.#open.add(res);
    whenClosed(res, this.#forget);
    if (this.#stallTimer === undefined && this.#stallMs > 0) this.#lookForStalled();
    return this.#mounted?.health(req, res) ?? false;
  }

  /** Lets `res` be the last reply of its connection, unless one before it was: then a client must not expect this one (RFC 9112, 9.6). */
  #endConnectionAfter(res: ServerResponse): boolean {
    const { socket } = res.req;
    const before = this.#last.get(socket);
    if (before !== undefined && this.#saysClose.has(before)) {
      if (before.headersSent) return !/close/i.test(String(before.getHeader('connection')));
      if (before.shouldKeepAlive) before.setHeader('Connection', 'keep-alive');
    }
    this.#last.set(socket, res);
    if (!res.headersSent && !res.hasHeader('connection')) {
      this.#saysClose.add(res);
      res.setHeader('Connection', 'close');
    }
    return true;
  }

  #lookForStalled(): void {
    const look = (): void => {
      this.#stallTimer = undefined;
      const stalled = this.#stalled.look(this.#open, this.#clock.now());
      for (const socket of stalled) socket.destroy();
      if (stalled.length > 0)
        this.#logger.warn({ connections: stalled.length, stallMs: this.#stallMs }, 'Clients took nothing of their replies and are cut');
      if (this.#open.size > 0) this.#lookForStalled();
    };
    this.#stallTimer = this.#clock.schedule(Math.ceil(this.#stallMs / STALL_LOOKS), look);
  }

  /** Does what closes idle connections, and keeps Node from taking those for idle whose reply was ended but is still being read. */
  #sparingOpen(closeIdle: () => void): void {
    const spared = new Map<Socket, PropertyDescriptor | undefined>();
    for (const { req } of this.#open) {
      const { socket } = req;
      if (spared.has(socket)) continue;
      spared.set(socket, Object.getOwnPropertyDescriptor(socket, 'destroy'));
      Object.defineProperty(socket, 'destroy', { value: () => socket, configurable: true, writable: true });
    }
    try {
      closeIdle();
    } finally {
      for (const [socket, own] of spared) {
        if (own === undefined) Reflect.deleteProperty(socket, 'destroy');
        else Object.defineProperty(socket, 'destroy', own);
      }
    }
  }

  #track(socket: Socket, since: number): void {
    this.#sockets.set(socket, since);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#progress();
    });
  }

  #cut(): void {
    if (this.#cutting) return;
    this.#cutting = true;
    const busy = new Set<Socket>();
    for (const res of this.#open) busy.add(res.req.socket);
    for (const [socket, since] of this.#sockets) if (!busy.has(socket) && since !== NEVER_SILENT) socket.destroy();
    const reason = refusal('UNAVAILABLE', 'The service is shutting down', { reason: REASONS.draining });
    let aborted = 0;
    for (const res of this.#open) {
      const call = callOf(res);
      if (call === undefined) continue;
      aborted++;
      call.abort(reason);
    }
    this.#logger.warn({ open: this.#open.size, aborted }, 'The drain deadline has passed: what is left is aborted');
    if (aborted === 0) this.#destroyAll();
    else this.#clock.schedule(GRACE_MS, () => this.#destroyAll());
    this.#progress();
  }

  #destroyAll(): void {
    for (const socket of this.#sockets.keys()) socket.destroy();
    for (const server of this.#servers.keys()) server.closeAllConnections();
  }

  #release(server: Server): void {
    this.#servers.get(server)?.();
    this.#servers.delete(server);
  }
}

/** An app has `listen` and `on` as well, but is not what listens: it would be waited for without an end. */
function checkServer(server: unknown): void {
  const isObject = (typeof server === 'object' && server !== null) || typeof server === 'function';
  const { close, address, emit, use } = (isObject ? server : {}) as Readonly<Record<string, unknown>>;
  if (typeof close === 'function' && typeof address === 'function' && typeof emit === 'function') return;
  const what = typeof use === 'function' ? 'an app' : shown(server);
  throw new TypeError(
    `attach: that is ${what}, not an http server. Give the server: http.createServer(app), with Koa http.createServer(app.callback()), or what app.listen() returned.`,
  );
}
