import { types } from 'node:util';
import { below } from './redact-paths.js';
import type { SecretPaths } from './redact-paths.js';
import { REDACTED, redaction, withoutUrlSecrets } from './redact.js';
import type { Redaction } from './redact.js';

/** Longest line in bytes without its newline: collectors cut or drop longer ones. */
export const MAX_LINE_BYTES = 8192;
/** Of a list or an object. */
export const MAX_ITEMS = 100;
const MAX_DEPTH = 6;
const MAX_CAUSES = 5;
const MAX_ERRORS = 10;
/** Of a line, whatever its shape: the smallest ones that fit into it are fewer. */
const MAX_VALUES = 4_000;

export function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}… (${text.length - length} more)`;
}

/** Cut after secrets were taken out, or the end of one might be what told that it is one; what is far behind the cut is not looked at. */
export function safeText(text: string, length: number, isSecret: (key: string) => boolean): string {
  const looked = withoutUrlSecrets(text.slice(0, 2 * MAX_LINE_BYTES), isSecret);
  if (looked.length <= length && text.length <= 2 * MAX_LINE_BYTES) return looked;
  return `${looked.slice(0, length)}… (${Math.max(text.length - length, 1)} more)`;
}

/**
 * An error as a plain record, for loggers that are not ours: name, message, code, reason, status, stack, and its causes five deep; none of its
 * other fields, which hold whole requests with their credentials. A serializer of pino: `pino({ serializers: { error: errorRecord, err: errorRecord } })`.
 * What is no error is shaped as a field of a line would be. Never throws.
 */
export function errorRecord(error: unknown): unknown {
  return new Shaper(DEFAULT_REDACTION, MAX_LINE_BYTES, MAX_ITEMS).shape(error, 0);
}

const DEFAULT_REDACTION: Redaction = redaction();

/** Turns any value into one that `JSON.stringify` takes as it is: bounded, free of cycles, without secrets. Runs getters, but survives them. */
export class Shaper {
  readonly #path = new Set<object>();
  #left = MAX_VALUES;

  constructor(
    readonly hidden: Redaction,
    readonly maxText: number,
    readonly maxItems: number,
  ) {}

  /** `paths`: where paths to secrets lead from this value. */
  shape(value: unknown, depth: number, paths?: SecretPaths): unknown {
    if (--this.#left < 0) return '…';
    if (typeof value === 'object' && value !== null) return this.#object(value, depth, paths);
    switch (typeof value) {
      case 'string':
        return this.#text(value);
      case 'number':
        return Number.isFinite(value) ? value : String(value);
      case 'boolean':
        return value;
      case 'bigint':
      case 'symbol':
        return this.#text(String(value));
      case 'function':
        return `[function ${this.#text(String(value.name))}]`;
      default:
        return value;
    }
  }

  #text(text: string): string {
    return safeText(text, this.maxText, this.hidden.key);
  }

  #object(value: object, depth: number, paths: SecretPaths | undefined, causes = 0): unknown {
    if (this.#path.has(value)) return '[circular]';
    this.#path.add(value);
    try {
      if (isError(value)) return this.#error(value, depth, paths, causes);
      if (depth >= MAX_DEPTH) return Array.isArray(value) ? `[array of ${value.length}]` : '[object]';
      return this.#members(value, depth, paths);
    } catch {
      return '[unreadable]';
    } finally {
      this.#path.delete(value);
    }
  }

  #members(value: object, depth: number, paths: SecretPaths | undefined): unknown {
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (value instanceof Map) {
      const values = [...(value as Map<unknown, unknown>).values()];
      return this.#record([...value.keys()].map(String), (_, index) => values[index], depth, paths);
    }
    if (value instanceof Set) return this.#list([...value], depth, paths);
    if (Array.isArray(value)) return this.#list(value, depth, paths);
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON === 'function') {
      const json: unknown = Reflect.apply(toJSON, value, ['']);
      if (json !== value) return this.shape(json, depth + 1, paths);
    }
    return this.#record(Object.keys(value), (key) => (value as Record<string, unknown>)[key], depth, paths);
  }

  #list(items: readonly unknown[], depth: number, paths: SecretPaths | undefined, most = this.maxItems): unknown[] {
    const shaped = items.slice(0, most).map((item, index) => {
      const further = below(paths, String(index));
      return further?.secret === true ? REDACTED : (this.shape(item, depth + 1, further) ?? null);
    });
    if (items.length > most) shaped.push(`… (${items.length - most} more)`);
    return shaped;
  }

  #record(
    keys: readonly string[],
    read: (key: string, index: number) => unknown,
    depth: number,
    paths: SecretPaths | undefined,
  ): Record<string, unknown> {
    // Without a prototype, so that a key called __proto__ is a key.
    const record = Object.create(null) as Record<string, unknown>;
    for (const [index, key] of keys.slice(0, this.maxItems).entries()) {
      const further = below(paths, key);
      record[cut(key, 128)] = this.hidden.key(key) || further?.secret === true ? REDACTED : this.#read(read, key, index, depth, further);
    }
    if (keys.length > this.maxItems) record['…'] = `${keys.length - this.maxItems} more`;
    return record;
  }

  #read(read: (key: string, index: number) => unknown, key: string, index: number, depth: number, paths: SecretPaths | undefined): unknown {
    try {
      return this.shape(read(key, index), depth + 1, paths);
    } catch {
      return '[unreadable]';
    }
  }

  /** Only what an error is known by: other own fields of foreign errors hold whole requests, with their credentials. */
  #error(error: Error, depth: number, paths: SecretPaths | undefined, causes: number): Record<string, unknown> {
    const record: Record<string, unknown> = {};
    const hidesMessage = below(paths, 'message')?.secret === true;
    const put = (key: string, shape: (value: unknown) => unknown): void => {
      let shaped: unknown;
      try {
        const value: unknown = (error as unknown as Record<string, unknown>)[key];
        if (value === undefined) return;
        shaped = shape(value);
      } catch {
        shaped = '[unreadable]';
      }
      if (shaped !== undefined) record[key] = below(paths, key)?.secret === true ? REDACTED : shaped;
    };
    put('name', (name) => this.#text(String(name)));
    put('message', (message) => this.#text(String(message)));
    put('code', (code) => (typeof code === 'string' || typeof code === 'number' ? this.shape(code, depth) : undefined));
    put('reason', (reason) => (typeof reason === 'string' ? this.#text(reason) : undefined));
    put('status', (status) => (typeof status === 'number' ? this.shape(status, depth) : undefined));
    put('stack', (stack) => (typeof stack === 'string' ? this.#text(hidesMessage ? framesOf(stack) : stack) : undefined));
    put('cause', (cause) => this.#cause(cause, depth, below(paths, 'cause'), causes + 1));
    put('errors', (errors) =>
      Array.isArray(errors) && isAggregate(error) ? this.#errors(errors, depth, below(paths, 'errors'), causes + 1) : undefined,
    );
    return record;
  }

  /** A cause that is no error may be a whole request or a reply: of an object only its kind is told. */
  #cause(cause: unknown, depth: number, paths: SecretPaths | undefined, causes: number): unknown {
    if (typeof cause !== 'object' || cause === null) return this.shape(cause, depth);
    if (!isError(cause)) return '[object]';
    if (causes > MAX_CAUSES || (this.#left -= 100) < 0) return '[more causes]'; // a tree of AggregateErrors is wide
    return this.#object(cause, depth, paths, causes);
  }

  #errors(errors: readonly unknown[], depth: number, paths: SecretPaths | undefined, causes: number): unknown[] {
    const shaped = errors.slice(0, MAX_ERRORS).map((one, index) => this.#cause(one, depth, below(paths, String(index)), causes));
    if (errors.length > MAX_ERRORS) shaped.push(`… (${errors.length - MAX_ERRORS} more)`);
    return shaped;
  }
}

/** A stack without its head, which repeats the message, however many lines that has. */
function framesOf(stack: string): string {
  const at = stack.search(/^ {4}at /m);
  return at < 0 ? REDACTED : `${REDACTED}\n${stack.slice(at)}`;
}

/** Of other realms too: `vm`, worker threads' copies, a test runner's sandbox. */
function isError(value: object): value is Error {
  return types.isNativeError(value) || value instanceof Error;
}

function isAggregate(error: Error): boolean {
  return error instanceof AggregateError || error.name === 'AggregateError';
}
