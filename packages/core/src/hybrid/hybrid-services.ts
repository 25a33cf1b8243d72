import type { Directory } from '../discovery/directory.js';
import type { ActiveHealth } from '../health/active/active-health.js';
import type { ActiveCheck } from '../health/active/active-check.js';
import type { Logger } from '../logging/logger.js';
import type { LayeredRegistry } from '../registry/layered.js';
import type { Clock, Timer } from '../time/clock.js';
import type { HybridStats, SwitchEvent } from './hybrid-stats.js';
import { planOf } from './routing.js';
import type { HybridRouting, HybridRule, HybridSide } from './routing.js';
import { SideMetrics } from './side-metrics.js';
import type { AttemptListener } from './side-metrics.js';
import { StrategyRunner } from './strategy-runner.js';
import type { CheckedStrategy, HybridState } from './strategy.js';

export interface HybridServicesOptions {
  readonly registry: LayeredRegistry;
  /** Of the direct addresses alone. */
  readonly direct: Directory;
  readonly health: ActiveHealth;
  readonly ruleOf: (service: string) => HybridRule & { readonly check: ActiveCheck | undefined };
  readonly strategies: readonly CheckedStrategy[];
  readonly intervalMs: number;
  readonly history: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Known {
  readonly rule: HybridRule;
  readonly runner: StrategyRunner;
  readonly direct: SideMetrics;
  readonly registry: SideMetrics;
  readonly endCheck: (() => void) | undefined;
  readonly unsubscribe: () => void;
  side: HybridSide | undefined;
  /** The best priority in use, as a selector said last. */
  priority: number | undefined;
  reason: string;
  consecutiveFailures: number;
  switches: number;
}

/** A directory watches as many at most. */
const MOST_SERVICES = 1_000;

/** What hybrid connections know of each service: which side is in use, how attempts went, which strategy is in force. */
export class HybridServices implements AttemptListener {
  readonly #options: HybridServicesOptions;
  readonly #known = new Map<string, Known>();
  readonly #listeners = new Set<(event: SwitchEvent) => void>();
  readonly #history: SwitchEvent[] = [];
  readonly #changed = new Set<string>();
  readonly #ends: readonly (() => void)[];
  #timer: Timer | undefined;
  #ended = false;

  constructor(options: HybridServicesOptions) {
    this.#options = options;
    this.#ends = [
      options.registry.onChange((service) => this.#layersChanged(service)),
      options.health.onChange((service) => this.#known.get(service)?.runner.look()),
    ];
  }

  metricsOf(service: string, id: string): SideMetrics | undefined {
    const layer = this.#options.registry.layerOf(service, id);
    if (layer === undefined) return undefined;
    const known = this.#known.get(service);
    return layer === 'first' ? known?.direct : known?.registry;
  }

  settled(service: string, failed: boolean): void {
    const known = this.#known.get(service);
    if (known === undefined || (!failed && known.consecutiveFailures === 0)) return;
    known.consecutiveFailures = failed ? known.consecutiveFailures + 1 : 0;
    known.runner.look();
  }

  priorityChanged(service: string, to: number, reason: string): void {
    const known = this.#known.get(service);
    if (known === undefined) return;
    known.priority = to;
    this.#settle(service, known, reason);
  }

  /** What the directory tells has changed, after selectors have heard of it. An event for each instance: looked at once for all. */
  listChanged(service: string): void {
    if (!this.#known.has(service)) return;
    if (this.#changed.size === 0) {
      queueMicrotask(() => {
        const services = [...this.#changed];
        this.#changed.clear();
        for (const name of services) {
          const known = this.#known.get(name);
          if (known !== undefined) this.#settle(name, known, known.reason);
        }
      });
    }
    this.#changed.add(service);
  }

  byHand(service: string, routing: HybridRouting | undefined): void {
    const known = this.#of(service);
    if (routing !== undefined && planOf(routing, known.rule) === undefined)
      throw new TypeError(`route ${service}: ${routing} needs the side that fallback: false rules out. Allow fallback for it.`);
    known.runner.byHand(routing);
  }

  history(): readonly SwitchEvent[] {
    return [...this.#history];
  }

  onSwitch(listener: (event: SwitchEvent) => void): () => void {
    const heard = (event: SwitchEvent): void => listener(event);
    this.#listeners.add(heard);
    return () => void this.#listeners.delete(heard);
  }

  stats(): readonly HybridStats[] {
    return Array.from(this.#known, ([service, known]) => {
      const state = this.#stateOf(service, known);
      const layers = this.#options.registry.layers(service);
      const countsOf = ({ calls, failures, latencyMs }: SideMetrics) => ({ calls, failures, latencyMs });
      return {
        ...state,
        strategy: known.runner.strategy,
        direct: { ...state.direct, ...countsOf(known.direct), state: layers.first.state },
        registry: { ...state.registry, ...countsOf(known.registry) },
        switches: known.switches,
        failedActions: known.runner.failedActions,
      };
    });
  }

  end(): void {
    this.#ended = true;
    for (const end of this.#ends) end();
    this.#timer?.cancel();
    for (const known of this.#known.values()) forget(known);
    this.#known.clear();
    this.#listeners.clear();
  }

  /** A service is known from when it is first watched, before its first list. */
  #layersChanged(service: string): void {
    if (this.#ended) return;
    this.#of(service).runner.look();
  }

  #of(service: string): Known {
    const present = this.#known.get(service);
    if (present !== undefined) return present;
    if (this.#known.size >= MOST_SERVICES) this.#dropIdle();
    const { registry, health, direct, ruleOf, strategies, clock, logger } = this.#options;
    const rule = ruleOf(service);
    const route = (routing: HybridRouting, reason: string): void => {
      const plan = planOf(routing, rule)!; // the runner asks `permits` before
      known.reason = reason;
      registry.setMode(service, plan.mode, { holdLast: plan.holdLast });
    };
    const runner = new StrategyRunner({
      service,
      strategies,
      clock,
      logger,
      route,
      state: () => this.#stateOf(service, known),
      applies: () => this.#listedDirectly(service) > 0,
      permits: (routing) => planOf(routing, rule) !== undefined,
    });
    const known: Known = {
      rule,
      runner,
      direct: new SideMetrics(),
      registry: new SideMetrics(),
      endCheck: rule.check === undefined ? undefined : health.check(service, rule.check),
      unsubscribe: direct.subscribe(service, () => runner.look()),
      side: undefined,
      priority: undefined,
      reason: 'the list changed',
      consecutiveFailures: 0,
      switches: 0,
    };
    this.#known.set(service, known);
    route('as-configured', known.reason);
    this.#wait();
    return known;
  }

  /** Names may come from calls: of those that nobody watches any more, the oldest goes. @throws RangeError when all are in use. */
  #dropIdle(): void {
    const { registry } = this.#options;
    for (const [service, known] of this.#known) {
      const { first, second } = registry.layers(service);
      if (first.state !== 'idle' || second.state !== 'idle') continue;
      this.#known.delete(service);
      forget(known);
      registry.setMode(service);
      return;
    }
    throw new RangeError(`hybrid: ${MOST_SERVICES} services are in use already.`);
  }

  #wait(): void {
    this.#timer ??= this.#options.clock.schedule(this.#options.intervalMs, () => {
      this.#timer = undefined;
      for (const known of this.#known.values()) known.runner.look();
      if (this.#known.size > 0) this.#wait();
    });
  }

  #listedDirectly(service: string): number {
    return this.#options.direct.lookup(service).instances.length;
  }

  #stateOf(service: string, known: Known): HybridState {
    const { registry, health, direct } = this.#options;
    const { instances } = direct.lookup(service);
    const { second } = registry.layers(service);
    return {
      service,
      side: known.side,
      routing: known.runner.routing,
      consecutiveFailures: known.consecutiveFailures,
      direct: { listed: instances.length, healthy: instances.filter((instance) => health.healthOf(instance) !== false).length },
      registry: { listed: second.instances, state: second.state },
    };
  }

  /** Works out which side is in use: that of the instances with the best priority that a selector uses, or else with the best there is. */
  #settle(service: string, known: Known, reason: string): void {
    const { registry, clock, logger } = this.#options;
    const list = registry.listOf(service);
    if (list.length === 0) return;
    const used =
      list.find(({ priority = 0 }) => priority === known.priority) ?? list.reduce((a, b) => ((b.priority ?? 0) < (a.priority ?? 0) ? b : a));
    const side: HybridSide = registry.layerOf(service, used.id) === 'first' ? 'direct' : 'registry';
    const from = known.side;
    if (from === side) return;
    known.side = side;
    known.runner.look();
    if (from === undefined) return;
    known.switches++;
    const event: SwitchEvent = Object.freeze({ service, from, to: side, reason, at: clock.wallTime() });
    logger.warn(event, 'Calls go to the other side');
    this.#history.push(event);
    if (this.#history.length > this.#options.history) this.#history.shift();
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        logger.error({ service, error }, 'A listener of the hybrid connections threw');
      }
    }
  }
}

function forget({ runner, endCheck, unsubscribe }: Known): void {
  runner.end();
  endCheck?.();
  unsubscribe();
}
