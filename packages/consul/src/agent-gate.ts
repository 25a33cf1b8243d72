import type { Clock, Timer } from '@ferrule/core/adapter';
import { isUnanswered } from './client.js';

export interface AgentGateOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** A question failed while the gate was shut: the agent is away, not just one connection. */
  readonly onAway: (error: unknown) => void;
  /** The agent answers again. `doubtful`: connections broke or nothing came, so that what was held open may be dead and what was known old. */
  readonly onReturn: (doubtful: boolean) => void;
}

/** After the first failure, which is mostly one connection; after the second; after each further one: from, to, ms. */
const PAUSES = [
  [100, 200],
  [400, 700],
  [1_200, 1_700],
] as const;
/** A probe that an agent which has just come back should have answered. */
const SHORT_MS = 1_500;
/** Each so many-th probe may take as long as any question, for an agent that is slow and not away. */
const PATIENT = 4;
/** Failures this long after a return are the first of something new. */
const WORKED_MS = 5_000;

/**
 * What all questions of a registry pass: is the agent there? While it is, they go through. The first that fails shuts the gate; then one
 * of those that wait is let through at a time, with a pause that grows to 1.45 s on average, and the first that is answered opens it for all.
 * So a process asks an agent that is away less than once a second, however much it watches, and knows of its return within two seconds.
 */
export class AgentGate {
  readonly #options: AgentGateOptions;
  #waiting: (() => void)[] = [];
  /** `sure`: not just one question failed, but the one after it too. */
  #shut: { readonly error: unknown; readonly doubtful: boolean; readonly sure: boolean } | undefined;
  #failures = 0;
  #turn = 0;
  /** The pause is over, and nobody was there to ask. */
  #due = false;
  #openedAt = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: AgentGateOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#shut === undefined;
  }

  /** Why the agent is away, once that is sure. */
  get away(): { readonly error: unknown } | undefined {
    return this.#shut?.sure === true ? this.#shut : undefined;
  }

  /** Moves with each return of the agent. A question that began in an earlier turn may hang on a connection that is dead. */
  get turn(): number {
    return this.#turn;
  }

  /**
   * Asks when it may. Undefined: when its turn came, `wanted` said no, or all is over. `withinMs`: how long the question may take, if
   * not as long as it likes.
   * @throws what `ask` throws.
   */
  async run<T>(ask: (withinMs: number | undefined) => Promise<T>, wanted: () => boolean): Promise<T | undefined> {
    const waited = this.#shut !== undefined;
    if (waited) await new Promise<void>((resolve) => this.#line(resolve));
    const probing = waited && this.#shut !== undefined;
    if (this.#closed || !wanted()) {
      if (probing) this.#next();
      return undefined;
    }
    const [turn, since] = [this.#turn, this.#options.clock.now()];
    try {
      const answer = await ask(probing && this.#failures % PATIENT !== 0 ? SHORT_MS : undefined);
      this.#open();
      return answer;
    } catch (error) {
      if (turn === this.#turn && !this.#closed) {
        if (probing) this.#failedAgain(error, since);
        else this.#close(error);
      }
      throw error;
    }
  }

  /** No question passes any more; those that wait learn that they are not wanted. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const go of this.#waiting.splice(0)) go();
  }

  #line(go: () => void): void {
    this.#waiting.push(go);
    if (this.#due || this.#closed) this.#next();
  }

  /** Lets the one through that has waited longest. */
  #next(): void {
    const go = this.#waiting.shift();
    this.#due = go === undefined;
    go?.();
  }

  #close(error: unknown): void {
    if (this.#shut !== undefined) return;
    const now = this.#options.clock.now();
    this.#shut = { error, doubtful: isUnanswered(error), sure: false };
    this.#failures = now - this.#openedAt < WORKED_MS ? this.#failures + 1 : 1;
    this.#pause(now);
  }

  #failedAgain(error: unknown, since: number): void {
    this.#shut = { error, doubtful: this.#shut?.doubtful === true || isUnanswered(error), sure: true };
    this.#failures++;
    this.#pause(since);
    this.#options.onAway(error);
  }

  /** Counted from the beginning of the question that failed: it may have taken its time. */
  #pause(since: number): void {
    const { clock, random } = this.#options;
    const [from, to] = PAUSES[Math.min(this.#failures, PAUSES.length) - 1]!;
    this.#timer = clock.schedule(Math.max(0, since + from + random() * (to - from) - clock.now()), () => this.#next());
  }

  #open(): void {
    const shut = this.#shut;
    if (shut === undefined || this.#closed) return;
    this.#shut = undefined;
    this.#due = false;
    this.#openedAt = this.#options.clock.now();
    this.#turn++;
    this.#timer?.cancel();
    const waiting = this.#waiting.splice(0);
    this.#options.onReturn(shut.doubtful);
    for (const go of waiting) go();
  }
}
