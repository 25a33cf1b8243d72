import { ValueType } from '@opentelemetry/api';
import type { MetricOptions } from '@opentelemetry/api';
import type { Call } from '../call/call.js';
import { isCode } from '../errors/codes.js';
import { REASONS, ServiceError, isServiceError } from '../errors/service-error.js';

// The words of OpenTelemetry's HTTP semantic conventions (stable), and the few of our own, in one place.

/** Bucket boundaries in seconds that the conventions advise for HTTP durations. */
export const DURATION_BUCKETS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** A histogram of durations in seconds. */
export function durationOptions(description: string): MetricOptions {
  return { description, unit: 's', valueType: ValueType.DOUBLE, advice: { explicitBucketBoundaries: [...DURATION_BUCKETS] } };
}

const DEFAULT_METHODS = ['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'QUERY', 'TRACE'];

/** The methods that appear under their own name; any other is `_OTHER`. The variable is the one that the conventions define and replaces the list. */
export function knownMethods(list: string | undefined = process.env['OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS']): ReadonlySet<string> {
  const names = list
    ?.split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  return new Set(names === undefined || names.length === 0 ? DEFAULT_METHODS : names);
}

export const OTHER = '_OTHER';

/** What a span is called: method and template, never a path with values in it. */
export function spanName(method: string, template: string): string {
  const word = method === OTHER ? 'HTTP' : method;
  return template === '' ? word : `${word} ${template}`;
}

const OWN_REASONS: ReadonlySet<string> = new Set(Object.values(REASONS));

/**
 * A word for `error.type` out of a closed set: one of our own reasons, else the canonical code.
 * A reason that came from elsewhere is not used, because the other side could then make as many time series as it likes.
 */
export function errorTypeOf(error: unknown): string {
  const known = ServiceError.from(error);
  return known.reason !== undefined && OWN_REASONS.has(known.reason) ? known.reason : known.code;
}

/** Whether the caller lost interest, which is no error of anybody. */
export function isCancellation(error: unknown): boolean {
  if (isServiceError(error)) return isCode(error.code) && error.code === 'CANCELLED';
  return typeof error === 'object' && error !== null && (error as { name?: unknown }).name === 'AbortError';
}

const SECRET_KEYS: ReadonlySet<string> = new Set(
  ['X-Amz-Signature', 'X-Amz-Credential', 'X-Amz-Security-Token', 'AWSAccessKeyId', 'Signature', 'sig', 'X-Goog-Signature'].map((key) =>
    key.toLowerCase(),
  ),
);

/** The raw query with the values of keys that carry signatures and credentials replaced, as the conventions list them. */
export function withoutSecrets(query: string): string {
  if (query === '') return query;
  return query
    .split('&')
    .map((pair) => {
      const at = pair.indexOf('=');
      return at > 0 && SECRET_KEYS.has(pair.slice(0, at).toLowerCase()) ? `${pair.slice(0, at)}=REDACTED` : pair;
    })
    .join('&');
}

/** The path that a template stands for with the call's parameters in it, for those who were not given what was sent. */
export function filledPath(call: Call): string {
  return call.operation.path.replace(/:(\w+)/g, (whole, name: string) => {
    const value = call.params[name];
    return value === undefined ? whole : encodeURIComponent(value);
  });
}
