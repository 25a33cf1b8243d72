type AbortListener = (reason: unknown) => void;

/** By signal, all who listen through `onAbort`: the signal has one listener of ours for them. It goes with the signal. */
const heard = new WeakMap<AbortSignal, Listeners>();

/**
 * Calls `listener` once with the reason when the signal aborts; not when it has already. The returned function takes it back.
 * However many listen to one signal, it has a single listener of ours: Node takes the eleventh for a leak and warns, though a signal that
 * many calls share is what signals are for.
 */
export function onAbort(signal: AbortSignal, listener: AbortListener): () => void {
  let listeners = heard.get(signal);
  if (listeners === undefined) heard.set(signal, (listeners = new Listeners(signal)));
  return listeners.add(listener);
}

class Listeners {
  readonly #signal: AbortSignal;
  readonly #entries = new Set<{ readonly listener: AbortListener }>();
  readonly #hear = (): void => {
    for (const entry of [...this.#entries]) {
      // One that was taken back by another is not called any more.
      if (this.#entries.delete(entry)) tell(entry.listener, this.#signal.reason);
    }
  };

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  add(listener: AbortListener): () => void {
    // Its own object: the same function given twice is heard twice.
    const entry = { listener };
    this.#entries.add(entry);
    if (this.#entries.size === 1) this.#signal.addEventListener('abort', this.#hear, { once: true });
    return () => {
      if (this.#entries.delete(entry) && this.#entries.size === 0) this.#signal.removeEventListener('abort', this.#hear);
    };
  }
}

/** As for a listener of the signal itself: what one throws is an uncaught error and keeps no other from being called. */
function tell(listener: AbortListener, reason: unknown): void {
  try {
    listener(reason);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
