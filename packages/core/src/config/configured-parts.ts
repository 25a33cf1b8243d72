import { inspect } from 'node:util';
import { client } from '../client/service-client.js';
import type { ClientOptions, ServiceClient } from '../client/service-client.js';
import { httpTransport } from '../client/http-transport.js';
import type { Transport } from '../client/transport.js';
import { createDirectory } from '../discovery/create-directory.js';
import type { Directory } from '../discovery/directory.js';
import type { SnapshotStore } from '../discovery/snapshot-store.js';
import { ServiceError } from '../errors/service-error.js';
import { activeHealth } from '../health/active/create-active-health.js';
import type { ActiveHealth } from '../health/active/active-health.js';
import { hybrid } from '../hybrid/hybrid.js';
import type { HybridConnections } from '../hybrid/hybrid.js';
import { layered } from '../registry/layered.js';
import type { HealthSource } from '../registry/health-source.js';
import type { Registry } from '../registry/registry.js';
import { staticRegistry } from '../registry/static.js';
import type { Router } from '../selection/router.js';
import type { ClientDefaults } from '../service/service-clients.js';
import type { ServiceOptions } from '../service/service.js';
import { configuredClient } from './client-options.js';
import type { ClientSurroundings, ConfiguredClient } from './client-options.js';
import type { HybridConfiguration, ServiceConfiguration } from './configuration.js';
import { configuredCheck } from './health-checks.js';
import type { CheckedParts } from './health-checks.js';
import type { Config } from './load-config.js';
import type { Opening } from './open-parts.js';
import { checkOf } from './probe-options.js';
import { routingOf } from './routing-rules.js';
import type { Settings } from './settings.js';

/** What a configuration says of a service, as options of `createService`. Without `service.name` in it the name is missing here too. */
export type ConfiguredService = Omit<
  ServiceOptions,
  'adapter' | 'routes' | 'controllers' | 'resolve' | 'wrappers' | 'limits' | 'errors' | 'errorMonitor' | 'catalogues' | 'observe'
>;

/**
 * What a configuration stands for, made and open. Disposing closes what was opened for it, the clients first; a service that uses it has to
 * be stopped before: `service.onStop(() => parts[Symbol.asyncDispose]())`.
 */
export interface ConfiguredParts extends AsyncDisposable {
  readonly config: Config;
  /** `createService({ ...parts.service, adapter })`: what is written after it wins. */
  readonly service: ConfiguredService;
  /** Where services register, and are found: the registry, direct addresses, or both. undefined when there is neither. */
  readonly registry: Registry | undefined;
  /** What all clients share. undefined without a registry. */
  readonly directory: Directory | undefined;
  /** What `activeHealth` found. */
  readonly health: ActiveHealth | undefined;
  /** Of `direct` with the mode `first`. */
  readonly hybrid: HybridConnections | undefined;
  /** Options of `client()` for a service or an address; `options` win. */
  clientOptions(target: string, options?: ClientOptions): ClientOptions;
  /** A client of it, the same one each time. `options` are those of the first call. For a service's clients use `service.client()`, which has the same options. */
  client(target: string, options?: ClientOptions): ServiceClient;
}

/** What parts are made of. */
export interface Making {
  readonly config: Config;
  readonly settings: Settings;
  readonly registry: Registry | undefined;
  readonly store: SnapshotStore | undefined;
  readonly transport: Transport | undefined;
  /** What has to be closed, the last first. */
  readonly owned: AsyncDisposable[];
  readonly common: Opening['common'];
  /** Of those, what was given: a service makes the rest itself. */
  readonly given: Partial<Making['common']>;
  readonly surroundings: ClientSurroundings;
}

/** Makes what needs nobody's answer; what it makes is closed with what was opened before. */
export function makeParts(making: Making): ConfiguredParts {
  return new Parts(making);
}

class Parts implements ConfiguredParts {
  readonly config: Config;
  readonly service: ConfiguredService;
  readonly registry: Registry | undefined;
  readonly directory: Directory | undefined;
  readonly health: ActiveHealth | undefined;
  readonly hybrid: HybridConnections | undefined;
  readonly #defaults: ClientOptions;
  readonly #ofTargets: Readonly<Record<string, ClientOptions>>;
  readonly #owned: AsyncDisposable[];
  readonly #common: Making['common'];
  readonly #clients = new Map<string, ServiceClient>();
  #transport: Transport | undefined;
  #closed: Promise<void> | undefined;

  constructor({ config, settings, registry, store, transport, owned, common, given, surroundings }: Making) {
    const { service = {}, discovery = {}, direct, clients = {} } = settings;
    const { defaults = {}, ...others } = clients;
    const configured = configuredClient(defaults, surroundings);
    const { store: _store, warmUp, ...options } = discovery;
    const directoryOptions = { ...options, ...(store !== undefined && { store }) };

    this.config = config;
    this.#owned = owned;
    this.#common = common;
    this.#transport = transport;
    const fixed =
      direct === undefined || direct.mode === 'off'
        ? undefined
        : staticRegistry(direct.services, { ...common, ...(direct.resolve !== undefined && { resolve: direct.resolve }) });
    if (fixed !== undefined) owned.push(fixed);
    if (fixed !== undefined && direct?.mode === 'first') {
      this.hybrid = hybrid({
        ...common,
        ...hybridOptions(settings.hybrid ?? {}),
        direct: fixed,
        registry: registry!,
        directory: directoryOptions,
        client: withoutSurroundings(configured, []),
      });
      owned.push(this.hybrid);
      this.registry = this.hybrid.registry;
      this.directory = this.hybrid.directory;
    } else {
      this.registry =
        fixed !== undefined && registry !== undefined ? layered(fixed, registry, { ...common, registrar: 'second' }) : (fixed ?? registry);
      if (fixed !== undefined && registry !== undefined) owned.push(this.registry!);
      if (this.registry !== undefined) {
        this.directory = createDirectory({ ...directoryOptions, ...common, discovery: this.registry });
        owned.push(this.directory);
      }
    }
    if (settings.activeHealth !== undefined && this.directory !== undefined) {
      const { services, ...rest } = settings.activeHealth;
      const checks = Object.fromEntries(Object.entries(services).map(([name, check]) => [name, checkOf(check)]));
      this.health = activeHealth({ ...common, ...rest, services: checks, directory: this.directory });
      owned.push(this.health);
    }

    const shared: readonly Router[] = settings.routing === undefined ? [] : [routingOf(settings.routing, surroundings)];
    const base: ClientOptions = this.hybrid?.clientOptions ?? withoutSurroundings(configured, []);
    const sources = [...listOf<HealthSource>(base.health), ...(this.health === undefined ? [] : [this.health])];
    const routers = [...configured.routers, ...shared];
    this.#defaults = {
      ...base,
      ...(this.directory !== undefined && { directory: this.directory }),
      ...(sources.length > 0 && { health: sources }),
      ...(routers.length > 0 && { routing: routers }),
    };
    this.#ofTargets = Object.fromEntries(
      Object.entries(others).map(([name, one]): [string, ClientOptions] => {
        const own = configuredClient(one, surroundings);
        return [
          name,
          {
            ...own.options,
            // Its own before those of all.
            ...(own.health.length > 0 && { health: [...own.health, ...sources] }),
            ...(own.routers.length > 0 && { routing: [...own.routers, ...shared] }),
          },
        ];
      }),
    );

    // A process that has fixed addresses alone has nothing to register with.
    const registers = registry !== undefined;
    const serviceClients: ClientDefaults = { ...this.#defaults, services: this.#ofTargets };
    this.service = {
      ...(service as { readonly name: string }),
      ...healthOf(service, { registry: this.registry, directory: this.directory }),
      ...given,
      ...(registers && { registry: this.registry! }),
      ...(warmUp !== undefined && this.directory !== undefined && { discovery: { warmUp } }),
      clients: { ...serviceClients, ...(transport !== undefined && { transport }) },
    };
  }

  clientOptions(target: string, options: ClientOptions = {}): ClientOptions {
    if (this.#closed !== undefined) throw closedError(target);
    if (this.#transport === undefined)
      this.#owned.push((this.#transport = httpTransport({ ...(this.#common.clock !== undefined && { clock: this.#common.clock }) })));
    const own = Object.hasOwn(this.#ofTargets, target) ? this.#ofTargets[target] : {};
    const { directory, ...given } = { ...this.#common, ...this.#defaults, ...own, transport: this.#transport, ...options };
    // Another registry would have no say beside the directory.
    const found = options.directory ?? (options.registry === undefined ? directory : undefined);
    return { ...given, ...(found !== undefined && { directory: found }) };
  }

  client(target: string, options?: ClientOptions): ServiceClient {
    let found = this.#clients.get(target);
    if (found === undefined) this.#clients.set(target, (found = client(target, this.clientOptions(target, options))));
    else if (this.#closed !== undefined) throw closedError(target);
    return found;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    for (const one of this.#clients.values()) await one[Symbol.asyncDispose]();
    this.#clients.clear();
    await disposeAll(this.#owned);
  }

  [inspect.custom](): object {
    return { config: this.config, registry: this.registry?.name, hybrid: this.hybrid !== undefined, clients: [...this.#clients.keys()] };
  }
}

function healthOf({ health }: ServiceConfiguration, parts: CheckedParts): Pick<ServiceOptions, 'health' | 'healthServer'> {
  if (health === undefined) return {};
  const { checks, port, host, ...options } = health;
  if (port === undefined && host !== undefined) throw new TypeError('service.health.host: it is that of service.health.port, which is not given.');
  return {
    ...(port !== undefined && { healthServer: { port, ...(host !== undefined && { host }) } }),
    health: { ...options, ...(checks !== undefined && { checks: checks.map((check) => configuredCheck(check, parts)) }) },
  };
}

function closedError(target: string): ServiceError {
  return new ServiceError('FAILED_PRECONDITION', `client ${JSON.stringify(target)}: what was made of the configuration is closed.`);
}

function withoutSurroundings({ options, health }: ConfiguredClient, more: readonly HealthSource[]): ClientOptions {
  const sources = [...health, ...more];
  return { ...options, ...(sources.length > 0 && { health: sources }) };
}

function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  return value === undefined ? [] : Array.isArray(value) ? (value as readonly T[]) : [value as T];
}

function hybridOptions({
  check,
  services = {},
  ...alike
}: HybridConfiguration): Pick<Parameters<typeof hybrid>[0], 'check' | 'services' | 'prefer' | 'fallback'> {
  const checked = (one: HybridConfiguration['check']): { check?: ReturnType<typeof checkOf> | false } =>
    one === undefined ? {} : { check: one === false ? false : checkOf(one) };
  return {
    ...alike,
    ...checked(check),
    services: Object.fromEntries(Object.entries(services).map(([name, { check: own, ...rest }]) => [name, { ...rest, ...checked(own) }])),
  };
}

/** The last that was opened first; one that fails to close does not keep the others open. */
export async function disposeAll(owned: AsyncDisposable[]): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  for (let part = owned.pop(); part !== undefined; part = owned.pop()) {
    try {
      await part[Symbol.asyncDispose]();
    } catch (error) {
      failure ??= { error };
    }
  }
  if (failure !== undefined) throw failure.error;
}
