/**
 * A version as semver.org defines it: `1.2.3`, `1.2.3-rc.1`, `v1.2.3+build`. What stands behind a plus does not count.
 * Parts that are left out are zero here, since instances announce `2` or `1.4` as well.
 */
export interface Version {
  readonly numbers: readonly [number, number, number];
  /** Empty for a release. */
  readonly prerelease: readonly (string | number)[];
}

/** Decides whether a version lies in a range. */
export type VersionRange = (version: Version) => boolean;

interface Bound {
  readonly op: '<' | '<=' | '>' | '>=' | '=';
  readonly version: Version;
}

/** A version of which parts may be missing or stand for any. */
interface Partial {
  readonly major: number | undefined;
  readonly minor: number | undefined;
  readonly patch: number | undefined;
  readonly prerelease: readonly (string | number)[];
}

const LONGEST = 256;
const NUMBER = String.raw`(0|[1-9]\d*)`;
const PRERELEASE = String.raw`(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?`;
const BUILD = String.raw`(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?`;
const VERSION = new RegExp(String.raw`^v?${NUMBER}(?:\.${NUMBER}(?:\.${NUMBER}${PRERELEASE}${BUILD})?)?$`);
const ANY_OR_NUMBER = String.raw`(0|[1-9]\d*|[xX*])`;
const PARTIAL = new RegExp(String.raw`^v?${ANY_OR_NUMBER}(?:\.${ANY_OR_NUMBER}(?:\.${ANY_OR_NUMBER}${PRERELEASE}${BUILD})?)?$`);
const OPERATOR = /^(?:>=|<=|~>|[<>=~^])/;
/** The least version of all that has these numbers: its upper bound leaves out their prereleases too. */
const LEAST: readonly (string | number)[] = [0];

/** undefined when the text is no version. */
export function parseVersion(text: string): Version | undefined {
  const match = text.length > LONGEST ? null : VERSION.exec(text);
  if (match === null) return undefined;
  const prerelease = identifiersOf(match[4]);
  const numbers = [Number(match[1]), Number(match[2] ?? 0), Number(match[3] ?? 0)] as const;
  return prerelease === undefined || !numbers.every(Number.isSafeInteger) ? undefined : { numbers: [...numbers], prerelease };
}

/**
 * The ranges that npm has: `^1.2`, `~1.2.3`, `1.x`, `>=1.2 <2`, `1.2 - 2.3`, `^1.2 || 2.x`; `*` and the empty text for all. A prerelease lies in a
 * range only where the range names a prerelease of the same three numbers. undefined when the text is no range. Time is linear in its length, which
 * may come from a header, and 256 characters are read at most.
 *
 * Our own, tested against npm's `semver` on random ranges and versions: that package takes 5 ms to load, of the 110 in which a service starts, and its
 * patterns have had to be mended against hostile input (CVE-2022-25883).
 */
export function parseRange(text: string): VersionRange | undefined {
  if (text.length > LONGEST) return undefined;
  const alternatives: (readonly Bound[])[] = [];
  for (const alternative of text.split('||')) {
    const bounds = boundsOf(alternative.trim());
    if (bounds === undefined) return undefined;
    alternatives.push(bounds);
  }
  return (version) => alternatives.some((bounds) => liesWithin(version, bounds));
}

function liesWithin(version: Version, bounds: readonly Bound[]): boolean {
  if (!bounds.every((bound) => holds(bound, version))) return false;
  if (version.prerelease.length === 0) return true;
  return bounds.some(({ version: named }) => named.prerelease.length > 0 && compareNumbers(named, version) === 0);
}

function holds({ op, version: bound }: Bound, version: Version): boolean {
  const order = compare(version, bound);
  switch (op) {
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
    default:
      return order === 0;
  }
}

/** All of which have to hold. */
function boundsOf(text: string): readonly Bound[] | undefined {
  const words = text === '' ? [] : text.split(/\s+/);
  if (words.length === 3 && words[1] === '-') {
    const from = parsePartial(words[0]!);
    const to = parsePartial(words[2]!);
    return from === undefined || to === undefined ? undefined : [...atLeast(from), ...atMost(to)];
  }
  const bounds: Bound[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    const op = OPERATOR.exec(word)?.[0] ?? '';
    let rest = word.slice(op.length);
    if (op !== '' && rest === '') rest = words[++index] ?? ''; // `>= 1.2`
    const partial = parsePartial(rest);
    if (partial === undefined) return undefined;
    bounds.push(...within(op, partial));
  }
  return bounds;
}

function within(op: string, partial: Partial): readonly Bound[] {
  const { major, minor, patch, prerelease } = partial;
  switch (op) {
    case '^':
      return [...atLeast(partial), ...below(caretEnd(partial))];
    case '~':
    case '~>':
      return [...atLeast(partial), ...below(minor === undefined ? next(partial, 0) : next(partial, 1))];
    case '>=':
      return atLeast(partial);
    case '<=':
      return atMost(partial);
    case '>':
      if (patch !== undefined) return [{ op: '>', version: versionOf(partial) }];
      if (major === undefined) return NOTHING;
      return [{ op: '>=', version: next(partial, minor === undefined ? 0 : 1)! }];
    case '<':
      if (major === undefined) return NOTHING;
      return [{ op: '<', version: patch === undefined ? { ...versionOf(partial), prerelease: LEAST } : versionOf(partial) }];
    default:
      if (patch === undefined) return [...atLeast(partial), ...atMost(partial)];
      return [{ op: '=', version: { numbers: [major!, minor!, patch], prerelease } }];
  }
}

const NOTHING: readonly Bound[] = [{ op: '<', version: { numbers: [0, 0, 0], prerelease: LEAST } }];

function atLeast(partial: Partial): readonly Bound[] {
  return partial.major === undefined ? [] : [{ op: '>=', version: versionOf(partial) }];
}

function atMost(partial: Partial): readonly Bound[] {
  if (partial.patch !== undefined) return [{ op: '<=', version: versionOf(partial) }];
  return below(next(partial, partial.minor === undefined ? 0 : 1));
}

function below(version: Version | undefined): readonly Bound[] {
  return version === undefined ? [] : [{ op: '<', version: { ...version, prerelease: LEAST } }];
}

/** Where the leftmost number that is not zero moves; undefined for any version. */
function caretEnd(partial: Partial): Version | undefined {
  const { major, minor, patch } = partial;
  if (major !== 0 || minor === undefined) return next(partial, 0);
  return minor !== 0 || patch === undefined ? next(partial, 1) : next(partial, 2);
}

/** The first version past all that begin alike up to that number; undefined for any version. */
function next({ major, minor = 0, patch = 0 }: Partial, place: 0 | 1 | 2): Version | undefined {
  if (major === undefined) return undefined;
  const numbers: [number, number, number] = place === 0 ? [major + 1, 0, 0] : place === 1 ? [major, minor + 1, 0] : [major, minor, patch + 1];
  return { numbers, prerelease: [] };
}

function versionOf({ major = 0, minor = 0, patch = 0, prerelease }: Partial): Version {
  return { numbers: [major, minor, patch], prerelease };
}

function parsePartial(text: string): Partial | undefined {
  const match = PARTIAL.exec(text.startsWith('=') ? text.slice(1) : text);
  if (match === null) return undefined;
  const prerelease = identifiersOf(match[4]);
  if (prerelease === undefined) return undefined;
  // Behind one that stands for any, nothing counts.
  const major = numberOf(match[1]);
  const minor = major === undefined ? undefined : numberOf(match[2]);
  const patch = minor === undefined ? undefined : numberOf(match[3]);
  if ([major, minor, patch].some((number) => number !== undefined && !Number.isSafeInteger(number))) return undefined;
  if (patch === undefined && prerelease.length > 0) return undefined;
  return { major, minor, patch, prerelease };
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined || text === 'x' || text === 'X' || text === '*' ? undefined : Number(text);
}

/** undefined when one is malformed: a number has no leading zero. */
function identifiersOf(text: string | undefined): readonly (string | number)[] | undefined {
  if (text === undefined) return [];
  const parts = text.split('.');
  if (parts.some((part) => /^0\d+$/.test(part))) return undefined;
  return parts.map((part) => (/^\d+$/.test(part) && Number.isSafeInteger(Number(part)) ? Number(part) : part));
}

/** Precedence as semver.org has it (11): negative when `a` comes first. */
function compare(a: Version, b: Version): number {
  const byNumbers = compareNumbers(a, b);
  if (byNumbers !== 0) return byNumbers;
  if (a.prerelease.length === 0 || b.prerelease.length === 0) return (a.prerelease.length === 0 ? 1 : 0) - (b.prerelease.length === 0 ? 1 : 0);
  for (let index = 0; ; index++) {
    const left = a.prerelease[index];
    const right = b.prerelease[index];
    if (left === undefined || right === undefined) return (left === undefined ? 0 : 1) - (right === undefined ? 0 : 1);
    if (left === right) continue;
    if (typeof left === typeof right) return left < right ? -1 : 1;
    return typeof left === 'number' ? -1 : 1;
  }
}

function compareNumbers(a: Version, b: Version): number {
  for (let index = 0; index < 3; index++) {
    const difference = a.numbers[index]! - b.numbers[index]!;
    if (difference !== 0) return difference;
  }
  return 0;
}
