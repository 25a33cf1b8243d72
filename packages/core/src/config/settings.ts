import { checkClientOptions } from '../client/service-client.js';
import { directorySettings } from '../discovery/directory-options.js';
import { checkWarmUp } from '../discovery/warm-up.js';
import { checkSettings } from '../health/active/active-check.js';
import { configuredCheck } from './health-checks.js';
import type { CheckedParts } from './health-checks.js';
import { monitor } from '../health/monitor.js';
import { checkInstance, checkServiceName } from '../registry/instance.js';
import { memoryRegistry } from '../registry/memory.js';
import { staticRegistry } from '../registry/static.js';
import { checkAddresses } from '../registry/static-address.js';
import type { StaticAddress } from '../registry/static-address.js';
import { routePolicy } from '../server/route-policies.js';
import type { RoutePolicies } from '../server/route-policies.js';
import { systemClock } from '../time/clock.js';
import { concurrencyLimit } from '../wrappers/concurrency-limit.js';
import { rateLimit } from '../wrappers/rate-limit.js';
import { configuredClient } from './client-options.js';
import type { ClientSurroundings } from './client-options.js';
import type {
  ActiveHealthConfiguration,
  CheckConfiguration,
  ClientConfiguration,
  Configuration,
  DirectConfiguration,
  DirectMode,
  DiscoveryConfiguration,
  HybridConfiguration,
  RegistryConfiguration,
  RoutingConfiguration,
  ServiceConfiguration,
  Services,
  StoreConfiguration,
} from './configuration.js';
import { EnvironmentText } from './environment-text.js';
import type { Findings, Path } from './findings.js';
import { PackageProblem, specifierOf } from './part-package.js';
import type { PartKind } from './part-package.js';
import { checkOf } from './probe-options.js';
import { routingOf } from './routing-rules.js';
import { BUILT_IN_REGISTRIES, BUILT_IN_STORES } from './schema.js';

/** A configuration in one form: ours, with types as objects. */
export interface Settings {
  readonly service?: ServiceConfiguration;
  readonly registry?: RegistryConfiguration;
  readonly discovery?: Omit<DiscoveryConfiguration, 'store'> & { readonly store?: StoreConfiguration };
  readonly direct?: { readonly services: Services; readonly mode: DirectMode; readonly resolve?: DirectConfiguration['resolve'] };
  readonly hybrid?: HybridConfiguration;
  readonly activeHealth?: ActiveHealthConfiguration;
  readonly routing?: RoutingConfiguration;
  readonly clients?: Readonly<Record<string, ClientConfiguration>>;
}

export const REGISTRIES: PartKind = {
  word: 'registry',
  export: 'createRegistry',
  builtIn: Object.keys(BUILT_IN_REGISTRIES),
  ours: ['consul', 'etcd'],
};
export const STORES: PartKind = { word: 'store', export: 'createSnapshotStore', builtIn: Object.keys(BUILT_IN_STORES), ours: ['redis'] };

/** The original design's form is translated into ours; what was given as a type alone becomes an object. */
export function settingsOf(given: Configuration, findings: Findings): Settings {
  const { registry, discovery, direct_mode: originalMode, services: originalServices, direct, ...alike } = given;
  if (originalMode !== undefined && direct?.mode !== undefined)
    findings.add(['direct_mode'], { value: originalMode, what: 'says what direct.mode says too', expected: 'Give one of them' });
  const services = { ...direct?.services, ...originalServices };
  const isDirect = direct !== undefined || originalMode !== undefined || originalServices !== undefined;
  const { store, ...rest } = discovery ?? {};
  return {
    ...alike,
    ...(registry !== undefined && { registry: typed(registry) }),
    ...(discovery !== undefined && { discovery: { ...rest, ...(store !== undefined && { store: typed(store) }) } }),
    ...(isDirect && {
      direct: { services, mode: modeOf(direct?.mode ?? originalMode), ...(direct?.resolve !== undefined && { resolve: direct.resolve }) },
    }),
  };
}

function typed<T extends { readonly type: string }>(given: string | T): T {
  return typeof given === 'string' ? ({ type: given } as T) : given;
}

function modeOf(mode: DirectMode | boolean = true): DirectMode {
  return typeof mode === 'string' ? mode : mode ? 'only' : 'off';
}

/** Tries everything that can be tried without opening anything, so that all that is wrong is known together. */
export function tryOut(settings: Settings, surroundings: ClientSurroundings, findings: Findings): void {
  const { service, registry, discovery, direct, hybrid, activeHealth, routing, clients = {} } = settings;
  const attempt = (path: Path, make: () => unknown): void => {
    if (findings.isClean(path)) findings.attempt(path, make);
  };
  if (service !== undefined) tryService(service, registry !== undefined || (direct !== undefined && direct.mode !== 'off'), attempt);
  if (registry !== undefined) tryType(['registry'], registry, REGISTRIES, findings);
  if (discovery !== undefined) {
    const { store, warmUp, ...options } = discovery;
    if (store !== undefined) tryType(['discovery', 'store'], store, STORES, findings);
    attempt(['discovery'], () => {
      directorySettings({ ...options, discovery: memoryRegistry() }, 'discovery');
      if (warmUp !== undefined) checkWarmUp(warmUp, {}, 'discovery.warmUp');
    });
  }
  if (direct !== undefined) {
    tryAddresses(
      direct.services,
      (name) => (findings.given(['services', name]) === undefined ? ['direct', 'services', name] : ['services', name]),
      attempt,
    );
    attempt(['direct', 'resolve'], () => staticRegistry({}, { ...(direct.resolve !== undefined && { resolve: direct.resolve }) }));
  }
  if (registry?.type === 'static') tryAddresses((registry['services'] ?? {}) as Services, (name) => ['registry', 'services', name], attempt);
  for (const [path, check] of checksOf(hybrid, activeHealth)) attempt(path, () => checkSettings(checkOf(check), path.at(-1)!));
  if (routing !== undefined) attempt(['routing'], () => routingOf(routing, surroundings));
  for (const [name, client] of Object.entries(clients)) {
    attempt(['clients', name], () => {
      if (!name.includes('://')) checkServiceName(name);
      checkClientOptions(`client ${JSON.stringify(name)}`, configuredClient(client, surroundings).options);
    });
  }
}

/** Stands for the parts that are made later, when a check is only tried. */
const TRIED: CheckedParts = {
  registry: { services: async () => [] },
  directory: { ready: () => Promise.reject(new Error('it was only tried')) },
};

type Attempt = (path: Path, make: () => unknown) => void;

function tryService(service: ServiceConfiguration, hasRegistry: boolean, attempt: Attempt): void {
  const { name, version, tags, metadata, zone, weight, advertise, health } = service;
  attempt(['service'], () => {
    const host = advertise?.host ?? '127.0.0.1';
    const fields = {
      ...(version !== undefined && { version }),
      ...(tags !== undefined && { tags }),
      ...(metadata !== undefined && { metadata }),
      ...(zone !== undefined && { zone }),
      ...(weight !== undefined && { weight }),
    };
    checkInstance({ ...fields, id: service.id ?? 'tried', service: name ?? 'tried', host, port: 1 });
  });
  if (health !== undefined) {
    const { checks = [], port: _port, host: _host, ...options } = health;
    attempt(['service', 'health'], () => monitor(options));
    const names = new Set<string>();
    for (const [index, check] of checks.entries()) {
      attempt(['service', 'health', 'checks', String(index)], () => {
        const made = configuredCheck(check, hasRegistry ? TRIED : { registry: undefined, directory: undefined });
        if (names.has(made.name)) throw new TypeError(`checks: the name ${made.name} is taken. Give this one a name of its own.`);
        names.add(made.name);
      });
    }
  }
  const { rateLimit: rate, concurrencyLimit: concurrency } = service;
  if (rate !== undefined) attempt(['service', 'rateLimit'], () => rateLimit(rate));
  if (typeof concurrency === 'object') attempt(['service', 'concurrencyLimit'], () => concurrencyLimit(concurrency));
  for (const [route, policies] of Object.entries(service.routePolicies ?? {})) {
    for (const kind of Object.keys(policies) as (keyof RoutePolicies)[]) {
      attempt(['service', 'routePolicies', route, kind], () => routePolicy(kind, policies[kind]!, { clock: systemClock, random: Math.random }));
    }
  }
}

function tryAddresses(services: Services, pathOf: (name: string) => Path, attempt: Attempt): void {
  for (const [name, addresses] of Object.entries(services))
    attempt(pathOf(name), () =>
      checkAddresses(name, Array.isArray(addresses) ? (addresses as readonly StaticAddress[]) : [addresses as StaticAddress]),
    );
}

function* checksOf(hybrid?: HybridConfiguration, activeHealth?: ActiveHealthConfiguration): Iterable<readonly [Path, Partial<CheckConfiguration>]> {
  if (hybrid?.check !== undefined && hybrid.check !== false) yield [['hybrid', 'check'], hybrid.check];
  for (const [name, { check }] of Object.entries(hybrid?.services ?? {}))
    if (check !== undefined && check !== false) yield [['hybrid', 'services', name, 'check'], check];
  for (const [name, check] of Object.entries(activeHealth?.services ?? {})) yield [['activeHealth', 'services', name], check];
}

/** Whether it can be a type; of a built-in one its options too. */
function tryType(path: Path, config: RegistryConfiguration | StoreConfiguration, kind: PartKind, findings: Findings): void {
  const { type, ...options } = config;
  const at = typePath(path, findings);
  if (type === undefined)
    return findings.add([...path, 'type'], { what: 'it is missing', expected: `Give one such as ${[...kind.builtIn, ...kind.ours].join(', ')}` });
  if (kind.builtIn.includes(type)) {
    const known = kind === REGISTRIES ? BUILT_IN_REGISTRIES : BUILT_IN_STORES;
    known[type]!.read(options, path, findings);
    return;
  }
  try {
    specifierOf(type, kind, findings.given(at) instanceof EnvironmentText);
  } catch (error) {
    if (!(error instanceof PackageProblem)) throw error;
    findings.add(at, { value: type, what: error.message, expected: error.expected, nearest: error.nearest });
  }
}

/** A type alone stands in the place of its object. */
export function typePath(path: Path, findings: Findings): Path {
  const inside = [...path, 'type'];
  return findings.given(inside) === undefined ? path : inside;
}
