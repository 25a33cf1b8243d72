import { nearest } from './nearest.js';
import { shown } from './shown.js';

/** The names of an options type for `checkOptions`, all of them: one that is left out or misspelt does not compile. */
export function namesOf<O extends object>(names: Readonly<Record<keyof O & string, true>>): readonly string[] {
  return Object.keys(names);
}

/** @throws TypeError when `options` is no object or has a member that the factory does not know: a misspelt limit would be no limit. */
export function checkOptions(factory: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    const uncalled = typeof options === 'function' ? ` If it was meant to be called first, write ${factory}().` : '';
    throw new TypeError(`${factory}: ${shown(options)} is no options object. It takes { ${known.join(', ')} }.${uncalled}`);
  }
  for (const name of Object.keys(options)) if (!known.includes(name)) throw unknownOption(factory, name, known);
}

/** What to throw for a name that is not known. */
export function unknownOption(factory: string, name: string, known: readonly string[]): TypeError {
  const likely = nearest(name, known);
  const meant = likely.length === 0 ? '' : ` Did you mean ${likely.join(' or ')}?`;
  return new TypeError(`${factory}: there is no option ${shown(name)}.${meant} It takes ${known.join(', ')}.`);
}

/** A function, or nothing. @throws TypeError */
export function checkFunction(value: unknown, option: string): void {
  if (value !== undefined && typeof value !== 'function')
    throw new TypeError(`${option}: ${shown(value)} is no function. Give one, or leave it out.`);
}

/** An array, or nothing. `holding` says of what. @throws TypeError */
export function checkList(value: unknown, option: string, holding: string): void {
  if (value !== undefined && !Array.isArray(value)) throw new TypeError(`${option}: ${shown(value)} is no list. Give an array of ${holding}.`);
}

/** An object (or a function) with these methods, or nothing. `remedy` says what has them. @throws TypeError */
export function checkMethods(value: unknown, methods: readonly (string | symbol)[], option: string, remedy: string): void {
  if (value === undefined) return;
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function';
  for (const name of methods) {
    if (isObject && typeof (value as Readonly<Record<string | symbol, unknown>>)[name] === 'function') continue;
    throw new TypeError(`${option}: ${shown(value)} has no ${String(name)}(). ${remedy}.`);
  }
}

/** An object with members by name, or nothing: what can only be walked through (a Map, Headers, an array) has none, and would count as empty. @throws TypeError */
export function checkRecord(value: unknown, option: string): void {
  if (value === undefined || (typeof value === 'object' && value !== null && !(Symbol.iterator in value))) return;
  throw new TypeError(`${option}: ${shown(value)} is no plain object. Give one, such as { name: 'value' }; Object.fromEntries() makes one of a Map.`);
}

/** true, false, or nothing. @throws TypeError */
export function checkFlag(value: unknown, option: string): void {
  if (value !== undefined && typeof value !== 'boolean')
    throw new TypeError(`${option}: ${shown(value)} is neither true nor false. Give one of them.`);
}

/** An AbortSignal, or nothing. @throws TypeError */
export function checkSignal(value: unknown, option: string): void {
  checkMethods(value, ['addEventListener'], option, 'Give the signal of an AbortController, or AbortSignal.timeout()');
}

/** What nearly every part takes: where time and chance come from, and where it writes. @throws TypeError for one that cannot serve. */
export function checkSurroundings(
  factory: string,
  { clock, random, logger }: { readonly clock?: unknown; readonly random?: unknown; readonly logger?: unknown },
): void {
  checkMethods(clock, ['now', 'wallTime', 'schedule'], `${factory} clock`, 'Give a Clock, with now(), wallTime() and schedule(), or leave it out');
  checkMethods(
    logger,
    ['debug', 'info', 'warn', 'error'],
    `${factory} logger`,
    'Give a Logger, with debug(), info(), warn() and error(), such as jsonLogger()',
  );
  if (random !== undefined && typeof random !== 'function') {
    throw new TypeError(`${factory} random: ${shown(random)} is no function. Give one that returns numbers from 0 to below 1, such as Math.random.`);
  }
}
