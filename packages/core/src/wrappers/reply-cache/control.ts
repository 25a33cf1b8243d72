import type { Call } from '../../call/call.js';
import type { Reply, ReplyHeaders } from '../../call/reply.js';

/** The directives of a `Cache-Control` field that mean something here (RFC 9111, 5.2; RFC 5861), times in ms. */
export interface CacheControl {
  readonly noStore: boolean;
  readonly noCache: boolean;
  readonly isPrivate: boolean;
  readonly isPublic: boolean;
  readonly mustRevalidate: boolean;
  readonly onlyIfCached: boolean;
  readonly maxAgeMs: number | undefined;
  readonly sharedMaxAgeMs: number | undefined;
  readonly minFreshMs: number | undefined;
  readonly staleWhileRevalidateMs: number | undefined;
  readonly staleIfErrorMs: number | undefined;
}

const DIRECTIVE = /([a-z][a-z0-9-]*)(?:\s*=\s*(?:"([^"]*)"|([^\s,;"]*)))?/gi;
const LONGEST_S = 2 ** 31;

/** What a field says; a directive with a list of fields (`private="set-cookie"`) counts as one without, which is the stricter. */
export function parseCacheControl(field: string | undefined): CacheControl {
  if (field === undefined) return SILENT;
  const said = new Map<string, number | undefined>();
  for (const [, name, quoted, plain] of field.matchAll(DIRECTIVE)) {
    const key = name!.toLowerCase();
    const given = quoted ?? plain;
    // What is no number of seconds is none: stale at once rather than too long fresh. Of two, the shorter.
    const ms = given === undefined ? undefined : /^\d+$/.test(given) ? Math.min(Number(given), LONGEST_S) * 1_000 : 0;
    const before = said.get(key);
    said.set(key, before !== undefined && ms !== undefined ? Math.min(before, ms) : (ms ?? before));
  }
  return {
    noStore: said.has('no-store'),
    noCache: said.has('no-cache'),
    isPrivate: said.has('private'),
    isPublic: said.has('public'),
    mustRevalidate: said.has('must-revalidate') || said.has('proxy-revalidate'),
    onlyIfCached: said.has('only-if-cached'),
    maxAgeMs: said.get('max-age'),
    sharedMaxAgeMs: said.get('s-maxage'),
    minFreshMs: said.get('min-fresh'),
    staleWhileRevalidateMs: said.get('stale-while-revalidate'),
    staleIfErrorMs: said.get('stale-if-error'),
  };
}

const SILENT: CacheControl = Object.freeze({
  noStore: false,
  noCache: false,
  isPrivate: false,
  isPublic: false,
  mustRevalidate: false,
  onlyIfCached: false,
  maxAgeMs: undefined,
  sharedMaxAgeMs: undefined,
  minFreshMs: undefined,
  staleWhileRevalidateMs: undefined,
  staleIfErrorMs: undefined,
});

/** What the cache's options say of every reply. */
export interface StoringRules {
  readonly shared: boolean;
  readonly cacheControl: boolean;
  readonly ttlMs: number | undefined;
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
}

/** What may be done with a reply. */
export interface Terms {
  /** How long it is fresh, from now. */
  readonly freshMs: number;
  /** How old it was when it came, by its own `Age`. */
  readonly ageMs: number;
  /** How long it may be used beyond that, while it is fetched anew, and when that fails. */
  readonly staleWhileRevalidateMs: number;
  readonly staleIfErrorMs: number;
}

/** The terms on which others may get the reply to `call`; undefined: it is for this caller alone (RFC 9111, 3). */
export function termsOf(call: Call, reply: Reply, wallTime: number, rules: StoringRules): Terms | undefined {
  const said = parseCacheControl(fieldOf(reply, 'cache-control'));
  if (said.noStore || fieldOf(reply, 'vary')?.includes('*') === true || fieldOf(reply, 'set-cookie') !== undefined) return undefined;
  if (rules.shared) {
    if (said.isPrivate) return undefined;
    const mayBeShared = said.isPublic || said.sharedMaxAgeMs !== undefined || said.mustRevalidate;
    if (call.headers['authorization'] !== undefined && !mayBeShared) return undefined;
  }
  const { ttlMs, staleWhileRevalidateMs, staleIfErrorMs } = rules;
  if (!rules.cacheControl) return { freshMs: ttlMs ?? 0, ageMs: 0, staleWhileRevalidateMs, staleIfErrorMs };
  const ageMs = ageOf(reply);
  const lifetimeMs = (rules.shared ? said.sharedMaxAgeMs : undefined) ?? said.maxAgeMs ?? expiresIn(reply, wallTime);
  const freshMs = said.noCache ? 0 : lifetimeMs === undefined ? (ttlMs ?? 0) : Math.max(0, lifetimeMs - ageMs);
  const strict = said.noCache || said.mustRevalidate;
  return {
    freshMs,
    ageMs,
    staleWhileRevalidateMs: strict ? 0 : (said.staleWhileRevalidateMs ?? staleWhileRevalidateMs),
    staleIfErrorMs: strict ? 0 : (said.staleIfErrorMs ?? staleIfErrorMs),
  };
}

/** A header field as one text; undefined when there is none. */
export function fieldOf({ headers }: { readonly headers: ReplyHeaders }, name: string): string | undefined {
  // In any case: a handler that writes Set-Cookie instead of set-cookie must not have it given to others.
  const value = headers[name] ?? headers[Object.keys(headers).find((given) => given.toLowerCase() === name) ?? name];
  return value === undefined ? undefined : Array.isArray(value) ? value.join(', ') : String(value);
}

function ageOf(reply: Reply): number {
  const age = fieldOf(reply, 'age');
  return age !== undefined && /^\d+$/.test(age) ? Math.min(Number(age), LONGEST_S) * 1_000 : 0;
}

/** By `Expires`; a date that is none lies in the past (RFC 9111, 5.3). */
function expiresIn(reply: Reply, wallTime: number): number | undefined {
  const expires = fieldOf(reply, 'expires');
  if (expires === undefined) return undefined;
  const date = Date.parse(fieldOf(reply, 'date') ?? '');
  return Math.max(0, Date.parse(expires) - (Number.isNaN(date) ? wallTime : date)) || 0;
}
