import type { Call } from '../call/call.js';
import { Endpoint } from '../balancing/endpoint.js';
import { REASONS, refusal } from '../errors/service-error.js';
import type { EndpointReport, ServiceSelector } from '../selection/service-selector.js';
import type { Lease, Outcome, Selector } from '../selection/selector.js';
import type { Clock, Timer } from '../time/clock.js';
import { ADDRESS, instanceAt } from './address.js';

export interface AddressSelectorOptions {
  /** For the calls without an address. */
  readonly selector: ServiceSelector;
  readonly clock: Clock;
  /** As of a selector. */
  readonly onArrival: (origin: string) => void;
  readonly onDeparture: (origin: string) => void;
}

/** Addresses come from calls, and what comes from calls is bounded. One more takes the place of the one unused for longest. */
const MOST_ADDRESSES = 64;
/** An address that nobody called for so long is forgotten with its connections. */
const IDLE_MS = 60_000;

/**
 * Leases of a service's endpoints, and for calls that say their address (`ADDRESS`) of that one: nothing is picked, nobody is ejected, each
 * attempt goes there again. They are counted as others are.
 */
export class AddressSelector implements Selector {
  readonly #options: AddressSelectorOptions;
  /** The one used last at the end. */
  readonly #known = new Map<string, Addressed>();
  #sweep: Timer | undefined;
  #closed = false;

  constructor(options: AddressSelectorOptions) {
    this.#options = options;
  }

  select(call: Call): Lease | Promise<Lease> {
    const address = call.values.get(ADDRESS);
    return address === undefined ? this.#options.selector.select(call) : this.#lease(address);
  }

  elsewhere(call: Call): boolean {
    return !call.values.has(ADDRESS) && this.#options.selector.elsewhere(call);
  }

  endpoints(): readonly EndpointReport[] {
    return Array.from(this.#known.values(), ({ endpoint }) => {
      const { id, instance, origin, waiting, open, latencyMs, health } = endpoint;
      return { id, instance, origin, waiting, open, latencyMs, success: health.success, state: 'ready' };
    });
  }

  /** Its addresses are forgotten; calls to them are refused from now on. */
  close(): void {
    this.#closed = true;
    this.#sweep?.cancel();
    for (const address of [...this.#known.keys()]) this.#forget(address);
  }

  #lease(address: string): Lease {
    const { selector, clock, onArrival } = this.#options;
    if (this.#closed)
      throw refusal('UNAVAILABLE', `No call to ${address}: the client of service "${selector.service}" is closed`, {
        reason: REASONS.noEndpoint,
        unsent: true,
        retryable: false,
      });
    const now = clock.now();
    let known = this.#known.get(address);
    if (known === undefined) {
      known = { endpoint: new Endpoint(instanceAt(`client ${selector.service}`, selector.service, address)), usedAt: now };
      if (this.#known.size >= MOST_ADDRESSES) this.#forget(this.#known.keys().next().value!);
      onArrival(known.endpoint.origin);
    }
    known.usedAt = now;
    this.#known.delete(address);
    this.#known.set(address, known);
    this.#sweep ??= clock.schedule(IDLE_MS, () => this.#endIdle());
    return new AddressLease(known, clock, now);
  }

  #endIdle(): void {
    this.#sweep = undefined;
    const now = this.#options.clock.now();
    for (const [address, { endpoint, usedAt }] of this.#known) if (endpoint.open === 0 && now - usedAt >= IDLE_MS) this.#forget(address);
    if (this.#known.size > 0) this.#sweep = this.#options.clock.schedule(IDLE_MS, () => this.#endIdle());
  }

  #forget(address: string): void {
    const known = this.#known.get(address)!;
    this.#known.delete(address);
    this.#options.onDeparture(known.endpoint.origin);
  }
}

interface Addressed {
  readonly endpoint: Endpoint;
  usedAt: number;
}

class AddressLease implements Lease {
  readonly #of: Addressed;
  readonly #clock: Clock;
  readonly #startedAt: number;
  #answered = false;
  #ended = false;

  constructor(of: Addressed, clock: Clock, now: number) {
    this.#of = of;
    this.#clock = clock;
    this.#startedAt = now;
    of.endpoint.started(now);
  }

  get endpoint(): Endpoint {
    return this.#of.endpoint;
  }

  answered(): void {
    if (this.#answered || this.#ended) return;
    this.#answered = true;
    this.endpoint.noLongerWaiting(this.#startedAt);
    this.endpoint.measured(this.#clock.now() - this.#startedAt);
  }

  end(_outcome: Outcome): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.#answered) this.endpoint.noLongerWaiting(this.#startedAt);
    this.endpoint.open--;
    this.#of.usedAt = this.#clock.now();
  }
}
