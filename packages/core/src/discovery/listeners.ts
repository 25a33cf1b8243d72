import type { Logger } from '../logging/logger.js';

/** Who hears of an event. One that throws costs the others nothing; the same function added twice hears it twice. */
export class Listeners<T extends { readonly service: string }> {
  readonly #listeners = new Set<(event: T) => void>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get size(): number {
    return this.#listeners.size;
  }

  /** The returned function takes it back. */
  add(listener: (event: T) => void): () => void {
    const heard = (event: T): void => listener(event);
    this.#listeners.add(heard);
    return () => void this.#listeners.delete(heard);
  }

  tell(event: T): void {
    for (const listener of [...this.#listeners]) {
      if (!this.#listeners.has(listener)) continue;
      try {
        listener(event);
      } catch (error) {
        this.#logger.error({ service: event.service, error }, 'A listener of the directory threw');
      }
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}
