import { systemClock } from './clock.js';
import type { Clock, Timer, TimerOptions } from './clock.js';

const WAITED_FOR: TimerOptions = Object.freeze({ ref: true });

/** An entry of a TimerQueue or a DeadlineWheel: extend it with the state that `expire` needs, which spares a closure for each. */
export abstract class QueuedTimer implements Timer {
  /** Whether the process stays alive while it waits. Set before it is added. */
  holds = true;
  /** @internal */
  queuedIn: TimerQueue | undefined = undefined;
  /** @internal */
  before: QueuedTimer | undefined = undefined;
  /** @internal */
  after: QueuedTimer | undefined = undefined;
  /** @internal When its turn in the queue comes: a whole millisecond, which V8 keeps in place, where a fraction would take an object. */
  turn = 0;
  /** @internal In a wheel: when it is over. */
  due = 0;

  /** Called once when the time is over and `cancel` was not called. Must not throw. */
  abstract expire(): void;

  /** Takes it out at once, whatever it refers to included; idempotent. */
  cancel(): void {
    this.queuedIn?.remove(this);
  }
}

/**
 * Timers that share one delay. Each ends after the one that was added before it, so that a linked list holds them in order and
 * adding or cancelling one is constant work without a timer of Node's (0.4 µs a pair, and most are cancelled).
 *
 * The clock has one timer for the head. It is not taken back when the list runs empty, because the next entry will want it:
 * an idle queue is rid of it one delay after its last entry at the latest.
 *
 * It keeps the process alive as long as an entry waits that `holds` it, since somebody awaits what the entry settles, and no longer: the
 * timer is let go with the last such entry and held again with the next one (`ref` and `unref` of a Node timer, 0.02 µs a call), so that an
 * idle process can end.
 */
export class TimerQueue {
  readonly delayMs: number;
  readonly #clock: Clock;
  #head: QueuedTimer | undefined;
  #tail: QueuedTimer | undefined;
  #size = 0;
  #holding = 0;
  #timer: Timer | undefined;
  readonly #turn: () => void;

  /** @throws RangeError when the delay is not above zero: a queue of none would never let go of its own head. */
  constructor(delayMs: number, clock: Clock = systemClock) {
    if (!(delayMs > 0)) throw new RangeError(`TimerQueue delayMs: ${String(delayMs)} is no delay. Give milliseconds above 0.`);
    this.delayMs = delayMs;
    this.#clock = clock;
    this.#turn = () => this.#takeTurns();
  }

  /** How many entries wait. */
  get size(): number {
    return this.#size;
  }

  /** Lets `entry` expire `delayMs` after `now`, at the next whole millisecond. An entry waits in one queue at most. */
  add(entry: QueuedTimer, now: number = this.#clock.now()): void {
    this.addAt(entry, Math.ceil(now + this.delayMs));
  }

  /** @internal As `add`, for one who has worked out when: `delayMs` from now, as a whole number. */
  addAt(entry: QueuedTimer, turn: number): void {
    entry.cancel();
    entry.turn = turn;
    entry.queuedIn = this;
    entry.before = this.#tail;
    if (this.#tail === undefined) this.#head = entry;
    else this.#tail.after = entry;
    this.#tail = entry;
    this.#size++;
    if (entry.holds && this.#holding++ === 0) this.#timer?.ref?.();
    if (this.#timer === undefined) this.#arm(this.delayMs);
  }

  /** @internal Called by `entry.cancel()`. */
  remove(entry: QueuedTimer): void {
    const { before, after } = entry;
    if (before === undefined) this.#head = after;
    else before.after = after;
    if (after === undefined) this.#tail = before;
    else after.before = before;
    entry.queuedIn = entry.before = entry.after = undefined;
    this.#size--;
    if (entry.holds && --this.#holding === 0) this.#timer?.unref?.();
  }

  /** What is done with an entry whose turn has come; it is in no queue any more. */
  protected onTurn(entry: QueuedTimer, _now: number): void {
    entry.expire();
  }

  #arm(delayMs: number): void {
    this.#timer = this.#clock.schedule(Math.ceil(delayMs), this.#turn, this.#holding > 0 ? WAITED_FOR : undefined);
  }

  #takeTurns(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    const latest = Math.ceil(now + this.delayMs);
    if (this.#head !== undefined && this.#head.turn > latest) this.#bringForward(latest);
    try {
      for (let head = this.#head; head !== undefined && head.turn <= now; head = this.#head) {
        this.remove(head);
        this.onTurn(head, now);
      }
    } finally {
      if (this.#head !== undefined && this.#timer === undefined) this.#arm(this.#head.turn - now);
    }
  }

  /** A clock has gone back, which it should not: nobody waits for more than one delay longer than was said. */
  #bringForward(latest: number): void {
    for (let entry = this.#head; entry !== undefined; entry = entry.after) entry.turn = Math.min(entry.turn, latest);
  }
}
