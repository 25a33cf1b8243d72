/** Where everything is counted for which there is no room: the word that OpenTelemetry has for it. */
export const OTHER = '_OTHER';
/** How many entries are looked at to make room for one, so that a new key costs the same however many there are. */
const LOOKS = 16;
const LONGEST_KEY = 256;

/**
 * At most `max` values by key and one more for the rest. A new key takes the place of an idle one; when the next few that were made first are all
 * busy, it is `_OTHER`. So a flood of new keys neither fills the memory nor drives out what is being counted.
 */
export class BoundedKeys<V> {
  readonly #max: number;
  readonly #make: (key: string) => V;
  readonly #isIdle: (value: V) => boolean;
  readonly #values = new Map<string, V>();
  #other: V | undefined;
  /** Of the next new keys so many are not worth a look: none of the last few was idle. */
  #unlooked = 0;

  constructor(max: number, make: (key: string) => V, isIdle: (value: V) => boolean) {
    this.#max = max;
    this.#make = make;
    this.#isIdle = isIdle;
  }

  /** Without the value of `_OTHER`. */
  get size(): number {
    return this.#values.size;
  }

  of(key: string): V {
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const short = key.length > LONGEST_KEY ? key.slice(0, LONGEST_KEY) : key;
    const same = short === key ? undefined : this.#values.get(short);
    if (same !== undefined) return same;
    if (key === OTHER || (this.#values.size >= this.#max && !this.#makeRoom())) return (this.#other ??= this.#make(OTHER));
    const made = this.#make(short);
    this.#values.set(short, made);
    return made;
  }

  *entries(): Iterable<readonly [key: string, value: V]> {
    yield* this.#values;
    if (this.#other !== undefined) yield [OTHER, this.#other];
  }

  /** The one that was made first gives way if it is idle, else it goes to the end: a second chance. */
  #makeRoom(): boolean {
    if (this.#unlooked > 0) {
      this.#unlooked--;
      return false;
    }
    for (let looked = 0; looked < LOOKS; looked++) {
      const [key, value] = this.#values.entries().next().value!;
      this.#values.delete(key);
      if (this.#isIdle(value)) return true;
      this.#values.set(key, value);
    }
    this.#unlooked = LOOKS;
    return false;
  }
}
