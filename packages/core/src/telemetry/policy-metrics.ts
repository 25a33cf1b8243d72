import { createNoopMeter, metrics } from '@opentelemetry/api';
import type { Attributes, BatchObservableResult, Meter, MeterProvider, Observable } from '@opentelemetry/api';
import { checkOptions } from '../options/check.js';
import { shown } from '../options/shown.js';
import { isCounting } from '../wrappers/in-force.js';
import type { Counting, InForce } from '../wrappers/in-force.js';
import { traitsOf } from '../wrappers/wrapper.js';
import type { Wrapper } from '../wrappers/wrapper.js';
import { READINGS, STATES } from './policy-instruments.js';
import type { Reading } from './policy-instruments.js';
import { SCOPE, SCOPE_VERSION, checkProviders } from './sources.js';

export interface ObservePoliciesOptions {
  /** What the policies guard, as `ferrule.name`: a word of your choice, never a value of a request. */
  readonly name: string;
  /** The service that they stand in front of, as `ferrule.service`. Default none. */
  readonly service?: string;
  /** Default: the one that the application registered with `@opentelemetry/api`. */
  readonly meterProvider?: MeterProvider;
}

/**
 * Measures policies that stand around functions; those of clients and services are measured anyway. Their counts are read when metrics are collected, never
 * in a call, and nothing happens while there is no OpenTelemetry SDK: register it first, or give its `meterProvider`. Instruments are
 * `ferrule.circuit_breaker.state` and so on, one time series for each name and outcome; policies of one kind under one name are summed.
 *
 * @returns what ends it; without that the policies are held as long as the meter provider is
 * @throws TypeError for a name that is empty, and for what is no policy of this package
 */
export function observePolicies(options: string | ObservePoliciesOptions, ...policies: readonly Counting[]): () => void {
  if (typeof options !== 'string') checkOptions('observePolicies', options, ['name', 'service', 'meterProvider']);
  const { name, service, meterProvider }: ObservePoliciesOptions = typeof options === 'string' ? { name: options } : options;
  if (typeof name !== 'string' || name === '')
    throw new TypeError(`observePolicies name: ${shown(name)} is no name. Give a word for what the policies guard, such as 'user-db'.`);
  if (service !== undefined && (typeof service !== 'string' || service === ''))
    throw new TypeError(`observePolicies service: ${shown(service)} is no name of a service. Give one, such as 'orders', or leave it out.`);
  checkProviders('observePolicies', { ...(meterProvider !== undefined && { meterProvider }) });
  for (const policy of policies) {
    if (isCounting(policy) && kindOf(policy) !== undefined) continue;
    throw new TypeError(`observePolicies: ${shown(policy)} is no policy with counts. Give what ${Object.keys(READINGS).join('(), ')}() made.`);
  }
  const observed = observedPolicies(
    policies.map((policy) => ({ name, wrapper: policy as Counting & Wrapper })),
    { service, meterProvider },
  );
  observed.begin();
  return () => observed.end();
}

/** The policies of one client or service, as a source of metrics. */
export interface ObservedPolicies {
  /** Says whether they are measured from now on, or already; false while there is no SDK. Cheap enough for each call. After `end` it does nothing and says true. */
  begin(): boolean;
  end(): void;
}

/** Those that count are measured, all others are left out. */
export function observedPolicies(
  all: readonly InForce[],
  { service, meterProvider }: { readonly service: string | undefined; readonly meterProvider?: MeterProvider | undefined },
): ObservedPolicies {
  const counting = all.filter(({ wrapper }) => isCounting(wrapper) && kindOf(wrapper) !== undefined);
  let settled = counting.length === 0;
  const leave: (() => void)[] = [];
  return {
    begin() {
      if (settled) return true;
      const meters = metersOf(meterProvider ?? metrics.getMeterProvider());
      if (meters === undefined) return false;
      settled = true;
      for (const { name, wrapper } of counting) leave.push(meters.add(kindOf(wrapper)!, service, name, wrapper as Wrapper & Counting));
      return true;
    },
    end() {
      settled = true;
      for (const one of leave.splice(0)) one();
    },
  };
}

/** Which of our policies it is: `timeout` for `timeout(total)`. */
function kindOf(policy: unknown): string | undefined {
  if (typeof policy !== 'function') return undefined;
  const kind = traitsOf(policy as Wrapper).name.replace(/\(.*$/s, '');
  return Object.hasOwn(READINGS, kind) ? kind : undefined;
}

/** What is read for each provider: an SDK knows one value a series, so that all sources of one have to be summed in one place. */
const METERS = new WeakMap<MeterProvider, PolicyMeters>();

/** undefined for the API's own provider, which measures nothing. */
function metersOf(provider: MeterProvider): PolicyMeters | undefined {
  let found = METERS.get(provider);
  if (found !== undefined) return found;
  const meter = provider.getMeter(SCOPE, SCOPE_VERSION);
  if (meter === createNoopMeter()) return undefined;
  METERS.set(provider, (found = new PolicyMeters(meter)));
  return found;
}

class PolicyMeters {
  readonly #meter: Meter;
  readonly #kinds = new Map<string, KindMeter>();

  constructor(meter: Meter) {
    this.#meter = meter;
  }

  add(kind: string, service: string | undefined, name: string, policy: Counting): () => void {
    let of = this.#kinds.get(kind);
    if (of === undefined) this.#kinds.set(kind, (of = new KindMeter(this.#meter, READINGS[kind]!)));
    return of.add(service, name, policy);
  }
}

/** All policies of one kind and name; it lives as long as one of them is in use. */
interface Group {
  readonly attributes: Attributes;
  /** How often each was added: one may stand in several stacks, and counts once. */
  readonly policies: Map<Counting, number>;
  /** What those counted that have left, so that the sum does not fall. */
  readonly left: number[];
}

/** The instruments of one kind of policies. They are read only while there are policies. */
class KindMeter {
  readonly #meter: Meter;
  readonly #readings: readonly Reading[];
  readonly #instruments: ReadonlyMap<string, Observable>;
  readonly #groups = new Map<string, Group>();
  readonly #read = (result: BatchObservableResult): void => this.#observe(result);

  constructor(meter: Meter, readings: readonly Reading[]) {
    this.#meter = meter;
    this.#readings = readings;
    this.#instruments = new Map(readings.map((reading) => [reading.instrument, instrumentOf(meter, reading)]));
  }

  add(service: string | undefined, name: string, policy: Counting): () => void {
    const key = JSON.stringify([service, name]);
    if (this.#groups.size === 0) this.#meter.addBatchObservableCallback(this.#read, [...this.#instruments.values()]);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { attributes: { ...(service !== undefined && { 'ferrule.service': service }), 'ferrule.name': name }, policies: new Map(), left: [] };
      this.#groups.set(key, group);
    }
    group.policies.set(policy, (group.policies.get(policy) ?? 0) + 1);
    const joined = group;
    return () => this.#leave(key, joined, policy);
  }

  #leave(key: string, group: Group, policy: Counting): void {
    const uses = group.policies.get(policy)!;
    if (uses > 1) return void group.policies.set(policy, uses - 1);
    group.policies.delete(policy);
    if (group.policies.size > 0) {
      const stats = statsOf(policy);
      for (const [index, { type, member }] of this.#readings.entries()) {
        const count = stats[member];
        if (type === 'counter' && typeof count === 'number') group.left[index] = (group.left[index] ?? 0) + count;
      }
      return;
    }
    this.#groups.delete(key);
    if (this.#groups.size === 0) this.#meter.removeBatchObservableCallback(this.#read, [...this.#instruments.values()]);
  }

  #observe(result: BatchObservableResult): void {
    for (const { attributes, policies, left } of this.#groups.values()) {
      const all = Array.from(policies.keys(), statsOf);
      for (const [index, reading] of this.#readings.entries()) {
        const { instrument, type, member, outcome } = reading;
        const values = all.map((stats) => stats[member]).filter((value) => value !== undefined);
        const value = type === 'state' ? worstOf(instrument, values) : sumOf(values) + (left[index] ?? 0);
        if (value === undefined) continue;
        result.observe(this.#instruments.get(instrument)!, value, outcome === undefined ? attributes : { ...attributes, 'ferrule.outcome': outcome });
      }
    }
  }
}

function instrumentOf(meter: Meter, { instrument, type, unit, description }: Reading): Observable {
  const name = `ferrule.${instrument}`;
  const options = { unit, description };
  if (type === 'counter') return meter.createObservableCounter(name, options);
  return type === 'level' ? meter.createObservableUpDownCounter(name, options) : meter.createObservableGauge(name, options);
}

/** One that throws must not keep the others from being read. */
function statsOf(policy: Counting): Readonly<Record<string, unknown>> {
  try {
    return policy.stats() as Readonly<Record<string, unknown>>;
  } catch {
    return {};
  }
}

function sumOf(values: readonly unknown[]): number {
  let sum = 0;
  for (const value of values) if (typeof value === 'number') sum += value;
  return sum;
}

function worstOf(instrument: string, values: readonly unknown[]): number | undefined {
  return STATES[instrument]!.findLast(([state]) => values.includes(state))?.[1];
}
