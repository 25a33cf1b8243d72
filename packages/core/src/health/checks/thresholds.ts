import { checkOptions, namesOf } from '../../options/check.js';
import { shown } from '../../options/shown.js';
import type { CheckResult } from './made-check.js';

/** From which value on something measured is a warning or a failure; `false` for never. */
export interface Thresholds {
  readonly warnAt?: number | false;
  readonly failAt?: number | false;
}

/** Infinity for never. */
export interface Limits {
  readonly warnAt: number;
  readonly failAt: number;
}

export const THRESHOLD_NAMES: readonly string[] = namesOf<Thresholds>({ warnAt: true, failAt: true });

/** @throws TypeError for a number below 0 or above `most`, and when a warning would come after the failure. */
export function limitsOf(option: string, { warnAt, failAt }: Thresholds, defaults: Required<Thresholds>, most: number, unit: string): Limits {
  const limits = { warnAt: limit(warnAt ?? defaults.warnAt, `${option}warnAt`), failAt: limit(failAt ?? defaults.failAt, `${option}failAt`) };
  // A default gives way to what was given.
  if (limits.warnAt <= limits.failAt || limits.warnAt === Infinity) return limits;
  if (warnAt === undefined) return { ...limits, warnAt: limits.failAt };
  if (failAt === undefined) return { ...limits, failAt: limits.warnAt };
  throw new TypeError(`${option}warnAt: ${shown(warnAt)} would never warn, for ${shown(failAt)} fails already. Give less than failAt, or false.`);

  function limit(value: number | false, name: string): number {
    if (value === false) return Infinity;
    if (typeof value === 'number' && value >= 0 && value <= most) return value;
    throw new TypeError(`${name}: ${shown(value)} does not fit. Give ${unit}, or false for never.`);
  }
}

/** As `limitsOf`, of thresholds that stand in an option of their own, where `false` leaves the whole measurement out. @throws TypeError */
export function limitsOrNone(
  option: string,
  given: Thresholds | false | undefined,
  defaults: Required<Thresholds>,
  most: number,
  unit: string,
  more: readonly string[] = [],
): Limits | undefined {
  if (given === false) return undefined;
  if (given !== undefined) checkOptions(option, given, [...THRESHOLD_NAMES, ...more]);
  return limitsOf(`${option}.`, given ?? {}, defaults, most, unit);
}

/** @throws TypeError when nothing of these can ever say anything but pass. */
export function checkSays(factory: string, limits: readonly (Limits | undefined)[]): void {
  if (limits.some((one) => one !== undefined && Math.min(one.warnAt, one.failAt) < Infinity)) return;
  throw new TypeError(`${factory}: every threshold is false, so it would always pass. Give one, or leave the check out.`);
}

export interface Measured {
  readonly value: number;
  readonly limits: Limits;
  /** Said when it is too much. */
  readonly says: (value: number) => string;
}

/** The worst of what was measured, with what is said of each that is too much. */
export function judged(measured: readonly (Measured | undefined)[]): CheckResult {
  const said = measured.filter((one) => one !== undefined).filter(({ value, limits }) => value >= Math.min(limits.warnAt, limits.failAt));
  if (said.length === 0) return { status: 'pass' };
  const status = said.some(({ value, limits }) => value >= limits.failAt) ? 'fail' : 'warn';
  return { status, output: said.map(({ value, says }) => says(value)).join('; ') };
}

/** A ratio as people read it: at most one digit behind the point. */
export function percent(ratio: number): string {
  return `${Math.round(ratio * 1000) / 10} %`;
}

/** Bytes as people read them, in powers of 1024. */
export function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${Math.round(value * 10) / 10} ${units[unit]}`;
}
