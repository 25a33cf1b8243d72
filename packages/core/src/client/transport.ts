import type { Handler } from '../wrappers/wrapper.js';
import type { PoolOptions } from './pool-options.js';

/**
 * The only part that touches the network. `handle` sends the call to `call.endpoint` and resolves when the reply's headers
 * are known and, unless the call wants a stream, its body is read: `OUTBOUND` in `call.values` says what is wanted. It reports `call.answered(status)` and `call.end(...)`.
 */
export interface Transport extends AsyncDisposable {
  readonly name: string;
  readonly handle: Handler;
  /** The endpoint has left: idle connections close at once, busy ones when their work has ended. */
  forget(origin: string, serverName?: string): void;
  /**
   * A transport like this one (certificates, limits) that has connections of its own, kept as `pool` says; whoever asks for it disposes of
   * it. A transport without this method serves no client that has `pool` options.
   */
  withPool?(pool: PoolOptions): Transport;
}
