import type { Handler } from '../wrappers/wrapper.js';

/**
 * The only part that touches the network. `handle` sends the call to `call.endpoint` and resolves when the reply's headers
 * are known and, unless the call wants a stream, its body is read: `OUTBOUND` in `call.values` says what is wanted. It reports `call.answered(status)` and `call.end(...)`.
 */
export interface Transport extends AsyncDisposable {
  readonly name: string;
  readonly handle: Handler;
  /** The endpoint has left: idle connections close at once, busy ones when their work has ended. */
  forget(origin: string): void;
}
