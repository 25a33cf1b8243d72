import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import { shown } from '../options/shown.js';

export { checkFunction, checkOptions } from '../options/check.js';

/** Milliseconds above 0. @throws TypeError */
export function positiveMs(duration: Duration, option: string): number {
  const ms = toMs(duration, option);
  if (ms === 0) throw new TypeError(`${option}: 0 is no time at all. Give a duration above 0, or leave the wrapper out.`);
  return ms;
}

/** A text that is not empty, or nothing. @throws TypeError */
export function checkWord(value: unknown, option: string, example: string): void {
  if (value !== undefined && (typeof value !== 'string' || value === ''))
    throw new TypeError(`${option}: ${shown(value)} is no name. Give a text that is not empty, such as '${example}', or leave it out.`);
}

/** A whole number from `least`. @throws TypeError */
export function wholeNumber(value: number, option: string, least: number): number {
  if (!Number.isSafeInteger(value) || value < least)
    throw new TypeError(`${option}: ${shown(value)} is no count. Give a whole number from ${least}.`);
  return value;
}

/** A finite number from 0. @throws TypeError */
export function amount(value: number, option: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
    throw new TypeError(`${option}: ${shown(value)} is no amount. Give a number from 0.`);
  return value;
}

/** A share above 0, at most 1. @throws TypeError */
export function share(value: number, option: string): number {
  if (typeof value !== 'number' || !(value > 0 && value <= 1)) {
    throw new TypeError(`${option}: ${shown(value)} is no share. Give a number above 0, at most 1, such as 0.5 for half of the calls.`);
  }
  return value;
}

/** Tells a listener. It must not throw: what it throws is dropped, because a listener never decides how a call goes. */
export function notify<E>(listener: ((event: E) => void) | undefined, event: E): void {
  try {
    listener?.(event);
  } catch {
    // See above.
  }
}
