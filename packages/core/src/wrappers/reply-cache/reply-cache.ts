import { CachedAnswers } from './answers.js';
import { replyCacheRules } from './options.js';
import type { ReplyCacheOptions } from './options.js';
import { named } from '../wrapper.js';
import type { Wrapper } from '../wrapper.js';

export interface ReplyCacheStats {
  /** Answered with a fresh reply. */
  readonly hits: number;
  /** Answered with what another caller was fetching. */
  readonly shared: number;
  /** Fetched. */
  readonly misses: number;
  /** Answered with one beyond its time. */
  readonly stale: number;
  readonly stored: number;
  /** Replies that are kept now, and the bytes that they and their keys take. */
  readonly size: number;
  readonly bytes: number;
}

export interface ReplyCache extends Wrapper {
  stats(): ReplyCacheStats;
  /** Forgets all, or what is kept of the operation with this label; what is being fetched is not kept either. Tells how many replies went. */
  purge(label?: string): number;
}

/**
 * Answers GET and HEAD with the reply to an earlier call, as RFC 9111 allows it, and lets callers who want the same at the same time share one
 * fetch. In short: fresh is a reply for `s-maxage` (of a shared cache), `max-age`, `Expires` or else the `ttl`, less its `Age`; `no-store`,
 * `Vary: *` and `Set-Cookie` keep it out, `no-cache` has it asked for anew each time; what `Vary` names is part of the key; one with an `ETag` or
 * `Last-Modified` is asked for with it when it is stale, and a 304 renews it; `stale-while-revalidate` and `stale-if-error` (RFC 5861) give it out
 * longer, `must-revalidate` never; a write to the same target makes it forgotten, whatever came of the write. Of an outbound call `no-store`,
 * `no-cache`, `max-age`, `min-fresh` and `only-if-cached` are obeyed, of an inbound one not: reloading a page shall not go past the cache.
 *
 * **Private by default**: the key holds a hash of who asks (the principal, `authorization`, `cookie`, `x-api-key`, of the call and of the request that
 * it is made for), so that no user gets the reply of another. With `shared` it does not; then `private` keeps a reply out, and so does
 * `authorization` on the call unless the reply says `public`, `s-maxage` or `must-revalidate`. Which other header fields say who asks, say `vary` or `identity`.
 *
 * A fetch is not its first caller's: one that leaves, or runs out of time, ends it for no other; the last one that leaves aborts it. It fails for all
 * who wait for it. Each caller gets a copy, with an `Age` if it was kept. A stream is kept only when its `content-length` says that it is short.
 *
 * It stands above whatever costs or refuses (timeout, bulkhead, breaker, retry), below what asks who the caller is. Handlers that one cache wraps
 * share its bounds, not their replies.
 *
 * @throws ServiceError UNAVAILABLE with 504, reason `NOT_CACHED`, for an `only-if-cached` that is not kept
 * @throws TypeError at construction, for an option that makes no sense
 */
export function replyCache(options: ReplyCacheOptions = {}): ReplyCache {
  const cache = new CachedAnswers(replyCacheRules(options));
  let handlers = 0;
  const wrapper: Wrapper = (next) => {
    const space = String(++handlers);
    return (call) => cache.answer(call, next, space);
  };
  return Object.assign(named({ name: 'replyCache', replays: true }, wrapper), {
    stats: () => cache.stats(),
    purge: (label?: string) => cache.purge(label),
  });
}
