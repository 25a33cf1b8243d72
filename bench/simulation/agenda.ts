import type { Clock, Timer } from '@ferrule/core/adapter';

/** What happens at a point of simulated time. One that waits may not be added again before it has happened. */
export interface Happening {
  at: number;
  /** Of those at one time, the one that was added first happens first. */
  order: number;
  happen(): void;
}

/**
 * Simulated time: a binary heap of what will happen, and the `Clock` that the shipped classes are given. It moves to the next event, so that an
 * hour in which little happens is over at once.
 */
export class Agenda implements Clock {
  #now = 0;
  #made = 0;
  /** Whether promises may have been settled since they last ran. */
  #settled = false;
  readonly #heap: Happening[] = [];

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return this.#now;
  }

  schedule(delayMs: number, callback: () => void): Timer {
    const timer = new AgendaTimer(this, callback);
    this.add(timer, this.#now + Math.max(0, delayMs));
    return timer;
  }

  add(happening: Happening, at: number): void {
    happening.at = at;
    happening.order = this.#made++;
    const heap = this.#heap;
    let index = heap.length;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above]!;
      if (parent.at <= at) break; // of equal ones the older stays above
      heap[index] = parent;
      index = above;
    }
    heap[index] = happening;
  }

  /** Says that promises were settled: with `play`, what awaits them runs before the next event. */
  settled(): void {
    this.#settled = true;
  }

  /** Everything until `end`, for what needs no promises. */
  playSync(end: number): void {
    for (let next = this.#take(end); next !== undefined; next = this.#take(end)) {
      this.#now = next.at;
      next.happen();
    }
    this.#now = end;
  }

  /** Everything until `end`. After each event that settled promises, all that awaits them runs before the next one. */
  play(end: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = (): void => {
        try {
          for (let next = this.#take(end); next !== undefined; next = this.#take(end)) {
            this.#now = next.at;
            next.happen();
            if (!this.#settled) continue;
            this.#settled = false;
            // Node runs all microtasks, those of microtasks included, before the next immediate.
            setImmediate(go);
            return;
          }
          this.#now = end;
          resolve();
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      go();
    });
  }

  #take(end: number): Happening | undefined {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.at > end) return undefined;
    const last = heap.pop()!;
    if (first === last) return first;
    const size = heap.length;
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= size) break;
      if (below + 1 < size && isBefore(heap[below + 1]!, heap[below]!)) below++;
      if (!isBefore(heap[below]!, last)) break;
      heap[index] = heap[below]!;
      index = below;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

class AgendaTimer implements Timer, Happening {
  at = 0;
  order = 0;
  #callback: (() => void) | undefined;
  readonly #agenda: Agenda;

  constructor(agenda: Agenda, callback: () => void) {
    this.#agenda = agenda;
    this.#callback = callback;
  }

  happen(): void {
    if (this.#callback === undefined) return;
    this.#agenda.settled();
    this.#callback();
  }

  cancel(): void {
    this.#callback = undefined;
  }
}
