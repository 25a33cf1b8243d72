import type { Transport } from '../client/transport.js';
import type { SnapshotStore } from '../discovery/snapshot-store.js';
import { jsonLogger } from '../logging/json-logger.js';
import type { Logger } from '../logging/logger.js';
import { checkMethods, checkOptions, checkSurroundings, namesOf } from '../options/check.js';
import type { Registry } from '../registry/registry.js';
import type { Clock } from '../time/clock.js';
import type { ClientSurroundings } from './client-options.js';
import { ConfigError } from './config-error.js';
import { disposeAll, makeParts } from './configured-parts.js';
import type { ConfiguredParts } from './configured-parts.js';
import { behind, isLoaded, loadConfig } from './load-config.js';
import type { Config, ConfigSource, LoadOptions } from './load-config.js';
import { openRegistry, openStore } from './open-parts.js';
import type { Opening } from './open-parts.js';

export interface FromConfigOptions extends LoadOptions {
  /** In the place of what the configuration names. It stays open. */
  readonly registry?: Registry;
  /** In the place of `discovery.store`. It stays open. */
  readonly store?: SnapshotStore;
  /** Connections that all clients share. It stays open. Default: a new `httpTransport()`. */
  readonly transport?: Transport;
  /** Default `jsonLogger()`, with the service's name if there is one. */
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Numbers from 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
}

const OPTIONS = namesOf<FromConfigOptions>({
  env: true,
  prefix: true,
  from: true,
  values: true,
  registry: true,
  store: true,
  transport: true,
  logger: true,
  clock: true,
  random: true,
});

/** As `fromConfig` of on-demand.ts, which tells its contract. */
export async function fromConfig(source: Config | ConfigSource | readonly ConfigSource[], options: FromConfigOptions = {}): Promise<ConfiguredParts> {
  checkOptions('fromConfig', options, OPTIONS);
  checkSurroundings('fromConfig', options);
  checkMethods(options.registry, ['watch', 'register'], 'fromConfig registry', 'Give a registry, such as fileRegistry()');
  checkMethods(options.store, ['load', 'save'], 'fromConfig store', 'Give a SnapshotStore, such as fileStore()');
  checkMethods(options.transport, ['handle', 'forget', Symbol.asyncDispose], 'fromConfig transport', 'Give what httpTransport() made');
  const { registry, store, transport, logger: givenLogger, clock, random, ...loading } = options;
  const config = isLoaded(source) ? source : await loadConfig(source, loading);
  const { values: settings } = config;
  const { findings, from, values } = behind(config);
  const logger =
    givenLogger ??
    jsonLogger({
      ...(settings.service?.name !== undefined && { fields: { service: settings.service.name } }),
      ...(clock !== undefined && { clock }),
    });
  const common = { logger, ...(clock !== undefined && { clock }), ...(random !== undefined && { random }) };

  const owned: AsyncDisposable[] = [];
  const opening: Opening = { findings: findings.further(), from, owned, common };
  const opened = registry ?? (settings.registry && (await openRegistry(settings.registry, opening)));
  const level2 = store ?? (settings.discovery?.store && (await openStore(settings.discovery.store, opening)));
  if (settings.direct?.mode === 'first' && opened === undefined && settings.registry === undefined)
    opening.findings.add(['direct', 'mode'], {
      value: 'first',
      what: 'has no registry to go to second',
      expected: "Give registry, or the mode 'only'",
    });
  if (opening.findings.problems.length > 0) {
    await disposeAll(owned);
    throw new ConfigError(opening.findings.problems);
  }
  try {
    const surroundings: ClientSurroundings = { ...common, ...(values !== undefined && { values }) };
    return makeParts({
      config,
      settings,
      registry: opened,
      store: level2,
      transport,
      owned,
      common,
      given: { ...(givenLogger !== undefined && { logger }), ...(clock !== undefined && { clock }), ...(random !== undefined && { random }) },
      surroundings,
    });
  } catch (error) {
    await disposeAll(owned);
    throw error;
  }
}
