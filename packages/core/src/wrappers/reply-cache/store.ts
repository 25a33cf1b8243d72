import type { CachedReply } from './entry.js';

/** That the replies of a key differ by header fields of the call: the look-up goes on with a key that has them. */
export interface VariesBy {
  readonly kind: 'varies';
  readonly names: readonly string[];
}

/** That the reply was for its caller alone the last time: until then, nobody waits for another's. */
export interface NotShared {
  readonly kind: 'not shared';
  readonly until: number;
}

export type Slot = CachedReply | VariesBy | NotShared;

/** What belongs to a slot, for those who remove some. */
export interface SlotFacts {
  readonly label: string;
  readonly resource: string;
}

interface Held extends SlotFacts {
  readonly slot: Slot;
  readonly bytes: number;
}

/** What a slot costs beside what is in it: the objects and the places in two maps. */
const OVERHEAD_BYTES = 400;

/** Slots by key, bounded by their number and by what they hold; the one unused for longest goes first. */
export class ReplyStore {
  bytes = 0;
  /** How many are replies. */
  replies = 0;
  readonly #held = new Map<string, Held>(); // the one used last at the end
  readonly #byResource = new Map<string, Set<string>>();

  constructor(
    readonly maxEntries: number,
    readonly maxBytes: number,
  ) {}

  get(key: string): Slot | undefined {
    const held = this.#held.get(key);
    if (held === undefined) return undefined;
    this.#held.delete(key);
    this.#held.set(key, held);
    return held.slot;
  }

  /** False when it is larger than all that may be held; then what was there before is gone too. */
  set(key: string, slot: Slot, { label, resource }: SlotFacts): boolean {
    this.delete(key);
    const content = slot.kind === 'reply' ? slot.bytes : 0;
    const bytes = OVERHEAD_BYTES + 2 * (key.length + resource.length) + content;
    if (bytes > this.maxBytes) return false;
    this.#held.set(key, { slot, bytes, label, resource });
    this.bytes += bytes;
    if (slot.kind === 'reply') this.replies++;
    const keys = this.#byResource.get(resource);
    if (keys === undefined) this.#byResource.set(resource, new Set([key]));
    else keys.add(key);
    while (this.#held.size > this.maxEntries || this.bytes > this.maxBytes) this.delete(this.#held.keys().next().value!);
    return true;
  }

  delete(key: string): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    this.#held.delete(key);
    this.bytes -= held.bytes;
    if (held.slot.kind === 'reply') this.replies--;
    const keys = this.#byResource.get(held.resource)!;
    keys.delete(key);
    if (keys.size === 0) this.#byResource.delete(held.resource);
  }

  deleteResource(resource: string): void {
    for (const key of [...(this.#byResource.get(resource) ?? [])]) this.delete(key);
  }

  /** Removes those for which `where` holds; tells how many replies went. */
  deleteWhere(where: (facts: SlotFacts) => boolean): number {
    const before = this.replies;
    for (const [key, held] of [...this.#held]) if (where(held)) this.delete(key);
    return before - this.replies;
  }
}
