import type { Clock, Timer } from '../time/clock.js';
import { compose, needsSecond } from './layer-mode.js';
import type { LayerMode, LayerView } from './layer-mode.js';
import type { LayerWatch } from './layer-watch.js';
import type { Sink } from './newest.js';
import type { Instance } from './registry.js';

/** How the list of a service is made just now. */
export interface LayerPlan {
  readonly mode: LayerMode;
  /** A second layer that lists nobody any more counts with whom it listed last. */
  readonly holdLast: boolean;
}

export interface LayeredServiceOptions {
  readonly clock: Clock;
  readonly patienceMs: number;
  readonly behind: (instance: Instance) => Instance;
  /** Its list, or the state of one of its layers, has changed. */
  readonly changed: () => void;
}

/** One service of a layered registry: two layers, one list, told to whoever subscribed. */
export class LayeredService {
  readonly first: LayerWatch;
  readonly second: LayerWatch;
  readonly #options: LayeredServiceOptions;
  readonly #sinks = new Set<Sink<readonly Instance[]>>();
  #plan: LayerPlan;
  /** What the sinks were told last; undefined: nothing since the layers were last started. */
  #told: readonly Instance[] | undefined;
  /** Whose each instance of the last list is, also when the watch failed since: it may still be served. */
  #firstIds: ReadonlySet<string> = new Set();
  #listed: readonly Instance[] = [];
  #ids: ReadonlySet<string> | undefined;
  #patience: Timer | undefined;

  constructor(plan: LayerPlan, make: (layer: 'first' | 'second', changed: () => void) => LayerWatch, options: LayeredServiceOptions) {
    this.#plan = plan;
    this.#options = options;
    const changed = (): void => this.#update();
    this.first = make('first', changed);
    this.second = make('second', changed);
  }

  get plan(): LayerPlan {
    return this.#plan;
  }

  get inUse(): boolean {
    return this.#sinks.size > 0;
  }

  /** As it was told last. */
  get list(): readonly Instance[] {
    return this.#listed;
  }

  layerOf(id: string): 'first' | 'second' | undefined {
    if (this.#firstIds.has(id)) return 'first';
    this.#ids ??= new Set(this.#listed.map((instance) => instance.id));
    return this.#ids.has(id) ? 'second' : undefined;
  }

  move(plan: LayerPlan): void {
    this.#plan = plan;
    this.first.givenUpOn = false;
    this.second.givenUpOn = false;
    if (this.inUse) this.#update();
  }

  subscribe(sink: Sink<readonly Instance[]>): void {
    const isFirst = !this.inUse;
    this.#sinks.add(sink);
    if (!isFirst && this.#told !== undefined) sink.push(this.#told);
    if (isFirst) this.#update();
  }

  /** Whether that was the last one, so that nothing of the service is needed any more. */
  unsubscribe(sink: Sink<readonly Instance[]>): boolean {
    if (!this.#sinks.delete(sink) || this.inUse) return false;
    this.forget();
    return true;
  }

  /** Ends both watches and tells the subscribers why. What the layers told last is kept for those who watch again. */
  fail(error: unknown): void {
    this.#stop();
    const sinks = [...this.#sinks];
    this.#sinks.clear();
    for (const sink of sinks) sink.fail(error);
  }

  forget(): void {
    this.#stop();
    this.first.forget();
    this.second.forget();
  }

  #stop(): void {
    this.#cancelPatience();
    this.first.stop();
    this.second.stop();
    this.#told = undefined;
  }

  #update(): void {
    if (!this.inUse) return;
    const { mode } = this.#plan;
    const { first } = this;
    const secondCounts = needsSecond(mode, first);
    run(first, mode !== 'second');
    run(this.second, secondCounts);
    const counting = [...(mode === 'second' ? [] : [first]), ...(secondCounts ? [this.second] : [])];

    const settled = counting.every(({ state }) => state === 'known' || state === 'failed');
    const made = counting.some(({ state }) => state === 'known') ? compose(mode, first, this.#secondView(), this.#options.behind) : undefined;
    // Nobody answers, or nobody is listed where one can look and there is a layer where one cannot.
    if (made === undefined && settled) return this.#failAll(counting);
    if (made !== undefined) this.#tell(made.instances, made.firstIds);
    this.#waitFor(made === undefined ? counting : []);
    this.#options.changed();
  }

  #tell(instances: readonly Instance[], firstIds: ReadonlySet<string>): void {
    this.#firstIds = firstIds;
    const told = this.#told;
    if (told !== undefined && told.length === instances.length && instances.every((instance, index) => instance === told[index])) return;
    this.#told = Object.freeze([...instances]);
    this.#listed = this.#told;
    this.#ids = undefined;
    for (const sink of [...this.#sinks]) sink.push(this.#told);
  }

  #failAll(layers: readonly LayerWatch[]): void {
    const errors = layers.map(({ error }) => error).filter((error) => error !== undefined);
    this.fail(errors.length > 1 ? new AggregateError(errors, 'No layer answers') : errors[0]);
    this.#options.changed();
  }

  #waitFor(layers: readonly LayerWatch[]): void {
    if (!layers.some(({ awaited }) => awaited)) return this.#cancelPatience();
    this.#patience ??= this.#options.clock.schedule(this.#options.patienceMs, () => {
      this.#patience = undefined;
      for (const layer of layers) if (layer.awaited) layer.givenUpOn = true;
      this.#update();
    });
  }

  #cancelPatience(): void {
    this.#patience?.cancel();
    this.#patience = undefined;
  }

  #secondView(): LayerView {
    const { list, awaited, lastFull } = this.second;
    return { list: this.#plan.holdLast && list?.length === 0 ? (lastFull ?? list) : list, awaited };
  }
}

function run(layer: LayerWatch, wanted: boolean): void {
  if (wanted) layer.start();
  else layer.stop();
}
