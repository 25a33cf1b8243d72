import type { Duration } from '../time/duration.js';

/** The words of the health report: `warn` still takes traffic. */
export type HealthStatus = 'pass' | 'warn' | 'fail';

export interface CheckContext {
  /** Aborts when the check's timeout has passed. */
  readonly signal: AbortSignal;
}

/**
 * A question about something the service needs, such as a database. No check reaches `/health/live` unless its groups say `live`, which is for
 * what only a restart mends, never for a dependency: a database that is down would have every instance killed, again and again.
 */
export interface Check {
  /** Unique within a monitor; shown only when details are. */
  readonly name: string;
  /**
   * Fails by throwing, by `false`, by a reply whose numeric `status` is 400 or more, or by `{ status: 'fail' }` (also error, down, unhealthy,
   * critical); `{ status: 'warn', output }` (also degraded, warning) says so too; anything else passes. Never runs twice at the same time: a run that outlives its timeout counts as failed, and no new one
   * starts until it has really ended.
   */
  run(context: CheckContext): unknown;
  /** Whether the service is of no use without it. `false` turns a failure into `warn`. Default true. */
  readonly critical?: boolean;
  /** From being asked to the answer, waiting for a free place included. Default 800 ms, below the 1 s that a kubelet waits. */
  readonly timeout?: Duration;
  /** How long an answer is used again, so that probes put no load on what is checked. Default 1 s; 0 asks again every time. */
  readonly cacheFor?: Duration;
  /** So many failures in a row, the first included, make one that was not failing fail. The very first answer counts at once. Default 1. */
  readonly failuresToFail?: number;
  /** So many answers in a row that are no failure make a failing one pass again. Default 1. */
  readonly successesToPass?: number;
  /**
   * Asked by itself so long after the end of the last run, whoever asks or not; everybody is told the newest answer then. A run that hangs counts
   * as failed again at each turn. Default: it runs when somebody asks.
   */
  readonly interval?: Duration;
  /** It is not run before so long after it was added; until then it is told as failed, `not checked yet`. Default 0. */
  readonly initialDelay?: Duration;
  /**
   * Where it has a say: `ready`, `startup` (with `ready` until the service has once been ready), `live` (see above), and names of your own, each
   * with a path `/health/groups/<name>`. Default `['ready']`. `/health` asks all.
   */
  readonly groups?: readonly string[];
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
  /** Why the last run did not pass, also while `failuresToFail` holds that back: the error's code or name, `timeout`, or what the check itself said. Never an error's message. At most 256 characters. */
  readonly output?: string;
  /** Milliseconds from being asked to the answer. */
  readonly durationMs: number;
  /** When it was answered, milliseconds since the Unix epoch. */
  readonly at: number;
  /** Failed runs in a row, up to now. */
  readonly failures: number;
  /** What the check threw, for the log; it never leaves the process. */
  readonly error?: unknown;
}

/** A check is in another state than before. */
export interface CheckChange {
  readonly name: string;
  /** `pass` before the first answer. */
  readonly from: HealthStatus;
  readonly to: HealthStatus;
  readonly report: CheckReport;
}
