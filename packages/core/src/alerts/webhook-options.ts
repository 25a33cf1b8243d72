import { validateHeaderName, validateHeaderValue } from 'node:http';
import { checkFlag, checkFunction, checkOptions, checkRecord, checkSurroundings, namesOf } from '../options/check.js';
import { isForbiddenHost } from '../options/forbidden-host.js';
import { shown } from '../options/shown.js';
import type { Logger } from '../logging/logger.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import type { Alert } from './alert.js';
import { isSecret } from './signature.js';

export interface WebhookOptions {
  /** Where alerts are posted to, http or https, without user and password. Only its origin is ever logged: the path of many is a secret. */
  readonly url: string | URL;
  /**
   * Whether `url` may also name a link-local, multicast or unspecified address, or the metadata service of a cloud. Default false, for
   * addresses that come from a configuration which others write.
   */
  readonly anyHost?: boolean;
  /** Signs each delivery (Standard Webhooks): `webhook-signature` is over `webhook-id`, `webhook-timestamp` and the body. Default: not signed. */
  readonly secret?: string;
  /** Sent with each delivery, such as an authorization. Default none. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The body as JSON. Default: the alert itself, with its time as ISO 8601 text. A throw drops the alert. */
  readonly body?: (alert: Alert) => unknown;
  /** Bound of one attempt. Default 5 s. */
  readonly timeout?: Duration;
  /** How often a delivery is tried again: after a broken connection, a timeout, 408, 425, 429 and 5xx. Default 4; 0 for never. */
  readonly retries?: number;
  /** The longest wait before the first retry; it doubles with each, and is full jitter below it. Default 1 s. */
  readonly backoff?: Duration;
  /** No wait is longer, Retry-After included. Default 60 s. */
  readonly maxBackoff?: Duration;
  /** The same alert (source, subject, raised) is not sent again before so long, unless it was resolved meanwhile or could not be delivered. Default 1 h; 0 sends all. */
  readonly repeatAfter?: Duration;
  /** How many alerts may wait; with more, the oldest are dropped. Default 100. */
  readonly queue?: number;
  /** Default: none is told. */
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** From 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
}

export interface WebhookSettings {
  readonly url: URL;
  readonly timeoutMs: number;
  readonly retries: number;
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  readonly repeatMs: number;
  readonly queue: number;
}

const OPTIONS = namesOf<WebhookOptions>({
  url: true,
  anyHost: true,
  secret: true,
  headers: true,
  body: true,
  timeout: true,
  retries: true,
  backoff: true,
  maxBackoff: true,
  repeatAfter: true,
  queue: true,
  logger: true,
  clock: true,
  random: true,
});

/** @throws TypeError naming the option that does not fit; never with the URL or the secret in it. */
export function webhookSettings(options: WebhookOptions): WebhookSettings {
  checkOptions('webhook', options, OPTIONS);
  checkSurroundings('webhook', options);
  checkFlag(options.anyHost, 'webhook anyHost');
  checkFunction(options.body, 'webhook body');
  checkRecord(options.headers, 'webhook headers');
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    validateHeaderName(name);
    if (typeof value !== 'string') throw new TypeError(`webhook headers: ${shown(name)} has no text as its value. Give one.`);
    validateHeaderValue(name, value);
  }
  if (options.secret !== undefined && !isSecret(options.secret))
    throw new TypeError(
      'webhook secret: it is no text of 16 bytes or more, nor whsec_ and the base64 of so many. Give a random one that only the receiver knows.',
    );
  const timeoutMs = toMs(options.timeout ?? 5_000, 'webhook timeout');
  if (timeoutMs < 1) throw new TypeError('webhook timeout: 0 leaves no time for an answer. Give 1 ms or more.');
  const maxBackoffMs = toMs(options.maxBackoff ?? 60_000, 'webhook maxBackoff');
  return {
    url: address(options.url, options.anyHost ?? false),
    timeoutMs,
    retries: whole(options.retries ?? 4, 0, 'webhook retries'),
    backoffMs: Math.min(maxBackoffMs, toMs(options.backoff ?? 1_000, 'webhook backoff')),
    maxBackoffMs,
    repeatMs: toMs(options.repeatAfter ?? 3_600_000, 'webhook repeatAfter'),
    queue: whole(options.queue ?? 100, 1, 'webhook queue'),
  };
}

function address(given: unknown, anyHost: boolean): URL {
  const text = given instanceof URL ? given.href : given;
  if (typeof text !== 'string' || !URL.canParse(text))
    throw new TypeError("webhook url: it is missing or no URL. Give one such as 'https://alerts.example.com/hook'.");
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new TypeError(`webhook url: ${url.protocol} is not spoken. Give an https or http address.`);
  if (url.username !== '' || url.password !== '')
    throw new TypeError('webhook url: it holds a user or a password. Send them as headers: { authorization: … }.');
  if (!anyHost && isForbiddenHost(url.hostname))
    throw new TypeError(
      "webhook url: its host is link-local, multicast, unspecified or a cloud's metadata service. Give the receiver's own address, or anyHost: true when it is meant.",
    );
  return url;
}

function whole(value: number, least: number, option: string): number {
  if (!Number.isInteger(value) || value < least) throw new TypeError(`${option}: ${shown(value)} is no count. Give an integer from ${least}.`);
  return value;
}
