import type { Call } from '../call/call.js';
import type { Reply } from '../call/reply.js';

/** Maps between errors and replies. Either direction may be left out; undefined means "not mine", and the next mapper is asked. */
export interface ErrorMapper {
  /** On the way out of a server. problem+json is asked last and takes everything. */
  toReply?(error: unknown, call: Call): Reply | undefined;
  /** On the way into a client: the reply is no success, its body is read (at most 64 KB) and parsed. */
  toError?(reply: Reply, call: Call): Error | undefined;
}
