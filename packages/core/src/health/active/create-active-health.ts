import { createDirectory } from '../../discovery/create-directory.js';
import type { Directory, Snapshot } from '../../discovery/directory.js';
import { silentLogger } from '../../logging/logger.js';
import type { Logger } from '../../logging/logger.js';
import { checkFlag, checkFunction, checkMethods, checkOptions, checkRecord, checkSurroundings, namesOf } from '../../options/check.js';
import { shown } from '../../options/shown.js';
import { checkServiceName } from '../../registry/instance.js';
import { originOf } from '../../registry/registry.js';
import type { Discovery, Instance } from '../../registry/registry.js';
import { systemClock } from '../../time/clock.js';
import type { Clock } from '../../time/clock.js';
import { checkSettings } from './active-check.js';
import type { ActiveCheck, CheckSettings } from './active-check.js';
import type { ActiveHealth, ActiveHealthEvent, InstanceHealth } from './active-health.js';
import { gate } from '../gate.js';
import { reasonOf } from '../reason.js';
import { ProbedInstance } from './probed-instance.js';

export interface ActiveHealthOptions {
  /** By service. More with `check`. */
  readonly services?: Readonly<Record<string, ActiveCheck>>;
  /** Where the instances are listed. It stays open. */
  readonly discovery?: Discovery;
  /** A cache of a registry that is shared, in place of `discovery`. It stays open. */
  readonly directory?: Directory;
  /** How many probes are under way at a time, of all services. Default 32. */
  readonly concurrency?: number;
  /** Hears of every event, as with `onEvent`. */
  readonly onEvent?: (event: ActiveHealthEvent) => void;
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Numbers from 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
}

const OPTIONS = namesOf<ActiveHealthOptions>({
  services: true,
  discovery: true,
  directory: true,
  concurrency: true,
  onEvent: true,
  logger: true,
  clock: true,
  random: true,
});
/** What operators set by hand; more of it comes from a program that never takes anything back. */
const MOST_MANUAL = 10_000;

/**
 * Probes instances and tells a selector (`health`) which of them work: unknown ones count as healthy, and with too few healthy ones the
 * selector panics. What is probed keeps its result until it leaves the list; one that comes back under another address starts anew.
 * @throws TypeError for an option that does not fit.
 */
export function activeHealth(options: ActiveHealthOptions): ActiveHealth {
  checkOptions('activeHealth', options, OPTIONS);
  checkSurroundings('activeHealth', options);
  checkFunction(options.onEvent, 'activeHealth onEvent');
  checkRecord(options.services, 'activeHealth services');
  checkMethods(options.discovery, ['watch'], 'activeHealth discovery', 'Give a registry, for example staticRegistry({ … })');
  checkMethods(options.directory, ['lookup', 'subscribe'], 'activeHealth directory', 'Give what createDirectory() made');
  const { concurrency = 32, discovery } = options;
  if (options.directory === undefined && discovery === undefined)
    throw new TypeError('activeHealth discovery: it is missing. Give a registry, for example staticRegistry({ … }), or a directory.');
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new TypeError(`activeHealth concurrency: ${shown(concurrency)} does not fit. Give an integer from 1.`);
  for (const [service, check] of Object.entries(options.services ?? {})) checkSettings(check, `activeHealth services[${JSON.stringify(service)}]`);
  return new Scheduler(options, concurrency);
}

/** What is known of one instance of one service, by probes and by hand. */
interface Known {
  probed: ProbedInstance | undefined;
  origin: string | undefined;
  manual: { readonly healthy: boolean; readonly reason: string } | undefined;
  /** As it was told last. */
  healthy: boolean | undefined;
  since: number | undefined;
}

class Scheduler implements ActiveHealth {
  readonly #known = new Map<string, Map<string, Known>>();
  readonly #checks = new Map<string, () => void>();
  readonly #healthListeners = new Set<(service: string, id: string) => void>();
  readonly #eventListeners = new Set<(event: ActiveHealthEvent) => void>();
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #logger: Logger;
  readonly #directory: Directory;
  readonly #owned: Directory | undefined;
  readonly #places;
  #manual = 0;
  #closed = false;

  constructor(options: ActiveHealthOptions, concurrency: number) {
    const { clock = systemClock, random = Math.random, logger = silentLogger, services = {}, onEvent } = options;
    this.#clock = clock;
    this.#random = random;
    this.#logger = logger;
    this.#places = gate(concurrency);
    if (options.directory === undefined) this.#owned = createDirectory({ discovery: options.discovery!, clock, random, logger });
    this.#directory = options.directory ?? this.#owned!;
    if (onEvent !== undefined) this.#eventListeners.add(onEvent);
    for (const [service, check] of Object.entries(services)) this.check(service, check);
  }

  healthOf({ service, id }: Instance): boolean | undefined {
    return this.#known.get(service)?.get(id)?.healthy;
  }

  onChange(listener: (service: string, id: string) => void): () => void {
    const heard = (service: string, id: string): void => listener(service, id);
    this.#healthListeners.add(heard);
    return () => void this.#healthListeners.delete(heard);
  }

  onEvent(listener: (event: ActiveHealthEvent) => void): () => void {
    checkFunction(listener, 'onEvent');
    const heard = (event: ActiveHealthEvent): void => listener(event);
    this.#eventListeners.add(heard);
    return () => void this.#eventListeners.delete(heard);
  }

  check(service: string, check: ActiveCheck): () => void {
    checkServiceName(service, 'activeHealth services, a key');
    const settings = checkSettings(check, `activeHealth services[${JSON.stringify(service)}]`);
    if (this.#checks.has(service)) throw new TypeError(`activeHealth: ${shown(service)} is checked already. End that check first.`);
    if (this.#closed) return () => {};
    const unsubscribe = this.#directory.subscribe(service, (snapshot) => this.#apply(snapshot, settings));
    const end = (): void => {
      if (this.#checks.get(service) !== end) return;
      this.#checks.delete(service);
      unsubscribe();
      for (const [id, known] of this.#of(service)) this.#unlist(service, id, known);
    };
    this.#checks.set(service, end);
    this.#apply(this.#directory.lookup(service), settings);
    return end;
  }

  setHealth(service: string, id: string, healthy: boolean, reason?: string): void {
    checkServiceName(service, 'setHealth service');
    checkServiceName(id, 'setHealth id');
    if (typeof healthy !== 'boolean') checkFlag(healthy ?? null, 'setHealth healthy');
    if (this.#closed) return;
    const known = this.#known.get(service)?.get(id) ?? {
      probed: undefined,
      origin: undefined,
      manual: undefined,
      healthy: undefined,
      since: undefined,
    };
    if (known.manual === undefined) {
      if (this.#manual >= MOST_MANUAL)
        throw new RangeError(`setHealth: the health of ${MOST_MANUAL} instances is set by hand already. Take some back with clear().`);
      this.#manual++;
    }
    known.manual = { healthy, reason: reasonOf(reason) ?? 'set by hand' };
    this.#keep(service, id, known);
    known.probed?.resume();
    this.#settle(service, id, known, known.manual.reason);
  }

  clear(service: string, id: string): boolean {
    const known = this.#known.get(service)?.get(id);
    known?.probed?.resume();
    if (known?.manual === undefined) return false;
    this.#takeBack(known);
    if (known.probed === undefined) this.#drop(service, id);
    this.#settle(service, id, known, 'taken back');
    return true;
  }

  report(service?: string): readonly InstanceHealth[] {
    const reports: InstanceHealth[] = [];
    for (const name of service === undefined ? this.#known.keys() : [service]) {
      for (const [id, known] of this.#of(name)) reports.push(reportOf(name, id, known));
    }
    return reports;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#healthListeners.clear();
    this.#eventListeners.clear();
    for (const end of this.#checks.values()) end();
    this.#known.clear();
    await this.#owned?.[Symbol.asyncDispose]();
  }

  /** Only an answer of the registry says that somebody has left. */
  #apply({ service, state, instances, stale }: Snapshot, settings: CheckSettings): void {
    if ((state !== 'bound' && state !== 'empty') || stale) return;
    const listed = new Set<string>();
    for (const instance of instances) {
      listed.add(instance.id);
      this.#list(service, instance, settings);
    }
    for (const [id, known] of this.#of(service)) if (known.probed !== undefined && !listed.has(id)) this.#unlist(service, id, known);
  }

  #list(service: string, instance: Instance, settings: CheckSettings): void {
    const origin = `${originOf(instance)} ${instance.serverName ?? ''}`;
    const known = this.#known.get(service)?.get(instance.id) ?? {
      probed: undefined,
      origin,
      manual: undefined,
      healthy: undefined,
      since: undefined,
    };
    if (known.probed !== undefined && known.origin === origin) {
      known.probed.instance = instance;
      return;
    }
    known.probed?.leave();
    known.origin = origin;
    known.probed = new ProbedInstance(instance, {
      settings,
      places: this.#places,
      clock: this.#clock,
      random: this.#random,
      hears: {
        verdict: (probed) => this.#settle(service, instance.id, known, probed.reason ?? 'unknown'),
        gaveUp: (probed) => this.#tell('gaveUp', service, instance.id, known, probed.reason ?? 'unknown'),
      },
    });
    this.#keep(service, instance.id, known);
    this.#settle(service, instance.id, known, 'another address');
  }

  #unlist(service: string, id: string, known: Known): void {
    known.probed?.leave();
    this.#takeBack(known);
    this.#drop(service, id);
    if (known.healthy !== undefined) this.#changed(service, id);
  }

  #takeBack(known: Known): void {
    if (known.manual === undefined) return;
    known.manual = undefined;
    this.#manual--;
  }

  /** Tells what counts from now on, when that is something else. */
  #settle(service: string, id: string, known: Known, reason: string): void {
    const before = known.healthy;
    const now = known.manual?.healthy ?? known.probed?.healthy;
    if (before === now) return;
    known.healthy = now;
    known.since = now === undefined ? undefined : this.#clock.wallTime();
    this.#changed(service, id);
    if (now === false) this.#tell('unhealthy', service, id, known, reason);
    else if (before === false) this.#tell('recovered', service, id, known, reason);
  }

  #changed(service: string, id: string): void {
    for (const listener of [...this.#healthListeners]) this.#call(() => listener(service, id), service);
  }

  #tell(type: ActiveHealthEvent['type'], service: string, id: string, known: Known, reason: string): void {
    const instance = known.probed?.instance;
    const attempts = known.probed?.attempts ?? 0;
    const event: ActiveHealthEvent = Object.freeze({ type, service, instance, id, reason, at: this.#clock.wallTime(), attempts });
    const fields = { service, id, reason, attempts, ...(instance !== undefined && { origin: originOf(instance) }) };
    if (type === 'recovered') this.#logger.info(fields, 'An instance is healthy again');
    else this.#logger.warn(fields, type === 'gaveUp' ? 'An instance does not become healthy again' : 'An instance is unhealthy');
    for (const listener of [...this.#eventListeners]) this.#call(() => listener(event), service);
  }

  #call(listener: () => void, service: string): void {
    try {
      listener();
    } catch (error) {
      this.#logger.error({ service, error }, 'A listener of the active health threw');
    }
  }

  #of(service: string): readonly (readonly [string, Known])[] {
    return [...(this.#known.get(service) ?? [])];
  }

  #keep(service: string, id: string, known: Known): void {
    let instances = this.#known.get(service);
    if (instances === undefined) this.#known.set(service, (instances = new Map<string, Known>()));
    instances.set(id, known);
  }

  #drop(service: string, id: string): void {
    const instances = this.#known.get(service);
    if (instances?.delete(id) === true && instances.size === 0) this.#known.delete(service);
  }
}

function reportOf(service: string, id: string, { probed, manual, healthy, since }: Known): InstanceHealth {
  const failures = probed?.failures ?? 0;
  return {
    service,
    id,
    instance: probed?.instance,
    state: healthy === false ? 'unhealthy' : manual === undefined && failures > 0 ? 'degraded' : healthy === true ? 'healthy' : 'unknown',
    manual: manual !== undefined,
    reason: manual?.reason ?? probed?.reason,
    since,
    checkedAt: probed?.checkedAt,
    tookMs: probed?.tookMs,
    successes: probed?.successes ?? 0,
    failures,
    attempts: probed?.attempts ?? 0,
    recoveries: probed?.recoveries ?? 0,
    gaveUp: probed?.hasGivenUp ?? false,
  };
}
