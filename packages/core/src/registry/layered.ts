import { ServiceError } from '../errors/service-error.js';
import { silentLogger } from '../logging/logger.js';
import type { Logger } from '../logging/logger.js';
import { checkFlag, checkMethods, checkOptions, checkRecord, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import { checkServiceName } from './instance.js';
import { LAYER_MODES } from './layer-mode.js';
import type { LayerMode } from './layer-mode.js';
import { LayerWatch } from './layer-watch.js';
import type { LayerState } from './layer-watch.js';
import { LayeredService } from './layered-service.js';
import type { LayerPlan } from './layered-service.js';
import { newest } from './newest.js';
import type { Discovery, Instance, Registrar, Registry } from './registry.js';

export interface LayeredOptions {
  /**
   * For services that `services` does not name. false: the first layer's list when it knows the service, else the second's (`either`).
   * true: both, the first preferred (`merge`): the selector uses the second for what the first cannot take. Default false.
   */
  readonly spill?: boolean;
  /** How the list of a service is made, by its name. */
  readonly services?: Readonly<Record<string, LayerMode>>;
  /**
   * In a merged list the preferred layer's instances keep their priority, and those of the other have this much added to theirs, up to 127.
   * Default 1; more where the preferred layer has priorities of its own. Three layers are two: `layered(a, layered(b, c, …), …)`.
   */
  readonly behind?: number;
  /**
   * The layer where `register` registers; false: it is refused. Default: the second when it can (the first is what is fixed, the second
   * what others see), else the first.
   */
  readonly registrar?: 'first' | 'second' | false;
  /** How long the list of the other layer alone is held back while the preferred one has not told its first. Default 1 s. */
  readonly patience?: Duration;
  /** How long the last list of a layer that fails is served while the other one answers. Default 1 h. */
  readonly staleFor?: Duration;
  /** Whether disposing disposes of both layers too. Default false: they stay open. */
  readonly owns?: boolean;
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Numbers from 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
}

export interface LayerReport {
  readonly state: LayerState;
  /** How many instances it lists; while it fails, as it listed last. undefined: it has told no list. */
  readonly instances: number | undefined;
  /** Why it fails, while it does. */
  readonly error?: unknown;
}

/** Two registries as one. */
export interface LayeredRegistry extends Registry {
  /**
   * Changes how the list of a service is made, at once and until it is changed again; without a mode it is as the options say.
   * With `holdLast` the second layer, when it says that nobody is there any more, counts with whom it listed before, for up to `staleFor`.
   * @throws TypeError for a mode that there is not.
   */
  setMode(service: string, mode?: LayerMode, options?: { readonly holdLast?: boolean }): void;
  modeOf(service: string): LayerMode;
  /** The list as it was told last; empty for a service that nobody watches. */
  listOf(service: string): readonly Instance[];
  /** Which layer an instance of the present list came from; undefined when it is not listed, or its service is not watched. */
  layerOf(service: string, id: string): 'first' | 'second' | undefined;
  /** How the layers of a service are. A service that nobody watches has idle ones. */
  layers(service: string): { readonly first: LayerReport; readonly second: LayerReport };
  /** Calls `listener` with the service when its list or the state of one of its layers may have changed. The returned function ends that. */
  onChange(listener: (service: string) => void): () => void;
}

const OPTIONS = namesOf<LayeredOptions>({
  spill: true,
  services: true,
  behind: true,
  registrar: true,
  patience: true,
  staleFor: true,
  owns: true,
  logger: true,
  clock: true,
  random: true,
});

/** Lists of services whose layers all failed are kept for when they are watched again, of so many. */
const MOST_KEPT = 1_000;

/**
 * Two layers as one registry: what is fixed, and what is registered. Each service is watched once in a layer however many ask, and only where
 * its mode needs it. A layer that fails does not take the list of the other away: its own last list is kept for `staleFor` and it is watched
 * again with backoff; the watch throws, so that the caller knows, when all layers fail that have a say, and when nobody is listed while one of
 * them cannot be seen. An instance keeps its object until it changes, also with another priority.
 *
 * `services()` gives the names of both; those of one alone while the other fails. Disposing ends all watches (they throw).
 * @throws TypeError for a layer that is none and an option that does not fit.
 */
export function layered(first: Discovery | Registry, second: Discovery | Registry, options: LayeredOptions = {}): LayeredRegistry {
  checkOptions('layered', options, OPTIONS);
  checkSurroundings('layered', options);
  for (const [name, layer] of Object.entries({ first, second })) {
    if (layer === undefined)
      throw new TypeError(`layered ${name}: it is missing. Give two registries, such as staticRegistry({ … }) and fileRegistry().`);
    checkMethods(layer, ['watch', 'services'], `layered ${name}`, 'Give a registry, for example staticRegistry({ … })');
  }
  checkFlag(options.spill, 'layered spill');
  checkFlag(options.owns, 'layered owns');
  checkRecord(options.services, 'layered services');
  const { spill = false, services = {}, behind = 1, clock = systemClock, random = Math.random, logger = silentLogger } = options;
  for (const [service, mode] of Object.entries(services)) {
    checkServiceName(service, 'layered services, a key');
    checkMode(mode, `layered services[${JSON.stringify(service)}]`);
  }
  if (!Number.isInteger(behind) || behind < 1 || behind > 127)
    throw new TypeError(`layered behind: ${shown(behind)} does not fit. Give an integer from 1 to 127.`);
  const patienceMs = toMs(options.patience ?? 1_000, 'layered patience');
  const staleForMs = toMs(options.staleFor ?? 3_600_000, 'layered staleFor');
  const registrar = registrarOf(first, second, options.registrar);

  const modes = new Map<string, LayerMode>(Object.entries(services));
  const moved = new Map<string, LayerPlan>();
  const watched = new Map<string, LayeredService>();
  const listeners = new Set<(service: string) => void>();
  const copies = new WeakMap<Instance, Instance>();
  let closed = false;

  const usualMode = (service: string): LayerMode => modes.get(service) ?? (spill ? 'merge' : 'either');
  const planOf = (service: string): LayerPlan => moved.get(service) ?? { mode: usualMode(service), holdLast: false };
  const setBehind = (instance: Instance): Instance => {
    let copy = copies.get(instance);
    if (copy === undefined) {
      copy = Object.freeze({ ...instance, priority: Math.min(127, (instance.priority ?? 0) + behind) });
      copies.set(instance, copy);
    }
    return copy;
  };
  const make = (service: string): LayeredService =>
    new LayeredService(
      planOf(service),
      (layer, changed) =>
        new LayerWatch(service, { layer, discovery: layer === 'first' ? first : second, clock, random, logger, staleForMs }, changed),
      {
        clock,
        patienceMs,
        behind: setBehind,
        changed() {
          for (const listener of [...listeners]) {
            try {
              listener(service);
            } catch (error) {
              logger.error({ service, error }, 'A listener of the layered registry threw');
            }
          }
        },
      },
    );
  const serviceOf = (service: string): LayeredService => {
    let known = watched.get(service);
    if (known !== undefined) return known;
    if (watched.size >= MOST_KEPT) dropUnused();
    watched.set(service, (known = make(service)));
    return known;
  };
  const dropUnused = (): void => {
    for (const [service, one] of watched) {
      if (one.inUse) continue;
      watched.delete(service);
      one.forget();
      return;
    }
  };

  return {
    name: 'layered',
    async register(instance, registerOptions) {
      if (closed) throw closedError();
      if (registrar === undefined) {
        throw new ServiceError('FAILED_PRECONDITION', 'The layered registry does not register: no layer of it can, or registrar is false', {
          retryable: false,
        });
      }
      return registrar.register(instance, registerOptions);
    },
    watch(service, signal) {
      checkServiceName(service);
      return newest(signal, (sink) => {
        if (closed) throw closedError();
        const one = serviceOf(service);
        one.subscribe(sink);
        return () => {
          if (one.unsubscribe(sink) && watched.get(service) === one) watched.delete(service);
        };
      });
    },
    async services(signal) {
      if (closed) throw closedError();
      signal?.throwIfAborted();
      const [some, others] = await Promise.allSettled([servicesOf(first, signal), servicesOf(second, signal)]);
      signal?.throwIfAborted();
      if (some.status === 'rejected' && others.status === 'rejected') throw new AggregateError([some.reason, others.reason], 'No layer answers');
      const names = new Set<string>();
      for (const [layer, told] of Object.entries({ first: some, second: others })) {
        if (told.status === 'fulfilled') for (const name of told.value) names.add(name);
        else logger.warn({ layer, error: told.reason as unknown }, 'A layer does not tell its services');
      }
      return [...names].sort();
    },
    setMode(service, mode, { holdLast = false } = {}) {
      checkServiceName(service, 'setMode service');
      if (mode !== undefined) checkMode(mode, `setMode ${service}`);
      checkFlag(holdLast, `setMode ${service} holdLast`);
      if (mode === undefined && !holdLast) moved.delete(service);
      else moved.set(service, { mode: mode ?? usualMode(service), holdLast });
      watched.get(service)?.move(planOf(service));
    },
    modeOf: (service) => planOf(service).mode,
    listOf: (service) => watched.get(service)?.list ?? [],
    layerOf: (service, id) => watched.get(service)?.layerOf(id),
    layers(service) {
      const one = watched.get(service);
      return { first: reportOf(one?.first), second: reportOf(one?.second) };
    },
    onChange(listener) {
      const heard = (service: string): void => listener(service);
      listeners.add(heard);
      return () => void listeners.delete(heard);
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      for (const one of watched.values()) {
        one.fail(closedError());
        one.forget();
      }
      watched.clear();
      listeners.clear();
      if (options.owns === true) for (const layer of [first, second]) await (layer as Partial<Registry>)[Symbol.asyncDispose]?.();
    },
  };
}

function closedError(): ServiceError {
  return new ServiceError('UNAVAILABLE', 'The layered registry is closed; make a new one', { retryable: false });
}

function checkMode(mode: unknown, option: string): void {
  if (LAYER_MODES.includes(mode as LayerMode)) return;
  throw new TypeError(`${option}: ${shown(mode)} is no way to make a list. Give ${LAYER_MODES.map((one) => `'${one}'`).join(', ')}.`);
}

/** @throws TypeError when the layer that was named cannot register. */
function registrarOf(first: Discovery, second: Discovery, wanted: unknown): Registrar | undefined {
  if (wanted === false) return undefined;
  if (wanted !== undefined && wanted !== 'first' && wanted !== 'second')
    throw new TypeError(`layered registrar: ${shown(wanted)} is no layer. Give 'first', 'second' or false.`);
  const named = wanted === undefined ? undefined : wanted === 'first' ? first : second;
  if (named !== undefined && !canRegister(named))
    throw new TypeError(`layered registrar: the ${String(wanted)} layer has no register(). Name the other one, or leave it out.`);
  return [...(named === undefined ? [second, first] : [named])].find(canRegister);
}

function canRegister(layer: Discovery): layer is Discovery & Registrar {
  return typeof (layer as Partial<Registrar>).register === 'function';
}

/** Rejects, whatever the layer does. */
async function servicesOf(layer: Discovery, signal: AbortSignal | undefined): Promise<readonly string[]> {
  return layer.services(signal);
}

function reportOf(watch: LayerWatch | undefined): LayerReport {
  return { state: watch?.state ?? 'idle', instances: watch?.list?.length, ...(watch?.error !== undefined && { error: watch.error }) };
}
