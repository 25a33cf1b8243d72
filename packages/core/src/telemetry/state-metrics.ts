import { createNoopMeter, metrics } from '@opentelemetry/api';
import type { BatchObservableResult, Meter, MeterProvider, Observable } from '@opentelemetry/api';
import { SCOPE, SCOPE_VERSION } from './sources.js';
import { STATE_INSTRUMENTS } from './state-instruments.js';
import type { StateInstrument, StateInstrumentName } from './state-instruments.js';

/** One number as it is now. */
export interface Measurement {
  readonly instrument: StateInstrumentName;
  readonly value: number;
  readonly attributes: Readonly<Record<string, string>>;
}

/** What is read when metrics are collected. */
export interface StateSource {
  /** What is read: an object that several observe is read once. */
  readonly of: object;
  /** Cheap, and without effect. One that throws is left out of this collection. */
  read(): Iterable<Measurement>;
}

/** The states of one client or service, as sources of metrics: nothing is read, and nothing held, before `begin`. */
export interface ObservedStates {
  /** Measures this too, at once when the others are measured already. After `end` it does nothing. */
  add(source: StateSource): void;
  /** Says whether they are measured from now on, or already; false while there is no SDK. Cheap enough for each call. After `end` it does nothing and says true. */
  begin(): boolean;
  end(): void;
}

export function observedStates(sources: readonly StateSource[], meterProvider?: MeterProvider): ObservedStates {
  const all = [...sources];
  let meters: StateMeters | undefined;
  let settled = false;
  return {
    add(source) {
      if (settled && meters === undefined) return;
      all.push(source);
      meters?.add(source);
    },
    begin() {
      if (settled) return true;
      meters = metersOf(meterProvider ?? metrics.getMeterProvider());
      if (meters === undefined) return false;
      settled = true;
      for (const source of all) meters.add(source);
      return true;
    },
    end() {
      settled = true;
      for (const { of } of all.splice(0)) meters?.leave(of);
      meters = undefined;
    },
  };
}

/** What is read for each provider: an SDK knows one value a series, so that all sources of one have to be summed in one place. */
const METERS = new WeakMap<MeterProvider, StateMeters>();

/** undefined for the API's own provider, which measures nothing. */
function metersOf(provider: MeterProvider): StateMeters | undefined {
  let found = METERS.get(provider);
  if (found !== undefined) return found;
  const meter = provider.getMeter(SCOPE, SCOPE_VERSION);
  if (meter === createNoopMeter()) return undefined;
  METERS.set(provider, (found = new StateMeters(meter)));
  return found;
}

/**
 * Counts of sources that have left are kept for so many series, so that a sum does not fall when one of its sources goes: the oldest is
 * dropped first. A program has few services, and clients of a varying address must not make this grow for ever.
 */
const MOST_LEFT = 1_000;

class StateMeters {
  readonly #meter: Meter;
  readonly #instruments: ReadonlyMap<StateInstrumentName, Observable>;
  readonly #sources = new Map<object, { readonly source: StateSource; uses: number }>();
  readonly #left = new Map<string, Measurement>();
  readonly #read = (result: BatchObservableResult): void => this.#observe(result);

  constructor(meter: Meter) {
    this.#meter = meter;
    const instruments = Object.entries(STATE_INSTRUMENTS) as readonly [StateInstrumentName, StateInstrument][];
    this.#instruments = new Map(instruments.map(([name, instrument]) => [name, instrumentOf(meter, name, instrument)]));
  }

  add(source: StateSource): void {
    const known = this.#sources.get(source.of);
    if (known !== undefined) return void known.uses++;
    if (this.#sources.size === 0) this.#meter.addBatchObservableCallback(this.#read, [...this.#instruments.values()]);
    this.#sources.set(source.of, { source, uses: 1 });
  }

  leave(of: object): void {
    const known = this.#sources.get(of);
    if (known === undefined || --known.uses > 0) return;
    this.#sources.delete(of);
    if (this.#sources.size === 0) {
      this.#meter.removeBatchObservableCallback(this.#read, [...this.#instruments.values()]);
      return this.#left.clear();
    }
    for (const measurement of measurementsOf(known.source)) if (STATE_INSTRUMENTS[measurement.instrument].type === 'counter') this.#keep(measurement);
  }

  #keep(measurement: Measurement): void {
    if (measurement.value === 0) return;
    const key = keyOf(measurement);
    const value = measurement.value + (this.#left.get(key)?.value ?? 0);
    this.#left.delete(key);
    this.#left.set(key, { ...measurement, value });
    if (this.#left.size > MOST_LEFT) this.#left.delete(this.#left.keys().next().value!);
  }

  #observe(result: BatchObservableResult): void {
    const series = new Map(this.#left);
    for (const { source } of this.#sources.values()) {
      for (const measurement of measurementsOf(source)) {
        const key = keyOf(measurement);
        const before = series.get(key);
        series.set(key, before === undefined ? measurement : together(before, measurement));
      }
    }
    for (const { instrument, value, attributes } of series.values()) result.observe(this.#instruments.get(instrument)!, value, attributes);
  }
}

function instrumentOf(meter: Meter, name: string, { type, unit, description }: StateInstrument): Observable {
  return type === 'counter' ? meter.createObservableCounter(name, { unit, description }) : meter.createObservableGauge(name, { unit, description });
}

/** Two clients that list the same three instances have three, not six; what they did counts for both. */
function together(a: Measurement, b: Measurement): Measurement {
  const value = STATE_INSTRUMENTS[a.instrument].type === 'counter' ? a.value + b.value : Math.max(a.value, b.value);
  return { ...a, value };
}

function keyOf({ instrument, attributes }: Measurement): string {
  return JSON.stringify([instrument, ...Object.values(attributes)]);
}

/** One that throws must not keep the others from being read. */
function measurementsOf(source: StateSource): readonly Measurement[] {
  try {
    return [...source.read()];
  } catch {
    return [];
  }
}
