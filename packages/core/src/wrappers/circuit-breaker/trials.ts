import type { Attempt } from '../../call/call.js';
import { isTimeout } from '../verdict.js';

/** One of the calls that decide in half-open; it holds a permit until its result or until `expiresAt`. */
export interface Trial {
  readonly call: Attempt;
  expiresAt: number;
}

/**
 * The calls that are let through to find out, and what became of them. A permit is taken when the call is let through, not when its result comes, so that
 * never more than `limit` are on their way; each of them ends in a result, with its caller, or with its time, so that none leaks.
 */
export class Trials {
  readonly #limit: number;
  readonly #successes: number;
  readonly #timeoutMs: number;
  readonly #running = new Set<Trial>();
  succeeded = 0;
  failed = 0;
  /** Of the failed ones, those that were slow. */
  slow = 0;

  /** @param successes how many have to succeed */
  constructor(limit: number, successes: number, timeoutMs: number) {
    this.#limit = limit;
    this.#successes = successes;
    this.#timeoutMs = timeoutMs;
  }

  /** What the results say; undefined while they do not say it yet. */
  get decision(): 'succeeded' | 'failed' | undefined {
    if (this.failed > this.#limit - this.#successes) return 'failed';
    return this.succeeded >= this.#successes ? 'succeeded' : undefined;
  }

  /** Takes a permit; undefined when there is none. */
  admit(call: Attempt, now: number): Trial | undefined {
    if (this.#running.size + this.succeeded + this.failed >= this.#limit) return undefined;
    const trial: Trial = { call, expiresAt: Math.min(now + this.#timeoutMs, Math.max(call.deadline ?? Infinity, now + 1)) };
    this.#running.add(trial);
    return trial;
  }

  /** How many permits are taken. */
  taken(now: number): number {
    let taken = 0;
    for (const { expiresAt } of this.#running) if (expiresAt > now) taken++;
    return taken;
  }

  /** In how many ms the next permit comes free at the latest. */
  freeInMs(now: number): number {
    let freeAt = now + this.#timeoutMs;
    for (const { expiresAt } of this.#running) freeAt = Math.min(freeAt, expiresAt);
    return freeAt - now;
  }

  /** The result of a trial; false when it had no permit any more, and its result comes too late. */
  settle(trial: Trial, failed: boolean, slow: boolean): boolean {
    if (!this.#running.delete(trial)) return false;
    if (failed || slow) this.failed++;
    else this.succeeded++;
    if (slow) this.slow++;
    return true;
  }

  /** Its result says nothing: another call gets its permit. */
  release(trial: Trial): void {
    this.#running.delete(trial);
  }

  /**
   * Ends the trials whose time is over: without a result they have failed, unless their caller has gone, which says nothing. How many have failed.
   */
  expire(now: number): number {
    const before = this.failed;
    for (const trial of this.#running) {
      if (trial.expiresAt > now + this.#timeoutMs) trial.expiresAt = now + this.#timeoutMs; // time has gone back
      if (trial.expiresAt > now) continue;
      const { aborted, reason } = trial.call;
      if (aborted && !isTimeout(reason)) this.release(trial);
      else this.settle(trial, true, false);
    }
    return this.failed - before;
  }

  clear(): void {
    this.#running.clear();
    this.succeeded = this.failed = this.slow = 0;
  }
}
