import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';

/** @throws TypeError when `options` is no object or has a member that the factory does not know: a misspelt limit would be no limit. */
export function checkOptions(factory: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`${factory}: ${String(options)} is no options object. It takes { ${known.join(', ')} }.`);
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new TypeError(`${factory}: there is no option ${JSON.stringify(name)}. It takes ${known.join(', ')}.`);
  }
}

/** Milliseconds above 0. @throws TypeError */
export function positiveMs(duration: Duration, option: string): number {
  const ms = toMs(duration, option);
  if (ms === 0) throw new TypeError(`${option}: 0 is no time at all. Give a duration above 0, or leave the wrapper out.`);
  return ms;
}

/** A whole number from `least`. @throws TypeError */
export function wholeNumber(value: number, option: string, least: number): number {
  if (!Number.isSafeInteger(value) || value < least)
    throw new TypeError(`${option}: ${String(value)} is no count. Give a whole number from ${least}.`);
  return value;
}

/** A finite number from 0. @throws TypeError */
export function amount(value: number, option: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
    throw new TypeError(`${option}: ${String(value)} is no amount. Give a number from 0.`);
  return value;
}

/** A share above 0, at most 1. @throws TypeError */
export function share(value: number, option: string): number {
  if (typeof value !== 'number' || !(value > 0 && value <= 1)) {
    throw new TypeError(`${option}: ${String(value)} is no share. Give a number above 0, at most 1, such as 0.5 for half of the calls.`);
  }
  return value;
}

/** A function, or nothing. @throws TypeError */
export function checkFunction(value: unknown, option: string): void {
  if (value !== undefined && typeof value !== 'function') throw new TypeError(`${option}: ${String(value)} is no function.`);
}

/** Tells a listener. It must not throw: what it throws is dropped, because a listener never decides how a call goes. */
export function notify<E>(listener: ((event: E) => void) | undefined, event: E): void {
  try {
    listener?.(event);
  } catch {
    // See above.
  }
}
