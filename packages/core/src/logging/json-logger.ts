import { checkList, checkOptions, checkRecord, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import type { Logger } from './logger.js';
import { REDACTED, secretKeys, withoutUrlSecrets } from './redact.js';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

export interface JsonLoggerOptions {
  /** The lowest level that is written; `silent`: none. Default `info`. */
  readonly level?: LogLevel;
  /** Takes one finished line, its newline included. Default: standard error. */
  readonly write?: (line: string) => unknown;
  /** Further keys whose values are replaced by `[redacted]`, beside those that name passwords, tokens, cookies, keys and the like: words found anywhere in a key, or patterns. */
  readonly redact?: readonly (string | RegExp)[];
  /** Fields of every line, for example the service's name. */
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly clock?: Clock;
}

const OPTIONS = namesOf<JsonLoggerOptions>({ level: true, write: true, redact: true, fields: true, clock: true });

/** Longest line in bytes without its newline: collectors cut or drop longer ones. */
export const MAX_LINE_BYTES = 8192;
const MAX_DEPTH = 6;
const MAX_ITEMS = 100;
/** Tried one after the other until the line fits: the longest text that is kept, and how many items of a list or object. */
const TIGHTER = [
  { text: 1024, items: 100 },
  { text: 256, items: 25 },
  { text: 96, items: 8 },
] as const;
/** What `JSON.stringify` leaves as it is although terminals and viewers obey it: DEL, C1 controls, line separators, direction marks, the byte order mark. */
const UNSAFE = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/**
 * One JSON object a line: `time` (ISO 8601, UTC), `level`, `msg`, then the fields. Whatever is logged, a line is valid JSON, at most
 * 8 KB, free of control characters, and holds no value whose key names a secret; in texts the URLs lose user info and secret parameters. Errors are written with name, code, message,
 * stack and causes. Logging never throws, and a line that cannot be written is lost.
 * @throws TypeError when an option is malformed.
 */
export function jsonLogger(options: JsonLoggerOptions = {}): Logger {
  checkOptions('jsonLogger', options, OPTIONS);
  checkSurroundings('jsonLogger', options);
  checkRecord(options.fields, 'jsonLogger fields');
  checkList(options.redact, 'jsonLogger redact', 'names of keys and regular expressions');
  const { level = 'info', write = toStderr, fields: base = {}, clock = systemClock } = options;
  const threshold = LOG_LEVELS.indexOf(level);
  if (threshold < 0) throw new TypeError(`jsonLogger level: ${shown(level)} is unknown. Use one of ${LOG_LEVELS.join(', ')}.`);
  if (typeof write !== 'function') throw new TypeError(`jsonLogger write: ${shown(write)} is no function. Give one that takes a line of text.`);
  const isSecret = secretKeys(options.redact);

  const at = (name: Exclude<LogLevel, 'silent'>): ((fields: object, message: string) => void) => {
    if (LOG_LEVELS.indexOf(name) < threshold) return nothing;
    return (fields, message) => {
      try {
        write(`${lineOf(new Date(clock.wallTime()).toISOString(), name, message, [base, fields], isSecret)}\n`);
      } catch {
        // A logger that throws would turn a report of a failure into a failure.
      }
    };
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

function nothing(): void {}

function toStderr(line: string): void {
  process.stderr.write(line);
}

function lineOf(time: string, level: string, message: string, sources: readonly object[], isSecret: (key: string) => boolean): string {
  const text = safeText(String(message), MAX_LINE_BYTES, isSecret);
  const whole = assemble(time, level, text, sources, new Shaper(isSecret, MAX_LINE_BYTES, MAX_ITEMS));
  if (Buffer.byteLength(whole) <= MAX_LINE_BYTES) return whole;
  for (const limit of TIGHTER) {
    const line = assemble(time, level, cut(text, limit.text), sources, new Shaper(isSecret, limit.text, limit.items), true);
    if (Buffer.byteLength(line) <= MAX_LINE_BYTES) return line;
  }
  return escaped(JSON.stringify({ time, level, msg: cut(text, 256), cut: true }));
}

function assemble(time: string, level: string, msg: string, sources: readonly object[], shaper: Shaper, wasCut = false): string {
  const line: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  line['time'] = time;
  line['level'] = level;
  line['msg'] = msg;
  if (wasCut) line['cut'] = true;
  for (const source of sources) {
    const fields = source instanceof Error ? { err: source } : source;
    const plain = shaper.shape(fields, 0) as Record<string, unknown>;
    for (const key in plain) line[Object.hasOwn(line, key) && RESERVED.has(key) ? `${key}_` : key] = plain[key];
  }
  return escaped(JSON.stringify(line));
}

const RESERVED: ReadonlySet<string> = new Set(['time', 'level', 'msg', 'cut']);

function escaped(json: string): string {
  return json.replace(UNSAFE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}… (${text.length - length} more)`;
}

/** Cut after secrets were taken out, or the end of one might be what told that it is one; what is far behind the cut is not looked at. */
function safeText(text: string, length: number, isSecret: (key: string) => boolean): string {
  const looked = withoutUrlSecrets(text.slice(0, 2 * MAX_LINE_BYTES), isSecret);
  if (looked.length <= length && text.length <= 2 * MAX_LINE_BYTES) return looked;
  return `${looked.slice(0, length)}… (${Math.max(text.length - length, 1)} more)`;
}

/** Turns any value into one that `JSON.stringify` takes as it is: bounded, free of cycles, without secrets. Runs getters, but survives them. */
class Shaper {
  readonly #path = new Set<object>();

  constructor(
    readonly isSecret: (key: string) => boolean,
    readonly maxText: number,
    readonly maxItems: number,
  ) {}

  shape(value: unknown, depth: number): unknown {
    if (typeof value === 'object' && value !== null) return this.#object(value, depth);
    switch (typeof value) {
      case 'string':
        return safeText(value, this.maxText, this.isSecret);
      case 'number':
        return Number.isFinite(value) ? value : String(value);
      case 'boolean':
        return value;
      case 'bigint':
      case 'symbol':
        return String(value);
      case 'function':
        return `[function ${value.name}]`;
      default:
        return value;
    }
  }

  #object(value: object, depth: number): unknown {
    if (this.#path.has(value)) return '[circular]';
    if (depth >= MAX_DEPTH) return Array.isArray(value) ? `[array of ${value.length}]` : '[object]';
    this.#path.add(value);
    try {
      return this.#members(value, depth);
    } catch {
      return '[unreadable]';
    } finally {
      this.#path.delete(value);
    }
  }

  #members(value: object, depth: number): unknown {
    if (value instanceof Error) return this.#error(value, depth);
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (value instanceof Map) {
      const values = [...(value as Map<unknown, unknown>).values()];
      return this.#record([...value.keys()].map(String), (_, index) => values[index], depth);
    }
    if (value instanceof Set) return this.#list([...value], depth);
    if (Array.isArray(value)) return this.#list(value, depth);
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON === 'function') {
      const json: unknown = Reflect.apply(toJSON, value, ['']);
      if (json !== value) return this.shape(json, depth + 1);
    }
    return this.#record(Object.keys(value), (key) => (value as Record<string, unknown>)[key], depth);
  }

  #list(items: readonly unknown[], depth: number): unknown[] {
    const shaped = items.slice(0, this.maxItems).map((item) => this.shape(item, depth + 1) ?? null);
    if (items.length > this.maxItems) shaped.push(`… (${items.length - this.maxItems} more)`);
    return shaped;
  }

  #record(keys: readonly string[], read: (key: string, index: number) => unknown, depth: number): Record<string, unknown> {
    // Without a prototype, so that a key called __proto__ is a key.
    const record = Object.create(null) as Record<string, unknown>;
    for (const [index, key] of keys.slice(0, this.maxItems).entries()) {
      record[cut(key, 128)] = this.isSecret(key) ? REDACTED : this.#read(read, key, index, depth);
    }
    if (keys.length > this.maxItems) record['…'] = `${keys.length - this.maxItems} more`;
    return record;
  }

  #read(read: (key: string, index: number) => unknown, key: string, index: number, depth: number): unknown {
    try {
      return this.shape(read(key, index), depth + 1);
    } catch {
      return '[unreadable]';
    }
  }

  /** Only what an error is known by: other own fields of foreign errors hold whole requests, with their credentials. */
  #error(error: Error, depth: number): Record<string, unknown> {
    const { code, reason, status } = error as { code?: unknown; reason?: unknown; status?: unknown };
    const record: Record<string, unknown> = { name: this.shape(String(error.name), depth), message: this.shape(String(error.message), depth) };
    if (typeof code === 'string' || typeof code === 'number') record['code'] = this.shape(code, depth);
    if (typeof reason === 'string') record['reason'] = this.shape(reason, depth);
    if (typeof status === 'number') record['status'] = status;
    if (typeof error.stack === 'string') record['stack'] = this.shape(error.stack, depth);
    if (error.cause !== undefined)
      record['cause'] = error.cause instanceof Error ? this.shape(error.cause, depth + 1) : this.shape(typeof error.cause, depth);
    if (error instanceof AggregateError) record['errors'] = this.#list(error.errors, depth);
    return record;
  }
}
