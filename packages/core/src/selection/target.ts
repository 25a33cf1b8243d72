import { randomUUID } from 'node:crypto';
import { checkOptions, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { Instance } from '../registry/registry.js';
import { metadataTest } from './by-metadata.js';
import { tagsTest } from './by-tags.js';
import type { TagsWanted } from './by-tags.js';
import { checkedVersionTest } from './by-version.js';
import type { Target } from './router.js';

/** Which instances a rule sends its calls to: those that fit all that is named, all of them for `{}`. */
export interface TargetOptions {
  /** As `byVersion`: a range such as `^1.2 || 2.x`, or a version's text. */
  readonly version?: string;
  /** As `byTags`. */
  readonly tags?: readonly string[] | TagsWanted;
  /** Each key has its value, or one of its values. */
  readonly metadata?: Readonly<Record<string, string | readonly string[]>>;
  /** In this zone, or one of these: no preference, nobody else is called. */
  readonly zone?: string | readonly string[];
}

const OPTIONS = namesOf<TargetOptions>({ version: true, tags: true, metadata: true, zone: true });

/**
 * Compiled once. A function, from code alone, decides by itself; what it answers must depend on the instance alone.
 * @throws TypeError naming what does not fit.
 */
export function targetOf(options: TargetOptions | ((instance: Instance) => boolean), where: string): Target {
  if (typeof options === 'function') {
    // Nothing tells whether two functions mean the same.
    const key = `${options.name === '' ? 'a function' : options.name} ${randomUUID()}`;
    return { key, keep: options };
  }
  checkOptions(where, options, OPTIONS);
  const { version, tags, metadata, zone } = options;
  const tests: ((instance: Instance) => boolean)[] = [];
  if (version !== undefined) tests.push(checkedVersionTest(version, `${where}.version`));
  if (tags !== undefined) tests.push(tagsTest(tags, `${where}.tags`));
  if (metadata !== undefined) {
    const fits = metadataTest(metadata, `${where}.metadata`);
    tests.push((instance) => fits(instance, ''));
  }
  if (zone !== undefined) tests.push(zoneTest(zone, `${where}.zone`));
  return { key: JSON.stringify(sorted(options)), keep: (instance) => tests.every((fits) => fits(instance)) };
}

function zoneTest(zone: unknown, where: string): (instance: Instance) => boolean {
  const zones: readonly unknown[] = Array.isArray(zone) ? zone : [zone];
  if (zones.length === 0 || zones.some((one) => typeof one !== 'string' || one === ''))
    throw new TypeError(`${where}: ${shown(zone)} is no zone. Give its name, or a list of names.`);
  return (instance) => zones.includes(instance.zone);
}

/** Two targets that say the same have the same text, in whatever order they were written. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const members = Object.entries(value as Readonly<Record<string, unknown>>).filter(([, member]) => member !== undefined);
  members.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]));
}
