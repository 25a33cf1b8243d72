import { checkClientOptions, client } from '../client/service-client.js';
import type { ClientOptions, ServiceClient } from '../client/service-client.js';
import { httpTransport } from '../client/http-transport.js';
import type { Transport } from '../client/transport.js';
import { ServiceError } from '../errors/service-error.js';
import type { AdaptiveScore } from '../health/adaptive-score/adaptive-score.js';
import type { Logger } from '../logging/logger.js';
import { checkRecord } from '../options/check.js';
import type { Clock } from '../time/clock.js';
import type { FaultReport } from '../wrappers/in-force.js';
import type { ServiceDiscovery } from './service-discovery.js';

/** What the clients of a service start from; where instances come from is the service's registry. */
export interface ClientDefaults extends Omit<ClientOptions, 'registry' | 'directory'> {
  /** What differs for one service or address, by its name. Each option stands in the place of that of all. */
  readonly services?: Readonly<Record<string, Omit<ClientOptions, 'registry' | 'directory'>>>;
}

export interface ServiceClientsOptions {
  readonly discovery: ServiceDiscovery;
  readonly defaults: ClientDefaults;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  /** Hears of every score that a client makes of the service that it calls. */
  readonly onScore: (score: AdaptiveScore) => void;
}

interface Made {
  readonly client: ServiceClient;
  readonly options: ClientOptions | undefined;
}

/** Targets come from an app's code. More of them than this come from what its clients send, and each holds budgets and endpoints. */
const MOST_TARGETS = 1_000;

/** The clients of one service, one a target: they share a directory and the connections, both made when first needed and closed by `close`. */
export class ServiceClients {
  readonly #options: Omit<ServiceClientsOptions, 'defaults'>;
  readonly #defaults: ClientOptions;
  readonly #ofTargets: NonNullable<ClientDefaults['services']>;
  readonly #made = new Map<string, Made>();
  #transport: Transport | undefined;
  #closed = false;

  constructor({ defaults: { services = {}, ...defaults }, ...options }: ServiceClientsOptions) {
    checkClientOptions('createService clients', defaults);
    checkRecord(services, 'createService clients.services');
    for (const [target, own] of Object.entries(services)) checkClientOptions(`createService clients.services[${JSON.stringify(target)}]`, own);
    this.#options = options;
    this.#defaults = defaults;
    this.#ofTargets = services;
  }

  /** As `Service.client`. */
  get(target: string, options?: ClientOptions): ServiceClient {
    if (this.#closed)
      throw new ServiceError('FAILED_PRECONDITION', `client ${JSON.stringify(target)}: the service has stopped, and its clients are closed.`);
    const present = this.#made.get(target);
    if (present !== undefined) {
      const other = options === undefined ? undefined : differing(present.options ?? {}, options);
      if (other === undefined) return present.client;
      throw new TypeError(
        `client ${JSON.stringify(target)}: ${other} is not what its client was made with. A service has one client for each target, with one set of budgets: give its options at the first call, what differs by call with the call, and for a client apart use client() of @ferrule/core.`,
      );
    }
    if (this.#made.size >= MOST_TARGETS) {
      throw new RangeError(
        `client: ${MOST_TARGETS} targets have a client already. Give the varying part of an address with the call; for addresses that come and go use client() of @ferrule/core, and dispose of it.`,
      );
    }
    const { discovery, clock, random, logger } = this.#options;
    const own = Object.hasOwn(this.#ofTargets, target) ? this.#ofTargets[target] : {};
    const given: ClientOptions = { clock, random, logger, ...this.#defaults, ...own, ...options };
    const transport = given.transport ?? (this.#transport ??= httpTransport({ clock }));
    // An address is where it is; looking for it would say that discovery is in use.
    const isAddress = String(target).includes('://');
    const directory = options?.directory ?? (options?.registry === undefined && !isAddress ? discovery.directory : undefined);
    const made = client(target, { ...given, transport, ...(directory !== undefined && { directory }) });
    this.#made.set(target, { client: made, options });
    // One that was handed in has an owner who decides what it is a check of.
    if (made.score !== undefined && typeof given.adaptiveScore !== 'function') this.#options.onScore(made.score);
    return made;
  }

  /** Each client's target and the wrappers in force. */
  describe(): readonly { readonly service: string; readonly stack: readonly string[] }[] {
    return Array.from(this.#made.values(), ({ client: one }) => ({ service: one.service, stack: one.describe() }));
  }

  /** Where faults are injected on purpose. */
  faults(): readonly FaultReport[] {
    return Array.from(this.#made.values(), ({ client: one }) => one).flatMap((one) =>
      one.faults().map(({ name, enabled }) => ({ name: `${name} of client ${one.service}`, enabled })),
    );
  }

  /** What was handed in (the registry among it) stays open. */
  async close(): Promise<void> {
    this.#closed = true;
    const parts: (AsyncDisposable | undefined)[] = [...Array.from(this.#made.values(), (made) => made.client), this.#transport];
    this.#made.clear();
    for (const part of parts) await part?.[Symbol.asyncDispose]();
    await this.#options.discovery.close();
  }
}

/** The name of an option that differs; undefined when none does. Literals are compared by what is in them, everything else by identity. */
function differing(present: ClientOptions, given: ClientOptions): string | undefined {
  if (present === given) return undefined;
  const names = new Set([...Object.keys(present), ...Object.keys(given)]) as Set<keyof ClientOptions>;
  for (const name of names) if (!isSame(present[name], given[name], DEEPEST)) return name;
  return undefined;
}

const DEEPEST = 4;

function isSame(a: unknown, b: unknown, depth: number): boolean {
  if (Object.is(a, b)) return true;
  if (depth === 0 || !isLiteral(a) || !isLiteral(b) || Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isSame(a[key], b[key], depth - 1));
}

function isLiteral(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === Array.prototype || prototype === null;
}
