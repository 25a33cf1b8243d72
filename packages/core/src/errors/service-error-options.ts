import type { ErrorParams } from './params.js';

export interface ServiceErrorOptions {
  /** The business word, for example `USER_NOT_FOUND`; letters, digits, `_`, `.` and `-`. */
  readonly reason?: string;
  /** The business number, for example 10001. Never an HTTP status. */
  readonly number?: number;
  /** HTTP status, 400 to 599. Default: that of the code. */
  readonly status?: number;
  /** URI of the problem type. Default `about:blank`. */
  readonly type?: string;
  /** Short, the same for every occurrence. Default: that of the code. */
  readonly title?: string;
  /** Whether the message may leave the process. Default: true below 500. */
  readonly expose?: boolean;
  /** Whether trying again later may help. Default: that of the code. */
  readonly retryable?: boolean;
  /** When to try again, milliseconds from now; becomes `Retry-After` in whole seconds. Below 0 it is 0, and what is no finite number is left out. */
  readonly retryAfterMs?: number;
  /** Whether the request certainly never reached the other side, so that the outbound call itself may be tried again even when it is a write. Default false. */
  readonly unsent?: boolean;
  /** Violations by field, shown to the client. */
  readonly errors?: readonly FieldError[];
  /** What the occurrence is about, by name, for translations: scalars, at most 16. Shown to nobody but by the whitelist of a catalogue. */
  readonly params?: ErrorParams;
  readonly cause?: unknown;
}

export interface FieldError {
  /** JSON Pointer into the request, for example `#/email`. */
  readonly pointer: string;
  readonly detail: string;
  readonly code?: string;
}
