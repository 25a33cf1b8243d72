import { checkOptions, namesOf } from '../options/check.js';
import { glob as globOf } from '../options/glob.js';
import { shown } from '../options/shown.js';
import { CODES, isCode } from './codes.js';
import type { Code } from './codes.js';
import { LONGEST_MESSAGE } from './fingerprint.js';

/**
 * What a message has to be like. A text is found anywhere in it; `{ glob }` is for the whole of it, with `*` and `?`; `{ prefix }` for its beginning.
 * None of them heeds case. A RegExp is taken from code alone, as it is.
 */
export type MessageMatch = string | RegExp | { readonly glob: string } | { readonly prefix: string };

export type PatternAction = 'alert' | 'log' | 'ignore';

/** Which errors are of one type, and what is done about them. */
export interface ErrorPattern {
  /** What they are called in reports: `payment_error`. */
  readonly type: string;
  /** One of these has to fit the message. */
  readonly match?: MessageMatch | readonly MessageMatch[];
  /** Or the error has one of these codes. */
  readonly codes?: readonly Code[];
  /** Patterns are asked from 1 upwards, those of one priority in their order; the first that fits decides. Default 10. */
  readonly priority?: number;
  /** `alert`: an alert and a line in the log; `log`: the line; `ignore`: it is counted as ignored, and nowhere else. Default `log`. */
  readonly action?: PatternAction;
}

const OPTIONS = namesOf<ErrorPattern>({ type: true, match: true, codes: true, priority: true, action: true });
const ACTIONS: readonly unknown[] = ['alert', 'log', 'ignore'] satisfies readonly PatternAction[];
const TYPE = /^[A-Za-z][\w.-]{0,63}$/;
const MOST_MATCHES = 100;
const LONGEST_MATCH = 200;
/** A regular expression from code that takes longer than this, so often within ten minutes, is asked no more. */
const SLOW_MS = 10;
const MOST_SLOW = 3;
const SLOW_WITHIN_MS = 600_000;

/** The original design's: timeouts, connections that fail, permissions that are denied. */
export const DEFAULT_PATTERNS: readonly ErrorPattern[] = [
  { type: 'timeout_error', match: ['timeout', 'timed out', 'deadline'], codes: ['DEADLINE_EXCEEDED'], priority: 1, action: 'alert' },
  {
    type: 'connection_error',
    match: [{ glob: '*connection*fail*' }, { glob: '*connect*refused*' }, { glob: '*connection*reset*' }, 'econnrefused', 'econnreset'],
    priority: 2,
    action: 'alert',
  },
  { type: 'authorization_error', match: { glob: '*permission*denied*' }, codes: ['PERMISSION_DENIED'], priority: 3, action: 'log' },
];

/** What patterns run in: how long a regular expression takes is measured, and who is told when one is given up. */
export interface PatternSurroundings {
  readonly now: () => number;
  readonly disabled: (pattern: ErrorPattern, expression: RegExp) => void;
}

/** A pattern that is ready to be asked. */
export interface Pattern {
  readonly type: string;
  readonly priority: number;
  readonly action: PatternAction;
  /** `message` of at most 1 KB; `lower` is the same in lower case. */
  fits(message: string, lower: string, code: Code): boolean;
}

/** Sorted by priority. @throws TypeError naming the pattern, the value and the remedy */
export function checkedPatterns(
  patterns: readonly { readonly pattern: ErrorPattern; readonly option: string }[],
  around: PatternSurroundings,
): readonly Pattern[] {
  return patterns.map(({ pattern, option }) => patternOf(pattern, option, around)).sort((a, b) => a.priority - b.priority);
}

function patternOf(pattern: ErrorPattern, option: string, around: PatternSurroundings): Pattern {
  checkOptions(option, pattern, OPTIONS);
  const { type, match, codes = [], priority = 10, action = 'log' } = pattern;
  if (typeof type !== 'string' || !TYPE.test(type))
    throw new TypeError(`${option} type: ${shown(type)} is no type. Give a word such as 'payment_error', of at most 64 characters.`);
  if (!Array.isArray(codes) || !codes.every(isCode))
    throw new TypeError(`${option} codes: ${shown(codes)} are none. Give a list of ${CODES.join(', ')}.`);
  if (!Number.isSafeInteger(priority) || priority < 1)
    throw new TypeError(`${option} priority: ${shown(priority)} is none. Give a whole number from 1, which is asked first.`);
  if (!ACTIONS.includes(action)) throw new TypeError(`${option} action: ${shown(action)} is unknown. Use ${ACTIONS.join(', ')}.`);
  const matches: readonly unknown[] = match === undefined ? [] : Array.isArray(match) ? match : [match];
  if (matches.length === 0 && codes.length === 0) throw new TypeError(`${option}: it fits nothing. Give match or codes.`);
  if (matches.length > MOST_MATCHES) throw new TypeError(`${option} match: ${matches.length} are too many. Give at most ${MOST_MATCHES}.`);
  const asked = matches.map((one) => matcherOf(one, `${option} match`, (expression) => around.disabled(pattern, expression), around.now));
  return {
    type,
    priority,
    action,
    fits: (message, lower, code) => (codes as readonly Code[]).includes(code) || asked.some((one) => one(message, lower)),
  };
}

type Matcher = (message: string, lower: string) => boolean;

function matcherOf(given: unknown, option: string, disabled: (expression: RegExp) => void, now: () => number): Matcher {
  if (given instanceof RegExp) return measured(given, disabled, now);
  if (typeof given === 'string') {
    const text = textOf(given, option);
    refuseExpressions(given, option);
    return (_, lower) => lower.includes(text);
  }
  const { glob, prefix, ...rest } = (typeof given === 'object' && given !== null ? given : { none: given }) as Readonly<Record<string, unknown>>;
  if (Object.keys(rest).length > 0 || (glob === undefined) === (prefix === undefined))
    throw new TypeError(
      `${option}: ${shown(given)} is no match. Give a text, { glob: '*payment*failed*' }, { prefix: 'ECONN' }, or in code a RegExp.`,
    );
  if (prefix !== undefined) {
    const text = textOf(prefix, `${option} prefix`);
    return (_, lower) => lower.startsWith(text);
  }
  const fits = globOf(textOf(glob, `${option} glob`));
  if (fits === undefined) throw new TypeError(`${option} glob: ${shown(glob)} ends with a lone backslash. Write two, or leave it out.`);
  return (_, lower) => fits(lower);
}

function textOf(given: unknown, option: string): string {
  if (typeof given !== 'string' || given === '' || given.length > LONGEST_MATCH)
    throw new TypeError(`${option}: ${shown(given)} is no text of 1 to ${LONGEST_MATCH} characters. Give one.`);
  return given.toLowerCase();
}

/** What nobody writes but who means a regular expression: `/…/i`, `.*`, `\d`, `(?:`, `a|b`, `^…`, `…$`, `[a-z]`, `(…)+`. */
const EXPRESSION = /^\/.*\/[a-z]*$|\.[*+]|\\[dDwWsSbB]|\(\?|\||^\^|\$$|\[[^\]]*-[^\]]*\]|\)[*+{]|\[[^\]]*\][*+{]/s;

/** As a text it would never fit, and as an expression from a file it might never end. */
function refuseExpressions(text: string, option: string): void {
  if (!EXPRESSION.test(text)) return;
  throw new TypeError(
    `${option}: ${shown(text)} looks like a regular expression, which is not taken as text: from a file it could be made to run for ever. Give a list of texts (['timeout', 'deadline']), { glob: '*connection*fail*' } or { prefix: 'ECONN' }; in code a RegExp.`,
  );
}

/** A RegExp may backtrack for ever on what a client wrote; JavaScript cannot stop it, but it is not asked a fourth time. */
function measured(expression: RegExp, disabled: (expression: RegExp) => void, now: () => number): Matcher {
  let slow = 0;
  let since = -Infinity;
  return (message) => {
    if (slow >= MOST_SLOW) return false;
    const start = now();
    expression.lastIndex = 0; // `g` and `y` remember where they were
    const fits = expression.test(message.slice(0, LONGEST_MESSAGE));
    if (now() - start <= SLOW_MS) return fits;
    if (start - since > SLOW_WITHIN_MS) {
      slow = 0;
      since = start;
    }
    if (++slow === MOST_SLOW) disabled(expression);
    return fits;
  };
}
