import { SENT } from '../call/sent.js';
import type { Sent } from '../call/sent.js';
import type { ValueKey } from '../call/values.js';
import type { RequestBody } from './request-body.js';

/**
 * How the reply's body is wanted.
 * - `parse` (default): read whole; JSON and text by content type, anything else bytes.
 * - `bytes`: read whole, not looked into.
 * - `stream`: a Readable; an error status (400 and up) is read whole and parsed all the same, for the error mappers.
 * - `raw`: a Readable; an error status is read whole and left as bytes.
 */
export type ReplyMode = 'parse' | 'bytes' | 'stream' | 'raw';

/** What the client has worked out once for all attempts of a call. Without it the transport does so per attempt. */
export interface Outbound extends Sent {
  readonly body: RequestBody;
  readonly mode: ReplyMode;
  /** The time that this one request asked for; then the client's own limits do not hold. */
  readonly timeoutMs: number | undefined;
  /** Of the inbound call that this one is made for. */
  readonly requestId: string | undefined;
}

export const OUTBOUND: ValueKey<Outbound> = SENT as ValueKey<Outbound>;
