import type { Instance } from '@ferrule/core';

/** An instance without the marks of how it was made (null prototypes, frozen arrays), and with every default written out: to be compared. */
export function described(one: Instance | undefined): object | undefined {
  if (one === undefined) return undefined;
  const { scheme = 'http', weight = 1, priority = 0, status = 'pass', tags = [], metadata = {}, ...rest } = one;
  return JSON.parse(JSON.stringify({ ...rest, scheme, weight, priority, status, tags, metadata })) as object;
}
