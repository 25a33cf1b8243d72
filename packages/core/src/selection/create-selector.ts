import type { Call } from '../call/call.js';
import type { Balancer } from '../balancing/balancer.js';
import { Ejection } from '../balancing/ejection.js';
import { ejector as defaultEjector, noEjector } from '../balancing/ejector.js';
import { Endpoint } from '../balancing/endpoint.js';
import { p2c } from '../balancing/p2c.js';
import { relativeLatency } from '../balancing/relative-latency.js';
import { roundRobin } from '../balancing/round-robin.js';
import type { Snapshot, SnapshotSource } from '../discovery/directory.js';
import type { HealthSource } from '../registry/health-source.js';
import type { Instance } from '../registry/registry.js';
import { silentLogger } from '../logging/logger.js';
import type { Logger } from '../logging/logger.js';
import { shown } from '../options/shown.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { checkSelectorOptions, checkedFleet, listOf } from './check-selector.js';
import type { EndpointView } from './endpoint-view.js';
import type { Level } from './level.js';
import { EndpointLease } from './lease.js';
import { noEndpoint, selectorClosed } from './no-endpoint.js';
import { PriorityWatch } from './priority-watch.js';
import { Roster } from './roster.js';
import type { Router, Target, TargetStates } from './router.js';
import { ROUTED, TRIED } from './selector.js';
import type { EndpointReport, LevelReport, PickCount, SelectorOptions, ServiceSelector } from './service-selector.js';
import { WaitingCalls } from './waiting-calls.js';
import type { Lease } from './selector.js';

/** How often the balancer is asked for an endpoint that was not tried yet, before the first such one is taken. */
const PICKS_FOR_UNTRIED = 4;
/** A probe risks its call. So one that can be repeated goes first; when none came for so long, any goes. */
const PROBE_PATIENCE_MS = 1_000;

/**
 * Picks endpoints for the calls of one service, and counts and judges them. Watching begins with the first `select`.
 *
 * Until the first list is known, callers wait, at most until their deadline; then they are counted one by one, so that a thousand
 * of them spread. An empty first list rejects at once: it is an answer, and waiting longer would turn a fast failure into a slow one
 * for which a retry, a fallback or another service could have been used. A list that the directory gives up (`failed`) is given up here too.
 * @throws TypeError when an option is missing or wrong.
 */
export function createSelector(options: SelectorOptions): ServiceSelector {
  checkSelectorOptions(options);
  return new DirectorySelector(options);
}

class DirectorySelector implements ServiceSelector, TargetStates {
  readonly service: string;
  readonly #directory: SnapshotSource;
  readonly #balancer: Balancer;
  readonly #fallback: Balancer;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #ejection: Ejection;
  readonly #roster: Roster;
  readonly #random: () => number;
  readonly #routers: readonly Router[] | undefined;
  readonly #health: readonly HealthSource[];
  readonly #priorities: PriorityWatch | undefined;
  /** The balancers whose failure to pick was told. */
  readonly #told = new Set<Balancer>();
  #now = 0;
  #picked = 0;
  #pickedInstead = 0;
  readonly #waiting: WaitingCalls;
  #unsubscribe: (() => void)[] | undefined;
  #known = false;
  #closed = false;
  /** Why no list is known; undefined when one is. */
  #failure: { readonly error: unknown } | undefined;

  constructor(options: SelectorOptions) {
    const { service, directory, random = Math.random, filters = [], logger = silentLogger, clock = systemClock } = options;
    const { zone, onPriority, onArrival, onDeparture } = options;
    const routers = listOf(options.routing);
    const health = listOf(options.health);
    const { balancer = p2c({ random }), fallback = roundRobin({ random }), ejector = defaultEjector() } = options;
    this.service = service;
    this.#random = random;
    this.#routers = routers.length === 0 ? undefined : routers;
    this.#health = health;
    this.#directory = directory;
    this.#balancer = balancer;
    this.#fallback = fallback;
    this.#clock = clock;
    this.#waiting = new WaitingCalls(service, clock);
    this.#logger = logger;
    this.#ejection = new Ejection(ejector === false ? noEjector : ejector, random, (endpoint) => this.#changed(endpoint));
    this.#roster = new Roster({
      fleet: checkedFleet(balancer.load ?? fallback.load ?? relativeLatency()),
      ejection: this.#ejection,
      filters,
      zone,
      subset: options.subset,
      healthOf: (instance) => this.#healthOf(instance),
      onThrow: ({ id }, error) => logger.error({ service, id, error }, 'A filter or a routing target threw; the instance is left out'),
      targets: routers.reduce((sum, { targets }) => sum + (targets?.length ?? 0), 0),
      onArrival,
      onDeparture,
    });
    if (onPriority !== undefined)
      this.#priorities = new PriorityWatch(service, this.#roster.main, clock, (change) => {
        try {
          onPriority(change);
        } catch (error) {
          logger.error({ service, error }, 'The listener onPriority threw');
        }
      });
  }

  select(call: Call): Lease | Promise<Lease> {
    if (!this.#known) {
      if (this.#closed) throw selectorClosed(this.service, 'its selector is closed');
      this.#watch();
      if (!this.#known) return this.#waiting.add(call);
    }
    return this.#lease(call);
  }

  endpoints(): readonly EndpointReport[] {
    this.#ejection.wake(this.#clock.now());
    return Array.from(this.#roster, ({ id, origin, waiting, open, latencyMs, health, instance, passing }) => ({
      id,
      instance,
      origin,
      waiting,
      open,
      latencyMs,
      success: health.success,
      state: passing ? health.state : 'failing',
    }));
  }

  levels(): readonly LevelReport[] {
    this.#ejection.wake(this.#clock.now());
    return this.#roster.main.levels.map(({ priority, near, members, ready, share, panic }) => ({
      priority,
      near,
      instances: members.size,
      ready: ready.size,
      share,
      panic,
    }));
  }

  picks(): readonly PickCount[] {
    return [
      { strategy: this.#balancer.name, count: this.#picked },
      { strategy: this.#fallback.name, count: this.#pickedInstead },
    ];
  }

  elsewhere(call: Call): boolean {
    if (!this.#known) return false;
    this.#ejection.wake(this.#clock.now());
    const routed = call.values.get(ROUTED);
    return this.#roster.viewOf(call, routed?.by === this ? routed.target : undefined).readyBeside(call.values.get(TRIED) ?? []);
  }

  isEmpty(target: Target, call: Call): boolean {
    const view = this.#roster.viewOf(call, target);
    return view.ready === 0 && !this.#mayProbe(view.due, call);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#known = false;
    for (const unsubscribe of this.#unsubscribe ?? []) unsubscribe();
    this.#roster.leave();
    this.#waiting.refuse(() => selectorClosed(this.service, 'its selector was closed while the call waited for the first list'));
  }

  #lease(call: Call): Lease {
    const now = this.#clock.now();
    this.#now = now;
    if (now >= this.#ejection.nextDue) this.#ejection.wake(now);
    const target = this.#routers === undefined ? undefined : this.#route(this.#routers, call);
    const view = this.#roster.viewOf(call, target);
    const tried = call.values.get(TRIED);
    if (tried !== undefined && tried.length > 0) {
      const untried = this.#pickUntried(view, call, tried) ?? this.#none(view, target);
      return new EndpointLease(untried, this.#ejection, this.#clock, now, false);
    }
    const { due } = view;
    if (due !== undefined && this.#mayProbe(due, call)) return new EndpointLease(due, this.#ejection, this.#clock, now, true);
    const endpoint = this.#pick(view, call) ?? this.#none(view, target);
    return new EndpointLease(endpoint, this.#ejection, this.#clock, now, false);
  }

  /** The target of a call: the one that its first attempt got, as long as that has somebody. */
  #route(routers: readonly Router[], call: Call): Target | undefined {
    const before = call.values.get(ROUTED);
    if (before?.by === this && (before.target === undefined || !this.isEmpty(before.target, call))) return before.target;
    let target: Target | undefined;
    for (let index = 0; index < routers.length && target === undefined; index++) target = routers[index]!.route(call, this);
    call.values.set(ROUTED, { by: this, target });
    return target;
  }

  /** Whether this call is to find out if one that was ejected works again. */
  #mayProbe(due: Endpoint | undefined, call: Call): boolean {
    return due !== undefined && call.attempt === 1 && (call.idempotent || this.#now - due.health.at >= PROBE_PATIENCE_MS);
  }

  #pick(view: EndpointView, call: Call): Endpoint | undefined {
    const level = view.level(this.#random);
    if (level === undefined) return undefined;
    level.now = this.#now;
    const picked = this.#ask(this.#balancer, level, call);
    if (picked !== undefined) {
      this.#picked++;
      return picked;
    }
    const instead = this.#ask(this.#fallback, level, call);
    if (instead !== undefined) this.#pickedInstead++;
    return instead;
  }

  /** A balancer may be anybody's: one that throws, or gives what is no endpoint here any more, has declined. Each is told of once. */
  #ask(balancer: Balancer, level: Level, call: Call): Endpoint | undefined {
    let picked: unknown;
    try {
      picked = balancer.pick(level, call);
      if (picked instanceof Endpoint && !picked.health.gone) return picked;
    } catch (error) {
      this.#distrust(balancer, error);
      return undefined;
    }
    if (picked === undefined || picked === null) return undefined;
    // Of an asynchronous one that fails later, nobody would hear.
    if (picked instanceof Promise) picked.catch(() => {});
    this.#distrust(
      balancer,
      new TypeError(`pick() gave ${shown(picked)}. Give an endpoint of the view, at once and not as a promise, or undefined.`),
    );
    return undefined;
  }

  #distrust(balancer: Balancer, error: unknown): void {
    if (this.#told.has(balancer)) return;
    this.#told.add(balancer);
    this.#logger.error({ service: this.service, balancer: balancer.name, error }, 'A balancer failed to pick; it counts as declining');
  }

  #pickUntried(view: EndpointView, call: Call, tried: readonly Endpoint[]): Endpoint | undefined {
    let endpoint: Endpoint | undefined;
    for (let picks = 0; picks < PICKS_FOR_UNTRIED; picks++) {
      endpoint = this.#pick(view, call);
      if (endpoint === undefined || !tried.includes(endpoint)) return endpoint;
    }
    return view.untried(tried) ?? endpoint;
  }

  #none(view: EndpointView, target: Target | undefined): never {
    if (view.levels.length > 0) throw noEndpoint(this.service, `both balancers declined, ${this.#balancer.name} and ${this.#fallback.name}`);
    if (this.#roster.size > 0) {
      const fits = target === undefined ? '' : ` for the routing target ${target.key}`;
      throw noEndpoint(this.service, `none of its ${this.#roster.size} instances has a weight above 0 and passes the filters${fits}`);
    }
    if (this.#failure !== undefined)
      throw noEndpoint(this.service, 'the registry failed, and no list of its instances is known', this.#failure.error);
    throw noEndpoint(this.service, 'no instance is registered');
  }

  #watch(): void {
    if (this.#unsubscribe !== undefined) return;
    this.#unsubscribe = [this.#directory.subscribe(this.service, (snapshot) => this.#apply(snapshot))];
    for (const source of this.#health) {
      this.#unsubscribe.push(
        source.onChange((service, id) => {
          if (service === this.service && this.#roster.recheck(id, this.#clock.now())) this.#priorities?.look();
        }),
      );
    }
    this.#apply(this.#directory.lookup(this.service));
  }

  /** Somebody's bug must cost nobody an endpoint. */
  #healthOf(instance: Instance): boolean | undefined {
    let healthy: boolean | undefined;
    for (const source of this.#health) {
      try {
        const said = source.healthOf(instance);
        if (said === false) return false;
        healthy ??= said;
      } catch (error) {
        this.#logger.error({ service: this.service, id: instance.id, error }, 'A health source threw; it counts as unknown');
      }
    }
    return healthy;
  }

  #apply(snapshot: Snapshot): void {
    if (this.#closed || snapshot.state === 'pending') return;
    // Failed is what the directory calls it when no list holds: none was ever told, or the last one is too old to be served.
    this.#failure = snapshot.state === 'failed' ? { error: snapshot.error } : undefined;
    this.#roster.apply(snapshot.instances, this.#clock.now());
    this.#known = true;
    this.#priorities?.look();
    this.#waiting.serve((call) => this.#lease(call));
  }

  #changed(endpoint: Endpoint): void {
    this.#roster.refresh(endpoint);
    this.#priorities?.look();
    const { service } = this;
    const { id, origin, health } = endpoint;
    if (health.state === 'ejected')
      this.#logger.warn({ service, id, origin, refused: health.refused, forMs: Math.round(health.at - this.#clock.now()) }, 'endpoint ejected');
    else if (health.state === 'ready') this.#logger.info({ service, id, origin }, 'endpoint ready again');
    else this.#logger.debug({ service, id, origin, state: health.state }, 'endpoint state changed');
  }
}
