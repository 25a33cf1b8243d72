import { checkClientOptions, client } from '../client/service-client.js';
import type { ClientOptions, ServiceClient } from '../client/service-client.js';
import { httpTransport } from '../client/http-transport.js';
import type { Transport } from '../client/transport.js';
import { createDirectory } from '../discovery/create-directory.js';
import type { Directory } from '../discovery/directory.js';
import { ServiceError } from '../errors/service-error.js';
import type { Logger } from '../logging/logger.js';
import type { Registry } from '../registry/registry.js';
import type { Clock } from '../time/clock.js';

/** What the clients of a service start from; where instances come from is the service's registry. */
export type ClientDefaults = Omit<ClientOptions, 'registry' | 'directory'>;

export interface ServiceClientsOptions {
  readonly registry: Registry | undefined;
  readonly defaults: ClientDefaults;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

interface Made {
  readonly client: ServiceClient;
  readonly options: ClientOptions | undefined;
}

/** Targets come from an app's code. More of them than this come from what its clients send, and each holds budgets and endpoints. */
const MOST_TARGETS = 1_000;

/** The clients of one service, one a target: they share a directory and the connections, both made when first needed and closed by `close`. */
export class ServiceClients {
  readonly #options: ServiceClientsOptions;
  readonly #made = new Map<string, Made>();
  #directory: Directory | undefined;
  #transport: Transport | undefined;
  #closed = false;

  constructor(options: ServiceClientsOptions) {
    checkClientOptions('createService clients', options.defaults);
    this.#options = options;
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
    const { registry, defaults, clock, random, logger } = this.#options;
    const given: ClientOptions = { clock, random, logger, ...defaults, ...options };
    const transport = given.transport ?? (this.#transport ??= httpTransport({ clock }));
    const directory =
      given.directory ??
      (given.registry === undefined && registry !== undefined
        ? (this.#directory ??= createDirectory({ discovery: registry, clock, random, logger }))
        : undefined);
    const made = client(target, { ...given, transport, ...(directory !== undefined && { directory }) });
    this.#made.set(target, { client: made, options });
    return made;
  }

  /** Each client's target and the wrappers in force. */
  describe(): readonly { readonly service: string; readonly stack: readonly string[] }[] {
    return Array.from(this.#made.values(), ({ client: one }) => ({ service: one.service, stack: one.describe() }));
  }

  /** What was handed in (the registry among it) stays open. */
  async close(): Promise<void> {
    this.#closed = true;
    const parts: (AsyncDisposable | undefined)[] = [...Array.from(this.#made.values(), (made) => made.client), this.#directory, this.#transport];
    this.#made.clear();
    for (const part of parts) await part?.[Symbol.asyncDispose]();
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
