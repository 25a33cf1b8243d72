import { REQUEST_ID, currentCall } from '../call/context.js';
import type { Call } from '../call/call.js';
import { PRINCIPAL } from '../call/principal.js';
import { REDACTED, secretKeys, withoutUrlSecrets } from '../logging/redact.js';
import type { Code } from './codes.js';
import type { ErrorOrigin } from './monitor-facts.js';

/** Where an error happened and for whom. What is left out is that of the call that the running code works for. */
export interface ErrorContext extends ErrorOrigin {
  readonly requestId?: string;
  readonly traceId?: string;
  /** The id of the user. */
  readonly user?: string;
  /** Texts, numbers and truth values; the first 16, each cut to 256 characters. Those under names of secrets are not kept. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** One error, as reports show it. */
export interface ErrorEvent {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly type: string;
  readonly code: Code;
  /** Of its kind: the same for messages that differ in values alone. */
  readonly fingerprint: string;
  readonly service: string;
  readonly operation: string;
  /** The first 256 characters, without secrets in URLs. */
  readonly message: string;
  readonly requestId?: string;
  readonly traceId?: string;
  readonly user?: string;
  readonly metadata?: Readonly<Record<string, string | number | boolean>>;
}

const LONGEST_TEXT = 256;
const LONGEST_ID = 128;
const MOST_METADATA = 16;
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;

export const isSecret: (key: string) => boolean = secretKeys();

/** The message of whatever was thrown, at most `longest` characters, without the credentials that URLs in it hold. Never throws. */
export function messageOf(error: unknown, longest: number): string {
  try {
    const text: unknown = typeof error === 'object' && error !== null ? (error as { message?: unknown }).message : error;
    return typeof text === 'string'
      ? withoutUrlSecrets(text.slice(0, 2 * longest), isSecret).slice(0, longest)
      : `Thrown value of type ${typeof error}`;
  } catch {
    return 'A thrown value could not be read';
  }
}

/** For whom it was: what the context says, else the call. Never throws. */
export function whoseOf(
  context: ErrorContext,
  call: Call | undefined = currentCall(),
): Pick<ErrorEvent, 'requestId' | 'traceId' | 'user' | 'metadata'> {
  try {
    const requestId = context.requestId ?? call?.values.get(REQUEST_ID);
    const traceId = context.traceId ?? TRACEPARENT.exec(call?.header('traceparent') ?? '')?.[1];
    const user: unknown = context.user ?? call?.values.get(PRINCIPAL)?.id;
    const metadata = typeof context.metadata === 'object' && context.metadata !== null ? safeMetadata(context.metadata) : undefined;
    return {
      ...(requestId !== undefined && { requestId: short(requestId, LONGEST_ID) }),
      ...(traceId !== undefined && { traceId: short(traceId, LONGEST_ID) }),
      ...(user !== undefined && { user: short(user, LONGEST_ID) }),
      ...(metadata !== undefined && { metadata }),
    };
  } catch {
    return {};
  }
}

export function short(text: unknown, longest: number = LONGEST_TEXT): string {
  const whole = String(text);
  return whole.length > longest ? whole.slice(0, longest) : whole;
}

function safeMetadata(given: Readonly<Record<string, unknown>>): Readonly<Record<string, string | number | boolean>> {
  const safe = Object.create(null) as Record<string, string | number | boolean>;
  for (const key of Object.keys(given).slice(0, MOST_METADATA)) {
    const value = member(given, key);
    const name = short(key, LONGEST_ID);
    if (isSecret(key)) safe[name] = REDACTED;
    else if (typeof value === 'string') safe[name] = messageOf(value, LONGEST_TEXT);
    else if (typeof value === 'number' || typeof value === 'boolean') safe[name] = value;
  }
  return safe;
}

function member(given: Readonly<Record<string, unknown>>, key: string): unknown {
  try {
    return given[key];
  } catch {
    return undefined; // one getter that throws costs its value, not the ids beside it
  }
}
