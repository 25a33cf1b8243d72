import type { Agenda, Happening } from './agenda.js';
import type { Draw } from './draws.js';

/** Work that was sent to a server: `done` is called when a worker has finished it, `dropped` when its deadline passed in the queue. */
export interface Job extends Happening {
  /** How much standing still its end has allowed for. Kept by the server. */
  pausedMs: number;
  /** How many were at the server when it came, itself aside; and when that was. Kept by the server. */
  found: number;
  cameAt: number;
  /** Does not begin after this; Infinity: always begins. */
  readonly latestStart: number;
  done(): void;
  dropped(): void;
}

export interface ServerOptions {
  readonly workers: number;
  /** Of one job at speed 1. */
  readonly serviceMs: Draw;
}

/** A FIFO queue in front of workers. How long a job takes is drawn when a worker begins it. */
export class Server {
  /** What a service time is divided by. */
  speed = 1;
  /** The share of jobs that are answered with an error, after `failMs` and without a worker. */
  failing = 0;
  failMs = 1;
  busy = 0;
  /** Those before `#head` have begun. */
  readonly queue: Job[] = [];
  /** Reports for those who probe; undefined: nobody does. */
  reports: LatencyReports | undefined;
  #head = 0;
  #pausedMs = 0;
  #pausedUntil = 0;
  readonly #agenda: Agenda;
  readonly #random: () => number;
  readonly options: ServerOptions;

  constructor(agenda: Agenda, random: () => number, options: ServerOptions) {
    this.#agenda = agenda;
    this.#random = random;
    this.options = options;
  }

  /** Requests in flight: queued and being worked on. */
  get inflight(): number {
    return this.busy + this.queue.length - this.#head;
  }

  /** Whether this one fails; asked before `take`. */
  fails(): boolean {
    return this.failing > 0 && (this.failing >= 1 || this.#random() < this.failing);
  }

  take(job: Job): void {
    job.found = this.inflight;
    job.cameAt = this.#agenda.now();
    if (this.busy < this.options.workers) this.#begin(job);
    else this.queue.push(job);
  }

  /** The job's time is over. Whether it has really ended, which it has not when the server stood still meanwhile. */
  end(job: Job): boolean {
    const missed = this.#pausedMs - job.pausedMs;
    if (missed > 0) {
      job.pausedMs = this.#pausedMs;
      this.#agenda.add(job, this.#agenda.now() + missed);
      return false;
    }
    this.busy--;
    this.reports?.add(job.found, this.#agenda.now() - job.cameAt);
    this.#next();
    return true;
  }

  /** Nothing moves for so long, as when the event loop is blocked. */
  pause(ms: number): void {
    this.#pausedMs += ms;
    this.#pausedUntil = this.#agenda.now() + ms;
  }

  #next(): void {
    while (this.busy < this.options.workers && this.#head < this.queue.length) {
      const job = this.queue[this.#head++]!;
      if (this.#head > 1_000 && this.#head * 2 > this.queue.length) {
        this.queue.splice(0, this.#head);
        this.#head = 0;
      }
      if (this.#agenda.now() > job.latestStart) job.dropped();
      else this.#begin(job);
    }
    if (this.#head === this.queue.length) this.queue.length = this.#head = 0;
  }

  #begin(job: Job): void {
    this.busy++;
    const now = this.#agenda.now();
    job.pausedMs = this.#pausedMs;
    this.#agenda.add(job, Math.max(now, this.#pausedUntil) + this.options.serviceMs(this.#random) / this.speed);
  }
}

const KEPT = 16;

/** How long jobs took that found so many others: what a server tells of itself in Prequal. */
export class LatencyReports {
  readonly #byFound = new Map<number, number[]>();

  add(found: number, ms: number): void {
    let ring = this.#byFound.get(found);
    if (ring === undefined) this.#byFound.set(found, (ring = []));
    ring.push(ms);
    if (ring.length > KEPT) ring.shift();
  }

  /** The median of the last sixteen that found the number nearest to `found`; 0 when there was none. */
  median(found: number): number {
    let nearest = Infinity;
    let ring: readonly number[] | undefined;
    for (const [count, latencies] of this.#byFound) {
      const distance = Math.abs(count - found);
      if (distance >= nearest) continue;
      nearest = distance;
      ring = latencies;
    }
    if (ring === undefined) return 0;
    return [...ring].sort((a, b) => a - b)[ring.length >> 1]!;
  }
}
