import type { Call } from '../call/call.js';
import type { Reply } from '../call/reply.js';
import { checkList } from '../options/check.js';
import { shown } from '../options/shown.js';

/** Maps between errors and replies. Either direction may be left out; undefined means "not mine", and the next mapper is asked. */
export interface ErrorMapper {
  /** On the way out of a server. problem+json is asked last and takes everything. */
  toReply?(error: unknown, call: Call): Reply | undefined;
  /** On the way into a client: the reply is no success, its body is read (at most 64 KB) and parsed. */
  toError?(reply: Reply, call: Call): Error | undefined;
}

/** @throws TypeError when it is no list of mappers. */
export function checkMappers(mappers: unknown, option: string): void {
  checkList(mappers, option, 'error mappers');
  for (const mapper of (mappers as readonly unknown[] | undefined) ?? []) {
    const { toReply, toError } = ((typeof mapper === 'object' ? mapper : undefined) ?? {}) as Record<keyof ErrorMapper, unknown>;
    const known = [toReply, toError].filter((one) => one !== undefined);
    if (known.length === 0 || known.some((one) => typeof one !== 'function'))
      throw new TypeError(`${option}: ${shown(mapper)} is no error mapper. Give { toReply: (error, call) => new Reply(…) or undefined }.`);
  }
}
