/** A key of a value that travels with a call. Two keys of one name are different keys. */
export interface ValueKey<T> {
  readonly name: string;
  /** Never read; it carries the type. */
  readonly type?: T;
}

/** A new key: keep it in a constant and export it to those who may read the value. */
export function valueKey<T>(name: string): ValueKey<T> {
  return Object.freeze({ name });
}

type Key = ValueKey<unknown>;

/**
 * Typed values of one exchange, shared by a call and everything derived from it.
 * The first two have fields of their own: every inbound call has two, and a Map for them would cost 2 % of a request.
 */
export class Values {
  #key1: Key | undefined;
  #value1: unknown;
  #key2: Key | undefined;
  #value2: unknown;
  #more: Map<Key, unknown> | undefined;

  get<T>(key: ValueKey<T>): T | undefined {
    if (key === this.#key1) return this.#value1 as T;
    if (key === this.#key2) return this.#value2 as T;
    return this.#more?.get(key) as T | undefined;
  }

  set<T>(key: ValueKey<T>, value: T): void {
    if (this.#key1 === undefined || key === this.#key1) {
      this.#key1 = key;
      this.#value1 = value;
    } else if (this.#key2 === undefined || key === this.#key2) {
      this.#key2 = key;
      this.#value2 = value;
    } else {
      (this.#more ??= new Map()).set(key, value);
    }
  }

  has(key: Key): boolean {
    return key === this.#key1 || key === this.#key2 || (this.#more?.has(key) ?? false);
  }
}
