import type { Attempt, Call } from '../../call/call.js';
import { CallCircuit } from './circuit.js';
import type { Circuit, CircuitState, KeyedCircuitStats, KeyedCircuits } from './contract.js';
import type { CircuitSettings } from './options.js';
import type { CircuitSnapshot, KeyedCircuitSnapshot } from './snapshot.js';
import { Tally } from './tally.js';

type KeyOf = (call: Attempt) => string | undefined;

/** The worst first. */
const WORST: readonly CircuitState[] = ['forced-open', 'open', 'half-open', 'closed', 'disabled'];
/** How many circuits are looked at to make room for one, so that a new key costs the same however many there are. */
const LOOKS = 16;

interface Kept {
  readonly key: string;
  readonly circuit: CallCircuit;
  /** Since the hand last went by. */
  used: boolean;
}

/**
 * At most `maxKeys` circuits, which give way in the order of a clock (second chance): what was not used since the hand last came by goes first. A circuit
 * that refuses, tries or was set by hand never goes, or a flood of new keys would let the calls through that it holds back. When so
 * many of those stand next to each other that the hand finds no other, the new key goes without a circuit: it is guarded by
 * nothing, which is what it would be without a breaker, and `unguarded` counts it.
 */
export class CircuitsByKey implements KeyedCircuits {
  readonly #settings: CircuitSettings;
  readonly #maxKeys: number;
  readonly #keyOf: KeyOf;
  readonly #tally = new Tally();
  readonly #byKey = new Map<string, Kept>();
  readonly #ring: Kept[] = [];
  #hand = 0;
  #forced: KeyedCircuitSnapshot['forced'] = null;
  #evicted = 0;
  #unguarded = 0;

  constructor(settings: CircuitSettings, per: KeyOf, maxKeys: number) {
    this.#settings = settings;
    this.#keyOf = per;
    this.#maxKeys = maxKeys;
  }

  /** The circuit for a call; undefined when it has no key, or there is no room for one more. @throws what the function that gives keys throws */
  for(call: Attempt): CallCircuit | undefined {
    const key = this.#keyOf(call);
    const kept = key === undefined ? undefined : this.#byKey.get(key);
    if (kept !== undefined) {
      kept.used = true;
      return kept.circuit;
    }
    const made = key === undefined ? undefined : this.#make(key);
    if (made === undefined) this.#unguarded++;
    return made;
  }

  of(key: string): Circuit | undefined {
    return this.#byKey.get(key)?.circuit;
  }

  get state(): CircuitState {
    const states = new Set(this.#ring.map(({ circuit }) => circuit.state));
    return WORST.find((state) => states.has(state)) ?? this.#forced ?? 'closed';
  }

  open(): void {
    this.#force('forced-open', (circuit) => circuit.open());
  }

  close(): void {
    this.#force(null, (circuit) => circuit.close());
  }

  disable(): void {
    this.#force('disabled', (circuit) => circuit.disable());
  }

  reset(): void {
    this.#tally.latencies.clear();
    this.#force(null, (circuit) => circuit.reset());
  }

  stats(): KeyedCircuitStats {
    const openKeys = this.#ring.filter(({ circuit: { state } }) => state !== 'closed' && state !== 'disabled').length;
    return {
      state: this.state,
      ...this.#tally.counts(this.#settings.clock.now()),
      keys: this.#ring.length,
      openKeys,
      evicted: this.#evicted,
      unguarded: this.#unguarded,
    };
  }

  snapshot(): KeyedCircuitSnapshot {
    return { version: 1, forced: this.#forced, circuits: this.#ring.map(({ key, circuit }) => [key, circuit.snapshot()] as const) };
  }

  /** Of more circuits than have room, those that are not closed come first. */
  restore({ forced, circuits }: KeyedCircuitSnapshot): void {
    this.#forced = forced;
    const isOpen = ([, { state }]: readonly [string, CircuitSnapshot]): boolean => state !== 'closed';
    const ordered = [...circuits.filter(isOpen), ...circuits.filter((entry) => !isOpen(entry))];
    for (const [key, snapshot] of ordered.slice(0, this.#maxKeys)) {
      if (!this.#byKey.has(key)) this.#make(key)?.restore(snapshot);
    }
  }

  #force(forced: KeyedCircuitSnapshot['forced'], change: (circuit: CallCircuit) => void): void {
    this.#forced = forced;
    for (const { circuit } of [...this.#ring]) change(circuit);
  }

  #make(key: string): CallCircuit | undefined {
    const place = this.#ring.length < this.#maxKeys ? this.#ring.length : this.#placeOfOne();
    if (place === undefined) return undefined;
    const circuit = new CallCircuit(this.#settings, new Tally(this.#tally), key);
    if (this.#forced !== null) circuit.begin(this.#forced);
    const kept: Kept = { key, circuit, used: false };
    this.#ring[place] = kept;
    this.#byKey.set(key, kept);
    return circuit;
  }

  /** Gives one up and tells its place. */
  #placeOfOne(): number | undefined {
    const now = this.#settings.clock.now();
    let used: number | undefined;
    let opened: number | undefined;
    let found: number | undefined;
    for (let looks = Math.min(LOOKS, this.#ring.length); looks > 0 && found === undefined; looks--) {
      const place = this.#hand;
      const kept = this.#ring[place]!;
      this.#hand = (place + 1) % this.#ring.length;
      if (kept.circuit.isHeld(now)) continue;
      if (kept.circuit.state !== 'closed') opened ??= place;
      else if (kept.used) used ??= place;
      else found = place;
      kept.used = false;
    }
    found ??= used ?? opened;
    if (found === undefined) return undefined;
    this.#byKey.delete(this.#ring[found]!.key);
    this.#evicted++;
    return found;
  }
}

/** What the option `per` says, as a function. */
export function keyOf(per: 'service' | 'operation' | ((call: Call) => string | undefined)): KeyOf {
  if (per === 'operation') return (call) => call.label;
  if (per === 'service') return (call) => (call as Partial<Call>).operation?.service ?? call.label;
  return per as KeyOf; // with a function the breaker is a Wrapper, so that its calls are Calls
}
