import { checkList, checkOptions, checkRecord, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import type { Logger } from './logger.js';
import { redaction } from './redact.js';
import type { Redaction } from './redact.js';
import { MAX_ITEMS, MAX_LINE_BYTES, Shaper, cut, safeText } from './shape.js';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

export interface JsonLoggerOptions {
  /** The lowest level that is written; `silent`: none. Default `info`. */
  readonly level?: LogLevel;
  /** Takes one finished line, its newline included. Default: standard error. */
  readonly write?: (line: string) => unknown;
  /**
   * Further values that are replaced by `[redacted]`, beside those under keys that name passwords, tokens, cookies, keys and the like: words found
   * anywhere in a key, patterns of keys, and paths from the fields down, with dots, where `*` stands for any key or index: `user.email`, `items.*.iban`.
   */
  readonly redact?: readonly (string | RegExp)[];
  /** Fields of every line, for example the service's name. */
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly clock?: Clock;
}

const OPTIONS = namesOf<JsonLoggerOptions>({ level: true, write: true, redact: true, fields: true, clock: true });

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
 * 8 KB, free of control characters, and holds no value whose key names a secret; in texts the URLs lose user info and secret parameters. Errors are
 * written with name, code, message, stack and causes, five deep; of an AggregateError also its errors, the first ten. Logging never throws, and a line that cannot be written is lost.
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
  const hidden = redaction(options.redact);

  const at = (name: Exclude<LogLevel, 'silent'>): ((fields: object, message: string) => void) => {
    if (LOG_LEVELS.indexOf(name) < threshold) return nothing;
    return (fields, message) => {
      try {
        write(`${lineOf(new Date(clock.wallTime()).toISOString(), name, messageOf(fields, message), [base, fields], hidden)}\n`);
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

/** pino takes a text alone, or an error alone: whoever is used to that gets the line that was meant. */
function messageOf(fields: unknown, message: unknown): string {
  try {
    if (message !== undefined) return String(message);
    if (typeof fields === 'string') return fields;
    const error = fields instanceof Error ? fields : (fields as { readonly err?: unknown } | null | undefined)?.err;
    return error instanceof Error ? String(error.message) : '';
  } catch {
    return '[unreadable]';
  }
}

function lineOf(time: string, level: string, message: string, sources: readonly object[], hidden: Redaction): string {
  const text = safeText(message, MAX_LINE_BYTES, hidden.key);
  const whole = assemble(time, level, text, sources, new Shaper(hidden, MAX_LINE_BYTES, MAX_ITEMS));
  if (Buffer.byteLength(whole) <= MAX_LINE_BYTES) return whole;
  for (const limit of TIGHTER) {
    const line = assemble(time, level, cut(text, limit.text), sources, new Shaper(hidden, limit.text, limit.items), true);
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
    const plain = shaper.shape(fieldsOf(source), 0, shaper.hidden.paths) as Record<string, unknown>;
    for (const key in plain) line[Object.hasOwn(line, key) && RESERVED.has(key) ? `${key}_` : key] = plain[key];
  }
  return escaped(JSON.stringify(line));
}

function fieldsOf(source: unknown): object {
  if (typeof source !== 'object' || source === null) return {};
  try {
    return source instanceof Error ? { err: source } : Array.isArray(source) ? { items: source } : source;
  } catch {
    return { fields: '[unreadable]' }; // a Proxy whose trap throws
  }
}

const RESERVED: ReadonlySet<string> = new Set(['time', 'level', 'msg', 'cut']);

function escaped(json: string): string {
  return json.replace(UNSAFE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
