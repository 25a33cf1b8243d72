import { randomUUID } from 'node:crypto';

const FIRST = 0x10_00_00;
const LAST = 0xff_ff_ff;

/**
 * Makes ids of requests: UUIDs of version 4 of which sixteen million in a row share all but the last six digits, and then the next
 * sixteen million other ones. They name requests in logs and problems and are no secret: the next can be told from the last.
 * `randomUUID()` for each costs 280 ns more with its way into a header, over 1 % of a request on Koa.
 */
export function requestIds(): () => string {
  let shared = '';
  let count = LAST;
  return () => {
    if (++count > LAST) {
      shared = randomUUID().slice(0, -6);
      count = FIRST;
    }
    return shared + count.toString(16);
  };
}
