import type { Logger } from '../logging/logger.js';
import type { Clock, Timer } from '../time/clock.js';
import { HYBRID_ROUTINGS } from './routing.js';
import type { HybridRouting } from './routing.js';
import type { CheckedStrategy, HybridState } from './strategy.js';

export interface StrategyRunnerOptions {
  readonly service: string;
  readonly strategies: readonly CheckedStrategy[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly state: () => HybridState;
  /** Whether there is anything to decide: a service without direct addresses is the registry's. */
  readonly applies: () => boolean;
  /** Whether a routing is possible for this service. */
  readonly permits: (routing: HybridRouting) => boolean;
  /** From now on calls go there. */
  readonly route: (routing: HybridRouting, reason: string) => void;
}

/** Two changes of routing are at least so far apart: what one sets off may be what the next one asks about. */
const BETWEEN_CHANGES_MS = 1_000;
/** How long a strategy is left aside whose action failed. */
const ASIDE_MS = 30_000;

/**
 * Decides for one service which strategy is in force. It is asked to look again as often as anything happens: one look is under way or due at a
 * time, none begins within another, and routings change at most once a second, so that strategies that set each other off cannot spin.
 */
export class StrategyRunner {
  routing: HybridRouting = 'as-configured';
  failedActions = 0;
  readonly #options: StrategyRunnerOptions;
  readonly #ending = new AbortController();
  readonly #asideUntil = new Map<CheckedStrategy, number>();
  #inForce: CheckedStrategy | undefined;
  #heldUntil = -Infinity;
  #byHand: HybridRouting | undefined;
  #timer: Timer | undefined;
  #running = false;
  #again = false;

  constructor(options: StrategyRunnerOptions) {
    this.#options = options;
  }

  /** The name of the strategy in force; undefined for none. */
  get strategy(): string | undefined {
    return this.#byHand === undefined ? this.#inForce?.name : 'by hand';
  }

  /** Something has changed. */
  look(): void {
    if (this.#running) this.#again = true;
    else this.#schedule(0);
  }

  /** A person's word goes before all strategies, until it is taken back (undefined). */
  byHand(routing: HybridRouting | undefined): void {
    this.#byHand = routing;
    this.#inForce = undefined;
    this.#heldUntil = -Infinity;
    this.#route(routing ?? 'as-configured', routing === undefined ? 'no longer by hand' : 'by hand');
    this.look();
  }

  end(): void {
    this.#ending.abort(new DOMException('The connections were disposed of', 'AbortError'));
    this.#timer?.cancel();
  }

  #schedule(delayMs: number): void {
    if (this.#timer !== undefined || this.#ending.signal.aborted) return;
    const { clock } = this.#options;
    this.#timer = clock.schedule(Math.max(delayMs, this.#heldUntil - clock.now()), () => {
      this.#timer = undefined;
      this.#running = true;
      void this.#decide().finally(() => {
        this.#running = false;
        const again = this.#again;
        this.#again = false;
        if (again) this.look();
      });
    });
  }

  /** Never rejects: all that is the application's is caught. */
  async #decide(): Promise<void> {
    const { clock, strategies } = this.#options;
    if (this.#byHand !== undefined) return;
    if (!this.#options.applies()) return this.#enter(undefined, 'as-configured');
    const state = this.#options.state();
    for (const strategy of strategies) {
      if ((this.#asideUntil.get(strategy) ?? -Infinity) > clock.now() || !this.#holds(strategy, state)) continue;
      if (strategy === this.#inForce) return;
      const routing = await this.#act(strategy, state);
      if (this.#ending.signal.aborted || this.#byHand !== undefined) return;
      if (routing === undefined) continue;
      return this.#enter(strategy, routing);
    }
    this.#enter(undefined, 'as-configured');
  }

  #holds(strategy: CheckedStrategy, state: HybridState): boolean {
    try {
      return strategy.condition(state) === true;
    } catch (error) {
      this.#options.logger.error({ service: state.service, strategy: strategy.name, error }, 'The condition of a strategy threw');
      return false;
    }
  }

  #enter(strategy: CheckedStrategy | undefined, routing: HybridRouting): void {
    if (strategy === this.#inForce) return;
    this.#inForce = strategy;
    this.#options.logger.debug({ service: this.#options.service, strategy: strategy?.name, routing }, 'another strategy is in force');
    if (strategy !== undefined && strategy.holdMs > 0) this.#heldUntil = this.#options.clock.now() + strategy.holdMs;
    this.#route(routing, strategy === undefined ? 'no strategy in force' : `strategy ${strategy.name}`);
  }

  #route(routing: HybridRouting, reason: string): void {
    if (routing === this.routing) return;
    this.routing = routing;
    this.#heldUntil = Math.max(this.#heldUntil, this.#options.clock.now() + BETWEEN_CHANGES_MS);
    this.#options.route(routing, reason);
  }

  /** Where the strategy wants calls to go; undefined when its action failed and was rolled back. */
  async #act(strategy: CheckedStrategy, state: HybridState): Promise<HybridRouting | undefined> {
    const { action } = strategy;
    try {
      const wanted =
        typeof action === 'function' ? ((await this.#within(strategy, (signal) => action(state, { signal }))) ?? 'as-configured') : action;
      if (!HYBRID_ROUTINGS.includes(wanted)) throw new TypeError(`it asks for ${String(wanted)}, which is none of ${HYBRID_ROUTINGS.join(', ')}`);
      if (!this.#options.permits(wanted)) throw new Error(`it asks for ${wanted}, which fallback: false forbids`);
      return wanted;
    } catch (error) {
      await this.#rollBack(strategy, state, error);
      return undefined;
    }
  }

  async #rollBack(strategy: CheckedStrategy, state: HybridState, error: unknown): Promise<void> {
    const { logger, clock, service } = this.#options;
    if (this.#ending.signal.aborted) return;
    this.failedActions++;
    this.#asideUntil.set(strategy, clock.now() + ASIDE_MS);
    logger.error({ service, strategy: strategy.name, error }, 'The action of a strategy failed; it is rolled back and left aside');
    const { rollback } = strategy;
    if (rollback === undefined) return;
    try {
      await this.#within(strategy, (signal) => rollback(state, { signal, error }));
    } catch (failure) {
      logger.error({ service, strategy: strategy.name, error: failure }, 'The rollback of a strategy failed');
    }
  }

  /** Runs what is the application's for as long as it may take; what comes later is dropped. */
  #within<T>({ timeoutMs }: CheckedStrategy, work: (signal: AbortSignal) => T | Promise<T>): Promise<T> {
    const controller = new AbortController();
    const ending = this.#ending.signal;
    return new Promise<T>((resolve, reject) => {
      const settle = (): void => {
        timer.cancel();
        ending.removeEventListener('abort', ended);
      };
      const stop = (reason: unknown): void => {
        settle();
        reject(reason);
        controller.abort(reason);
      };
      const ended = (): void => stop(ending.reason);
      const timer = this.#options.clock.schedule(timeoutMs, () => stop(new DOMException(`It took longer than ${timeoutMs} ms`, 'TimeoutError')));
      ending.addEventListener('abort', ended, { once: true });
      (async () => work(controller.signal))().then(
        (value) => {
          settle();
          resolve(value);
        },
        (error: unknown) => {
          settle();
          reject(error);
        },
      );
    });
  }
}
