import { fileStore } from '../discovery/file-store.js';
import type { SnapshotStore } from '../discovery/snapshot-store.js';
import type { Logger } from '../logging/logger.js';
import { shown } from '../options/shown.js';
import { fileRegistry } from '../registry/file.js';
import { memoryRegistry } from '../registry/memory.js';
import type { Registry } from '../registry/registry.js';
import { staticRegistry } from '../registry/static.js';
import type { Clock } from '../time/clock.js';
import { withoutType } from './without-type.js';
import type { RegistryConfiguration, Services, StoreConfiguration } from './configuration.js';
import { EnvironmentText } from './environment-text.js';
import type { Findings, Path } from './findings.js';
import { fileBehind } from './load-config.js';
import { PackageProblem, partFactory } from './part-package.js';
import type { PartKind } from './part-package.js';
import { BUILT_IN_REGISTRIES, BUILT_IN_STORES } from './schema.js';
import { REGISTRIES, STORES, typePath } from './settings.js';

export interface Opening {
  readonly findings: Findings;
  readonly from: string;
  /** What is opened goes here. */
  readonly owned: AsyncDisposable[];
  readonly common: { readonly logger: Logger; readonly clock?: Clock; readonly random?: () => number };
}

/** The registry that is named; undefined when that failed, which is told. */
export async function openRegistry(config: RegistryConfiguration, opening: Opening): Promise<Registry | undefined> {
  const path = ['registry'];
  if (!REGISTRIES.builtIn.includes(config.type))
    return (await opened(path, config, REGISTRIES, ['register', 'watch', 'services'], opening)) as Registry | undefined;
  const { findings, owned, common } = opening;
  const options = BUILT_IN_REGISTRIES[config.type]!.read(withoutType(config), path, findings) as { readonly services?: Services };
  const registry = findings.attempt(path, () => {
    if (config.type === 'memory') return memoryRegistry();
    if (config.type === 'file') return fileRegistry({ ...common, ...options });
    const { services, ...rest } = options;
    return staticRegistry(services, { ...common, ...rest });
  });
  if (registry !== undefined) owned.push(registry);
  return registry;
}

/** As `openRegistry`. */
export async function openStore(config: StoreConfiguration, opening: Opening): Promise<SnapshotStore | undefined> {
  const path = ['discovery', 'store'];
  if (!STORES.builtIn.includes(config.type)) return (await opened(path, config, STORES, ['load', 'save'], opening)) as SnapshotStore | undefined;
  const {
    findings,
    owned,
    common: { random: _random, ...common },
  } = opening;
  const options = BUILT_IN_STORES[config.type]!.read(withoutType(config), path, findings) as object;
  const store = findings.attempt(path, () => fileStore({ ...common, ...options }));
  if (store !== undefined) owned.push(store);
  return store;
}

async function opened(
  path: Path,
  config: RegistryConfiguration | StoreConfiguration,
  kind: PartKind,
  methods: readonly string[],
  { findings, from, owned }: Opening,
): Promise<object | undefined> {
  const { type } = config;
  const at = typePath(path, findings);
  let made: unknown;
  try {
    const isOfEnvironment = findings.given(at) instanceof EnvironmentText;
    const factory = await partFactory(type, kind, { from, relativeTo: fileBehind(findings, at, from), isOfEnvironment });
    made = await factory(withoutType(config));
  } catch (error) {
    if (error instanceof PackageProblem)
      findings.add(at, {
        value: type,
        what: error.message,
        expected: error.expected,
        nearest: error.nearest,
        ...(error.cause !== undefined && { cause: error.cause }),
      });
    else findings.addError(path, error, true);
    return undefined;
  }
  const part = typeof made === 'object' && made !== null ? (made as Readonly<Record<string | symbol, unknown>>) : {};
  const absent = methods.find((name) => typeof part[name] !== 'function');
  if (typeof part[Symbol.asyncDispose] === 'function') owned.push(part as unknown as AsyncDisposable);
  if (absent === undefined) return part;
  findings.add(at, {
    value: type,
    what: `cannot be used: its ${kind.export}() gave ${shown(made)}, which has no ${absent}()`,
    expected: `Give a package whose ${kind.export}() makes a ${kind.word === 'registry' ? 'Registry' : 'SnapshotStore'}`,
  });
  return undefined;
}
