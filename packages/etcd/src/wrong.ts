import { shown } from '@ferrule/core/adapter';

/** What an option of `etcdRegistry` that does not fit throws. */
export function wrong(option: string, value: unknown, remedy: string): TypeError {
  return new TypeError(`etcdRegistry ${option}: ${shown(value)} does not fit. ${remedy}.`);
}
