import type { DirectoryEvent } from './directory.js';

type Step = IteratorResult<DirectoryEvent, undefined>;

/** Changes for one reader, who may be slow: what was not read yet is kept once for each instance, so that no more is kept than there are. */
export class ChangeQueue implements AsyncIterableIterator<DirectoryEvent, undefined> {
  /** The next change of each instance, in the order in which they came up. */
  readonly #unread = new Map<string, DirectoryEvent>();
  readonly #readers: ((step: Step) => void)[] = [];
  readonly #onEnd: () => void;
  #ended = false;

  /** `onEnd` runs once, when nothing will be read any more. */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  push(event: DirectoryEvent): void {
    if (this.#ended) return;
    const reader = this.#readers.shift();
    if (reader !== undefined) return reader({ done: false, value: event });
    // A name has no spaces.
    const key = `${event.service} ${event.instance.id}`;
    const unread = this.#unread.get(key);
    const type = merged(unread?.type, event.type);
    if (type === undefined) this.#unread.delete(key);
    else this.#unread.set(key, type === event.type ? event : Object.freeze({ ...event, type }));
  }

  next(): Promise<Step> {
    for (const [key, value] of this.#unread) {
      this.#unread.delete(key);
      return Promise.resolve({ done: false, value });
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  return(): Promise<Step> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#unread.clear();
    for (const reader of this.#readers.splice(0)) reader({ done: true, value: undefined });
    this.#onEnd();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** One change in place of two; undefined when they cancel each other. */
function merged(first: DirectoryEvent['type'] | undefined, second: DirectoryEvent['type']): DirectoryEvent['type'] | undefined {
  switch (first) {
    case 'register':
      return second === 'deregister' ? undefined : 'register';
    case 'deregister':
      // It went and came again, perhaps as another: the reader still has it.
      return second === 'deregister' ? 'deregister' : 'update';
    default:
      return first === undefined ? second : second === 'deregister' ? 'deregister' : 'update';
  }
}
