import type { Duration } from '../time/duration.js';

/** The words of the health report: `warn` still takes traffic. */
export type HealthStatus = 'pass' | 'warn' | 'fail';

export interface CheckContext {
  /** Aborts when the check's timeout has passed. */
  readonly signal: AbortSignal;
}

/**
 * A question about something the service needs, such as a database.
 * It must not be about the process itself being alive: no check ever reaches `/health/live`.
 */
export interface Check {
  /** Unique within a monitor; shown only when details are. */
  readonly name: string;
  /**
   * Fails by throwing, by `false`, by a reply whose numeric `status` is 400 or more, or by `{ status: 'fail' }`; `{ status: 'warn', output }`
   * says so too; anything else passes. Never runs twice at the same time: a run that outlives its timeout counts as failed, and no new one
   * starts until it has really ended.
   */
  run(context: CheckContext): unknown;
  /** Whether the service is of no use without it. `false` turns a failure into `warn`. Default true. */
  readonly critical?: boolean;
  /** From being asked to the answer, waiting for a free place included. Default 800 ms, below the 1 s that a kubelet waits. */
  readonly timeout?: Duration;
  /** How long an answer is used again, so that probes put no load on what is checked. Default 1 s; 0 asks again every time. */
  readonly cacheFor?: Duration;
  /**
   * For a check that learns by itself when its answer may be another one (a connection that closed, a switch that was thrown): called once with
   * a function that has it asked at once, instead of with the next probe. What it returns ends that, when the check is removed.
   */
  onChange?(changed: () => void): () => void;
}

/** The last answer of one check. */
export interface CheckReport {
  readonly name: string;
  readonly status: HealthStatus;
  readonly critical: boolean;
  /** Why it is not `pass`: the error's code or name, `timeout`, or what the check itself said. Never an error's message. At most 256 characters. */
  readonly output?: string;
  /** Milliseconds from being asked to the answer. */
  readonly durationMs: number;
  /** When it was answered, milliseconds since the Unix epoch. */
  readonly at: number;
  /** What the check threw, for the log; it never leaves the process. */
  readonly error?: unknown;
}
