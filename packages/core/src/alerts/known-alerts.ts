import type { Alert } from './alert.js';

const MOST_KEYS = 1_000;

/** Which alerts have been told, so that none is told twice. Bounded: beyond 1,000 subjects the one that was told longest ago is forgotten. */
export class KnownAlerts {
  readonly #repeatMs: number;
  readonly #told = new Map<string, { readonly kind: Alert['kind']; readonly at: number }>();

  /** The same alert may be told again after `repeatMs`. */
  constructor(repeatMs: number) {
    this.#repeatMs = repeatMs;
  }

  /** Whether it says something new at the time `now`, and remembers it then. A recovery is new once, after what it takes back. */
  isNew({ source, subject, kind }: Alert, now: number): boolean {
    const key = `${source}\0${subject}`;
    const last = this.#told.get(key);
    if (kind === 'resolved' && last?.kind !== 'raised') return false;
    if (kind === 'raised' && last?.kind === 'raised' && now - last.at < this.#repeatMs) return false;
    this.#told.delete(key);
    if (kind === 'raised' || last !== undefined) this.#told.set(key, { kind, at: now });
    if (this.#told.size > MOST_KEYS) this.#told.delete(this.#told.keys().next().value!);
    return true;
  }
}
