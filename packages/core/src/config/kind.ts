import { isHeaderName } from '../options/header-name.js';
import { nearest } from '../options/nearest.js';
import { toMs } from '../time/duration.js';
import { EnvironmentText, plainValue } from './environment-text.js';
import { isSecretPath } from './findings.js';
import type { Findings, Path } from './findings.js';

/** What may stand in one place of a configuration. */
export interface Kind {
  /** After "Give": `a duration, such as '2s'`. */
  readonly expects: string;
  /** The value as the parts take it; undefined when it does not fit, which is told. Never called with undefined or null. */
  read(value: unknown, path: Path, findings: Findings): unknown;
  /** Of an object with certain members. */
  readonly members?: Readonly<Record<string, Kind>>;
  /** Of an object whose keys are names. */
  readonly each?: Kind;
  /** Of an object that only somebody else knows; its texts in the environment mean what they look like. */
  readonly isOpen?: boolean;
}

export type Tree = Readonly<Record<string, unknown>>;

/** A plain object, of which JSON and YAML are made; a Map and its like would count as empty. */
export function isTree(value: unknown): value is Tree {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function scalar(expects: string, fits: (value: unknown) => boolean, fromText: (text: string) => unknown): Kind {
  return {
    expects,
    read(value, path, findings) {
      const given = value instanceof EnvironmentText ? fromText(value.text) : value;
      if (typeof given === 'string' && isSecretPath(path)) findings.hide(given);
      if (fits(given)) return given;
      findings.add(path, { value, what: 'does not fit', expected: `Give ${expects}` });
      return undefined;
    },
  };
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';
const sameText = (text: string): unknown => text;

export const text: Kind = scalar('text, in quotes where it could be read as a number', isText, sameText);
export const flag: Kind = scalar(
  'true or false',
  (value) => typeof value === 'boolean',
  (given) => ({ true: true, false: false, '1': true, '0': false })[given.toLowerCase()] ?? given,
);
export const duration: Kind = scalar("milliseconds as a number, or text with a unit such as '500ms', '2s' or '1m30s'", isDuration, numberOrText);

function isDuration(value: unknown): boolean {
  try {
    return toMs(value as string, '') >= 0;
  } catch {
    return false;
  }
}

function numberOrText(given: string): unknown {
  return /^\d+$/.test(given) ? Number(given) : given;
}

/** Text of a form; `expects` tells it. */
export function textLike(expects: string, form: RegExp): Kind {
  return scalar(expects, (value) => typeof value === 'string' && form.test(value), sameText);
}

export const headerName: Kind = scalar('the name of a header', isHeaderName, sameText);

export function whole(least: number, most: number = Number.MAX_SAFE_INTEGER): Kind {
  const bounds = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  return scalar(
    `a whole number ${bounds}`,
    (value) => Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
    plainValue,
  );
}

export function number(least: number, most: number = Infinity): Kind {
  const bounds = most === Infinity ? `from ${least}` : `from ${least} to ${most}`;
  return scalar(`a number ${bounds}`, (value) => typeof value === 'number' && Number.isFinite(value) && value >= least && value <= most, plainValue);
}

/** Such a number, or false for none. */
export function wholeOrFalse(least: number): Kind {
  return scalar(
    `a whole number from ${least}, or false`,
    (value) => value === false || (Number.isSafeInteger(value) && (value as number) >= least),
    plainValue,
  );
}

/** A number from `least`, or false for none. */
export function numberOrFalse(least: number): Kind {
  return scalar(
    `a number from ${least}, or false`,
    (value) => value === false || (typeof value === 'number' && Number.isFinite(value) && value >= least),
    plainValue,
  );
}

/** One of these. */
export function oneOf(values: readonly (string | number | boolean)[]): Kind {
  const names = values.map(String);
  const known: readonly unknown[] = values;
  const kind: Kind = scalar(
    `one of ${names.join(', ')}`,
    (value) => known.includes(value),
    (given) => known.find((one) => String(one) === given) ?? given,
  );
  return {
    ...kind,
    read(value, path, findings) {
      const given = value instanceof EnvironmentText ? value.text : value;
      const likely = typeof given === 'string' && !names.includes(given) ? nearest(given, names) : [];
      if (likely.length === 0) return kind.read(value, path, findings);
      findings.add(path, { value, what: 'is unknown', expected: `Give ${kind.expects}`, nearest: likely });
      return undefined;
    },
  };
}

/** Only these values, as `false`, which is told by `expects`. */
export function only(value: boolean): Kind {
  return scalar(
    String(value),
    (given) => given === value,
    (given) => (given === String(value) ? value : given),
  );
}

export const durationOrFalse: Kind = scalar(
  `${duration.expects}; or false`,
  (value) => value === false || isDuration(value),
  (given) => (given === 'false' ? false : numberOrText(given)),
);

/** What chance does to a wait. */
export const jitter: Kind = scalar(
  'none, full, equal, or a share from 0 to 1 such as 0.2 for ± 20 %',
  (value) => ['none', 'full', 'equal'].includes(value as string) || (typeof value === 'number' && value >= 0 && value <= 1),
  plainValue,
);
