import { checkOptions, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { Instance } from '../registry/registry.js';
import type { Filter } from './filter.js';
import { wishFilter } from './wanted.js';
import type { Wanted } from './wanted.js';

export interface TagsWanted {
  /** It has each of these. */
  readonly all?: readonly string[];
  /** It has at least one of these. */
  readonly any?: readonly string[];
  /** It has none of these. */
  readonly none?: readonly string[];
}

const OPTIONS = namesOf<TagsWanted>({ all: true, any: true, none: true });

/**
 * Keeps the instances with certain tags: `byTags(['gpu'])`, `byTags({ any: ['eu', 'us'], none: ['drain'] })`, or what each call asks for,
 * `byTags({ header: 'x-tags' })`, all of them when it names several with commas between; a call that asks for none reaches all.
 * @throws TypeError for a list that is none or is empty.
 */
export function byTags(wanted: readonly string[] | TagsWanted | Wanted): Filter {
  if (Array.isArray(wanted) || OPTIONS.some((name) => name in wanted)) return { keep: tagsTest(wanted, 'byTags') };
  return wishFilter(wanted as Wanted, 'byTags', (wish) => {
    const tags = wish
      .split(',')
      .map((tag) => tag.trim())
      .filter((tag) => tag !== '');
    return (instance) => tags.every((tag) => instance.tags?.includes(tag) === true);
  });
}

/** @throws TypeError naming what does not fit. */
export function tagsTest(wanted: unknown, where: string): (instance: Instance) => boolean {
  const given: TagsWanted = Array.isArray(wanted) ? { all: wanted as readonly string[] } : (wanted as TagsWanted);
  checkOptions(where, given, OPTIONS);
  for (const name of OPTIONS) {
    const tags: unknown = given[name as keyof TagsWanted];
    if (tags === undefined) continue;
    if (!Array.isArray(tags) || tags.length === 0 || tags.some((tag) => typeof tag !== 'string' || tag === ''))
      throw new TypeError(`${where} ${name}: ${shown(tags)} is no list of tags. Give texts, such as ['gpu'], or leave it out.`);
  }
  const { all = [], any, none = [] } = given;
  return ({ tags = [] }) =>
    all.every((tag) => tags.includes(tag)) && (any === undefined || any.some((tag) => tags.includes(tag))) && !none.some((tag) => tags.includes(tag));
}
