import type { Call } from '../../call/call.js';
import { checkFlag, checkList, checkSurroundings, namesOf } from '../../options/check.js';
import { isHeaderName } from '../../options/header-name.js';
import { shown } from '../../options/shown.js';
import { systemClock } from '../../time/clock.js';
import type { Clock } from '../../time/clock.js';
import { toMs } from '../../time/duration.js';
import type { Duration } from '../../time/duration.js';
import { checkFunction, checkOptions, positiveMs, wholeNumber } from '../options.js';
import type { StoringRules } from './control.js';

export interface ReplyCacheOptions {
  /** How long a reply is fresh that does not say so itself. Default 0: then only those that do are kept. */
  readonly ttl?: Duration;
  /** Whether a reply's `Cache-Control`, `Expires` and `Age` count, and an outbound call's `Cache-Control`. Without, `no-store` and `private` of the reply still do. Default true. */
  readonly cacheControl?: boolean;
  /** Whether one caller's reply may be given to another. Default false: the key holds who asks. */
  readonly shared?: boolean;
  /** How long a reply is given out beyond its time while it is fetched anew in the background. A reply's own word counts more. Default 0. */
  readonly staleWhileRevalidate?: Duration;
  /** How long it is given out beyond its time when fetching it anew fails. A reply's own word counts more. Default 0. */
  readonly staleIfError?: Duration;
  /** How long a failure with 404, 405, 410, 414 or 501 is kept. Default 0: never. */
  readonly errorTtl?: Duration;
  /** How many replies are kept. Default 1,000. */
  readonly maxEntries?: number;
  /** How many bytes they may hold together. Default 32 MiB. */
  readonly maxBytes?: number;
  /** How many bytes of body one may have; a stream has to say in `content-length` that it has no more. Default 1 MiB. */
  readonly maxBodyBytes?: number;
  /** Header fields of the call that the reply depends on though its `Vary` does not say so, such as `['x-tenant']`. Default none. */
  readonly vary?: readonly string[];
  /**
   * Who asks. What it gives takes the place of the principal and the credentials that the key holds otherwise; undefined: this call is not
   * for the cache. Not with `shared`.
   */
  readonly identity?: (call: Call) => string | undefined;
  /** What is asked for, in place of path, parameters and query; undefined: this call is not for the cache. */
  readonly key?: (call: Call) => string | undefined;
  /** How long a fetch in the background may take. Default 10 s. */
  readonly refreshTimeout?: Duration;
  /** Hears how each call went, and of every reply that is kept. */
  readonly on?: (event: ReplyCacheEvent) => void;
  readonly clock?: Clock;
}

export interface ReplyCacheEvent {
  /**
   * `hit`: answered with a fresh reply; `stale`: with one beyond its time; `shared`: with what another caller was fetching; `miss`: fetched;
   * `stored`: what was fetched is kept.
   */
  readonly kind: 'hit' | 'stale' | 'shared' | 'miss' | 'stored';
  readonly label: string;
  /** Of `stale`: whether it is fetched anew meanwhile, or that failed with `error`. */
  readonly why?: 'revalidating' | 'error';
  readonly error?: unknown;
}

/** Checked, with the defaults. */
export interface ReplyCacheRules extends StoringRules {
  readonly errorTtlMs: number;
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly maxBodyBytes: number;
  readonly vary: readonly string[];
  readonly identity: ((call: Call) => string | undefined) | undefined;
  readonly key: ((call: Call) => string | undefined) | undefined;
  readonly refreshTimeoutMs: number;
  readonly on: ((event: ReplyCacheEvent) => void) | undefined;
  readonly clock: Clock;
}

const OPTIONS = namesOf<ReplyCacheOptions>({
  ttl: true,
  cacheControl: true,
  shared: true,
  staleWhileRevalidate: true,
  staleIfError: true,
  errorTtl: true,
  maxEntries: true,
  maxBytes: true,
  maxBodyBytes: true,
  vary: true,
  identity: true,
  key: true,
  refreshTimeout: true,
  on: true,
  clock: true,
});

/** @throws TypeError naming option, value and remedy. */
export function replyCacheRules(options: ReplyCacheOptions): ReplyCacheRules {
  checkOptions('replyCache', options, OPTIONS);
  checkSurroundings('replyCache', options);
  const { cacheControl = true, shared = false, vary = [], identity, key, on, clock = systemClock } = options;
  checkFlag(cacheControl, 'replyCache cacheControl');
  checkFlag(shared, 'replyCache shared');
  checkList(vary, 'replyCache vary', 'header names');
  for (const [name, value] of Object.entries({ identity, key, on })) checkFunction(value, `replyCache ${name}`);
  for (const name of vary) {
    if (!isHeaderName(name)) throw new TypeError(`replyCache vary: ${shown(name)} is no header name. Give names such as 'x-tenant'.`);
  }
  if (shared && identity !== undefined)
    throw new TypeError('replyCache identity: a shared cache does not look at who asks. Leave out identity, or shared.');
  const ttlMs = options.ttl === undefined ? undefined : toMs(options.ttl, 'replyCache ttl');
  if (!cacheControl && (ttlMs ?? 0) === 0)
    throw new TypeError("replyCache ttl: without cacheControl nothing would ever be kept. Give a ttl, such as '10s'.");
  return {
    ttlMs,
    cacheControl,
    shared,
    staleWhileRevalidateMs: toMs(options.staleWhileRevalidate ?? 0, 'replyCache staleWhileRevalidate'),
    staleIfErrorMs: toMs(options.staleIfError ?? 0, 'replyCache staleIfError'),
    errorTtlMs: toMs(options.errorTtl ?? 0, 'replyCache errorTtl'),
    maxEntries: wholeNumber(options.maxEntries ?? 1_000, 'replyCache maxEntries', 1),
    maxBytes: wholeNumber(options.maxBytes ?? 32 * 2 ** 20, 'replyCache maxBytes', 1),
    maxBodyBytes: wholeNumber(options.maxBodyBytes ?? 2 ** 20, 'replyCache maxBodyBytes', 0),
    vary: [...new Set(vary.map((name) => name.toLowerCase()))].sort(),
    identity,
    key,
    refreshTimeoutMs: positiveMs(options.refreshTimeout ?? '10s', 'replyCache refreshTimeout'),
    on,
    clock,
  };
}
