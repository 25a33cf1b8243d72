import { addReplyHeaders } from '../call/reply-headers.js';
import type { Call } from '../call/call.js';
import type { Quota } from './rate-limit-quota.js';

/** What a limit says of itself to HTTP clients. */
export interface RateLimitFields {
  /** To an inbound call's reply; `waitMs` is 0 for an allowed one. Gives what was added. */
  add(call: Call, quota: Quota, now: number, waitMs: number): Readonly<Record<string, string>>;
}

/** The largest integer of a structured field (RFC 9651, 3.3.1). */
const MOST = 999_999_999_999_999;

/**
 * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers, September 2025): `q` calls in `w` seconds; `r` are left, for the next
 * `t` seconds, after which there are more. Whole numbers alone: a span of time that is no whole number of seconds is told as the next longer one,
 * with as many calls as are let through in it. The key (`pk`) is never told. `legacy` adds the three fields of the older drafts.
 */
export function rateLimitFields(name: string, limit: number, perMs: number, legacy: boolean): RateLimitFields {
  const seconds = Math.max(1, Math.ceil(perMs / 1000));
  const count = Math.min(Math.floor((limit * seconds * 1000) / perMs), MOST);
  const policy = `"${name}";q=${count};w=${seconds}`;
  return {
    add(call, quota, now, waitMs) {
      const left = waitMs > 0 ? 0 : Math.min(quota.left(now), MOST);
      const inSeconds = Math.ceil((waitMs > 0 ? waitMs : quota.growsInMs(now)) / 1000);
      const fields: Record<string, string> = { 'ratelimit-policy': policy, ratelimit: `"${name}";r=${left};t=${inSeconds}` };
      addReplyHeaders(call, fields);
      if (legacy) {
        const older = { 'ratelimit-limit': `${count}`, 'ratelimit-remaining': `${left}`, 'ratelimit-reset': `${inSeconds}` };
        addReplyHeaders(call, older);
        Object.assign(fields, older);
      }
      return fields;
    },
  };
}
