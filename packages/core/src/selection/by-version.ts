import type { Instance } from '../registry/registry.js';
import { shown } from '../options/shown.js';
import type { Filter } from './filter.js';
import { parseRange, parseVersion } from './version-range.js';
import { wishFilter } from './wanted.js';
import type { Wanted } from './wanted.js';

/** What only a range can mean: a text that holds it and is none was misspelt. */
const RANGE_SIGNS = /[\^~<>=|*\s]/;

/**
 * Keeps the instances of a version: `byVersion('^1.2 || 2.x')` for a range as npm has it, `byVersion('blue')` for exactly that text, and
 * `byVersion({ header: 'x-version' })` for what each call asks for; a call that asks for none reaches all.
 *
 * A version that is written as asked for always fits. A range is compared by semver.org's rules: a leading `v` does not count, `2` and `1.4` are
 * 2.0.0 and 1.4.0, and a prerelease fits only a range that names one of the same three numbers (`2.0.0-rc.1` does not lie in `>=1`). What is no version,
 * such as `blue` or `2024-11-05`, lies in no range but `*`, nor does an instance without a version. A wish of a call that is neither is a text that
 * nothing equals.
 * @throws TypeError when the text is empty, or meant as a range and none.
 */
export function byVersion(wanted: string | Wanted): Filter {
  if (typeof wanted !== 'string') return wishFilter(wanted, 'byVersion', versionTest);
  return { keep: checkedVersionTest(wanted, 'byVersion') };
}

/** @throws TypeError naming what was given when it is no text, or meant as a range and none. */
export function checkedVersionTest(text: unknown, where: string): (instance: Instance) => boolean {
  if (typeof text !== 'string' || text.trim() === '')
    throw new TypeError(`${where}: ${shown(text)} is no version. Give a range such as '^1.2 || 2.x', or a version's text such as 'blue'.`);
  if (parseRange(text) === undefined && RANGE_SIGNS.test(text.trim()))
    throw new TypeError(
      `${where}: ${shown(text)} is no range of versions. Give one as npm has it, such as '^1.2 || 2.x', '>=1.4 <2' or '1.2 - 1.6'.`,
    );
  return versionTest(text.trim());
}

function versionTest(wanted: string): (instance: Instance) => boolean {
  const range = parseRange(wanted);
  if (wanted === '*') return () => true;
  return ({ version }) => {
    if (version === wanted) return true;
    const parsed = range === undefined || version === undefined ? undefined : parseVersion(version);
    return parsed !== undefined && range!(parsed);
  };
}
