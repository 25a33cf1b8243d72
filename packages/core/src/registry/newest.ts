import { onAbort } from '../time/on-abort.js';

/** Takes what a source says: `push` the newest value, `fail` that there will be no more. */
export interface Sink<T> {
  push(value: T): void;
  fail(error: unknown): void;
}

/**
 * Values as a watch hands them out: a reader that is slow skips those in between and gets the newest, which is right for whole lists
 * and keeps memory bounded. `subscribe` runs with the first `next()`, its result once at the end: on abort (the iteration ends),
 * on `return()` (a `break`), and after `fail`, which throws once the value before it was taken.
 */
export function newest<T>(signal: AbortSignal, subscribe: (sink: Sink<T>) => () => void): AsyncIterable<T> {
  return { [Symbol.asyncIterator]: () => new Newest(signal, subscribe) };
}

type Step<T> = IteratorResult<T, undefined>;

class Newest<T> implements AsyncIterator<T, undefined>, Sink<T> {
  readonly #signal: AbortSignal;
  readonly #subscribe: (sink: Sink<T>) => () => void;
  readonly #waiting: { resolve(step: Step<T>): void; reject(error: unknown): void }[] = [];
  #unsubscribe: (() => void) | undefined;
  #forget: (() => void) | undefined;
  #started = false;
  #fresh: { readonly value: T } | undefined;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(signal: AbortSignal, subscribe: (sink: Sink<T>) => () => void) {
    this.#signal = signal;
    this.#subscribe = subscribe;
  }

  next(): Promise<Step<T>> {
    if (!this.#started) this.#start();
    if (this.#fresh !== undefined) {
      const { value } = this.#fresh;
      this.#fresh = undefined;
      return Promise.resolve({ done: false, value });
    }
    if (this.#failure !== undefined) {
      const { error } = this.#failure;
      this.#failure = undefined;
      return Promise.reject(error);
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  return(): Promise<Step<T>> {
    this.#finish();
    return Promise.resolve({ done: true, value: undefined });
  }

  push(value: T): void {
    if (this.#ended) return;
    const reader = this.#waiting.shift();
    if (reader === undefined) this.#fresh = { value };
    else reader.resolve({ done: false, value });
  }

  fail(error: unknown): void {
    if (this.#ended) return;
    const reader = this.#waiting.shift();
    const unread = this.#fresh;
    this.#finish();
    this.#fresh = unread;
    if (reader === undefined) this.#failure = { error };
    else reader.reject(error);
  }

  #start(): void {
    this.#started = true;
    if (this.#ended || this.#signal.aborted) return this.#finish();
    this.#forget = onAbort(this.#signal, this.#finish);
    try {
      const unsubscribe = this.#subscribe(this);
      if (this.#ended) unsubscribe();
      else this.#unsubscribe = unsubscribe;
    } catch (error) {
      this.fail(error);
    }
  }

  readonly #finish = (): void => {
    if (this.#ended) return;
    this.#ended = true;
    this.#fresh = undefined;
    this.#failure = undefined;
    this.#forget?.();
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    for (const reader of this.#waiting.splice(0)) reader.resolve({ done: true, value: undefined });
  };
}
