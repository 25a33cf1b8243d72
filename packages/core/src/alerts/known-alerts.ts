import type { Alert } from './alert.js';

/** What was last told of one subject. */
export interface Told {
  readonly key: string;
  readonly kind: Alert['kind'];
  readonly at: number;
}

const MOST_KEYS = 1_000;

/** Which alerts have been told, so that none is told twice. Bounded: beyond 1,000 subjects the one that was told longest ago is forgotten. */
export class KnownAlerts {
  readonly #repeatMs: number;
  readonly #told = new Map<string, Told>();

  /** The same alert may be told again after `repeatMs`. */
  constructor(repeatMs: number) {
    this.#repeatMs = repeatMs;
  }

  /** Remembers an alert that says something new at the time `now`; undefined for any other. A recovery is new once, after what it takes back. */
  tell({ source, subject, kind }: Alert, now: number): Told | undefined {
    const key = `${source}\0${subject}`;
    const last = this.#told.get(key);
    if (kind === 'resolved' && last?.kind !== 'raised') return undefined;
    if (kind === 'raised' && last?.kind === 'raised' && now - last.at < this.#repeatMs) return undefined;
    const told = { key, kind, at: now };
    this.#keep(told);
    return told;
  }

  /** It may not have arrived: the same alert is new again, and so is its recovery. Does nothing once something newer was told. */
  untell(told: Told): void {
    if (this.#told.get(told.key) === told) this.#keep({ ...told, kind: 'raised', at: Number.NEGATIVE_INFINITY });
  }

  #keep(told: Told): void {
    this.#told.delete(told.key);
    this.#told.set(told.key, told);
    if (this.#told.size > MOST_KEYS) this.#told.delete(this.#told.keys().next().value!);
  }
}
