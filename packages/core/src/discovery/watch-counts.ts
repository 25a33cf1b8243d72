import type { LevelStats } from './directory-stats.js';
import type { DirectoryState } from './directory.js';

/** What one service of a directory counts; sums outlive it in the directory. */
export class WatchCounts {
  /** Lookups since the state last changed: one addition is all that a lookup may cost, so they are told apart afterwards. */
  lookups = 0;
  lists = 0;
  broke = 0;
  refreshes = 0;
  reconnects = 0;
  #hits = 0;
  #misses = 0;
  #failures = 0;
  #bound = 0;

  /** The lookups until now were answered with this state. */
  asked(state: DirectoryState): void {
    if (state === 'pending') this.#misses += this.lookups;
    else if (state === 'failed') this.#failures += this.lookups;
    else this.#hits += this.lookups;
    this.lookups = 0;
  }

  /** The registry told a list. */
  told(state: 'bound' | 'empty'): void {
    this.lists++;
    if (state === 'bound') this.#bound++;
  }

  /** Of the lookups told apart by `asked`. */
  get memory(): LevelStats {
    return { hits: this.#hits, misses: this.#misses, failures: this.#failures };
  }

  get registry(): LevelStats {
    return { hits: this.#bound, misses: this.lists - this.#bound, failures: this.broke };
  }

  /** `state` is that of the service when it ends. */
  add(other: WatchCounts, state: DirectoryState): void {
    other.asked(state);
    this.lists += other.lists;
    this.broke += other.broke;
    this.refreshes += other.refreshes;
    this.reconnects += other.reconnects;
    this.#hits += other.#hits;
    this.#misses += other.#misses;
    this.#failures += other.#failures;
    this.#bound += other.#bound;
  }
}
