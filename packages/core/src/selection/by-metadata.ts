import { checkFunction, checkOptions, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { Filter } from './filter.js';
import { wishFilter } from './wanted.js';
import type { Wanted } from './wanted.js';

/** One key of the metadata, and exactly one of the others: what it has to be. */
export interface MetadataWanted {
  readonly key: string;
  readonly value?: string;
  /** Any of these. */
  readonly values?: readonly string[];
  /** Hears the value, undefined when there is none. Must depend on that alone: it is asked when membership changes. */
  readonly predicate?: (value: string | undefined) => boolean;
  /** What each call asks for; a call that asks for nothing reaches all. */
  readonly from?: Wanted;
}

const OPTIONS = namesOf<MetadataWanted>({ key: true, value: true, values: true, predicate: true, from: true });
const WAYS = ['value', 'values', 'predicate', 'from'] as const;

/**
 * Keeps the instances whose metadata says something: `byMetadata({ key: 'tier', value: 'gold' })`, or what each call asks for,
 * `byMetadata({ key: 'tenant', from: { header: 'x-tenant' } })`.
 * @throws TypeError when the key is missing, or not exactly one way is given.
 */
export function byMetadata(wanted: MetadataWanted): Filter {
  checkOptions('byMetadata', wanted, OPTIONS);
  const { key, value, values, predicate, from } = wanted;
  if (typeof key !== 'string' || key === '') throw new TypeError(`byMetadata key: ${shown(key)} is no key. Give one, such as 'tier'.`);
  const ways = WAYS.filter((way) => wanted[way] !== undefined);
  if (ways.length !== 1)
    throw new TypeError(
      `byMetadata: ${ways.length === 0 ? 'nothing says' : `${ways.join(' and ')} say`} what ${shown(key)} has to be. Give one of ${WAYS.join(', ')}.`,
    );
  checkFunction(predicate, 'byMetadata predicate');
  if (from !== undefined) return wishFilter(from, 'byMetadata from', (wish) => (instance) => instance.metadata?.[key] === wish);
  if (predicate !== undefined) return { keep: (instance) => predicate(instance.metadata?.[key]) };
  return { keep: metadataTest({ [key]: values ?? value! }, 'byMetadata') };
}

/** That each key has its value, or one of its values. @throws TypeError naming what does not fit. */
export function metadataTest(wanted: unknown, where: string): Filter['keep'] {
  if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted) || Object.keys(wanted).length === 0)
    throw new TypeError(`${where}: ${shown(wanted)} names no metadata. Give an object such as { tier: 'gold' } or { tier: ['gold', 'silver'] }.`);
  const tests = Object.entries(wanted as Readonly<Record<string, unknown>>).map(([key, value]) => {
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (values.length === 0 || values.some((one) => typeof one !== 'string'))
      throw new TypeError(`${where}.${key}: ${shown(value)} is no value. Metadata is text: give one, or a list of them.`);
    return { key, values: values as readonly string[] };
  });
  return ({ metadata }) =>
    tests.every(({ key, values }) => metadata !== undefined && Object.hasOwn(metadata, key) && values.includes(metadata[key]!));
}
