import type { Call } from '../call/call.js';
import type { CallField } from '../call/call-field.js';
import { textReader } from '../call/call-field.js';
import type { Filter } from './filter.js';

/** What a filter is to look for when the call says it: where it is found, or a function. */
export type Wanted = CallField | ((call: Call) => string | undefined);

/** A wish is a key of a cached view: more of one than this is not read. */
const LONGEST_WISH = 200;

/**
 * A filter for what each call wishes. `compile` makes a test of a wish; it runs once for a run of instances that are asked for with the same one.
 * A call that wishes nothing reaches all instances.
 */
export function wishFilter(wanted: Wanted, where: string, compile: (wish: string) => Filter['keep']): Filter {
  const read = textReader(wanted, where);
  let wish: string | undefined;
  let keep: Filter['keep'] = () => true;
  return {
    key: (call) => read(call)?.trim().slice(0, LONGEST_WISH) ?? '',
    keep(instance, key) {
      if (key === '') return true;
      if (key !== wish) {
        keep = compile(key);
        wish = key;
      }
      return keep(instance, key);
    },
  };
}
