import type { Logger } from '@ferrule/core';
import { reconnectDelay } from '@ferrule/core/adapter';
import type { Clock, Timer } from '@ferrule/core/adapter';
import { TooLate, reasonOf, unavailable } from './failure.js';
import type { OwnClient } from './redis-client.js';
import { within } from './within.js';

export interface ConnectionOptions {
  /** For messages, without credentials. */
  readonly address: string;
  /** What no message may hold. */
  readonly secrets: readonly string[];
  /** A client of one connection that ends with the signal. */
  readonly open: (signal: AbortSignal) => OwnClient;
  /** Ends each connecting, before anything else is sent. What rejects fails it. */
  readonly prepare: (client: OwnClient) => Promise<void>;
  readonly timeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

/** How often a connection that says nothing is asked whether it is still there, ± 20 %. */
const HEARTBEAT_MS = 15_000;

/** One client and its one connection, opened or being opened. */
interface Line {
  readonly client: OwnClient;
  readonly end: AbortController;
  ready: boolean;
}

/**
 * A connection that is opened again whenever it is lost, from the first `open` until `close`. It never throws and never rejects by itself; an
 * outage is told to the logger once, and its end too. Neither its socket nor its timers keep the process alive.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  #line: Line | undefined;
  #first: Promise<void> | undefined;
  #retry: Timer | undefined;
  #heartbeat: Timer | undefined;
  #failures = 0;
  #wasLost = false;
  #reason = 'it was closed';
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Begins to connect, in the background. Idempotent. */
  open(): void {
    if (!this.#closed) this.#first ??= this.#connect();
  }

  /**
   * The client that is connected. Only the very first connecting is waited for; what is known to be away is away.
   * @throws ServiceError UNAVAILABLE
   */
  async client(): Promise<OwnClient> {
    this.open();
    if (!this.#wasLost) await this.#first;
    if (this.#line?.ready === true) return this.#line.client;
    throw unavailable(this.#options.address, this.#reason);
  }

  /** Gives this client up, if it is still the one, and connects anew after a while. */
  lost(client: OwnClient, error: unknown): void {
    if (this.#line?.client !== client) return;
    this.#end();
    const { address, secrets, logger, clock, random } = this.#options;
    this.#reason = reasonOf(error, secrets);
    if (!this.#wasLost) logger.warn({ redis: address, reason: this.#reason }, 'Redis is away; lists are neither stored nor shared until it is back');
    this.#wasLost = true;
    this.#failures++;
    this.#retry = clock.schedule(reconnectDelay(this.#failures, random), () => void this.#connect());
  }

  close(): void {
    this.#closed = true;
    this.#reason = 'the store is closed';
    this.#retry?.cancel();
    this.#end();
  }

  async #connect(): Promise<void> {
    const { address, open, prepare, connectTimeoutMs, clock, logger } = this.#options;
    const end = new AbortController();
    const client = open(end.signal);
    const line: Line = { client, end, ready: false };
    this.#line = line;
    client.on('error', (error) => this.lost(client, error));
    client.unref();
    try {
      await within(connectTimeoutMs, clock, [end.signal], async () => {
        await client.connect();
        await prepare(client);
      });
    } catch (error) {
      return this.lost(client, error);
    }
    if (this.#line !== line) return;
    line.ready = true;
    this.#failures = 0;
    if (this.#wasLost) logger.info({ redis: address }, 'Redis is back');
    this.#wasLost = false;
    this.#watch(client);
  }

  /** A peer that vanished without a word would be noticed by the next command, but not by a subscriber. */
  #watch(client: OwnClient): void {
    const { clock, random, timeoutMs } = this.#options;
    this.#heartbeat = clock.schedule(HEARTBEAT_MS * (0.8 + 0.4 * random()), () => {
      within(timeoutMs, clock, [], (abortSignal) => client.sendCommand(['PING'], { abortSignal, timeout: 0 })).then(
        () => {
          if (this.#line?.client === client) this.#watch(client);
        },
        (error: unknown) => {
          if (error instanceof TooLate) this.lost(client, error);
        },
      );
    });
  }

  #end(): void {
    const line = this.#line;
    this.#line = undefined;
    this.#heartbeat?.cancel();
    if (line === undefined) return;
    try {
      line.client.destroy();
    } finally {
      line.end.abort(new Error('the connection is given up'));
    }
  }
}
