import { checkOptions, namesOf } from '../../options/check.js';
import { shown } from '../../options/shown.js';
import type { Check, CheckContext } from '../check.js';
import { TIMED_OPTIONS, timedCheck } from './made-check.js';
import type { TimedCheckOptions } from './made-check.js';

export type SqlCheckOptions = TimedCheckOptions;

const OPTIONS = namesOf<SqlCheckOptions>({ ...TIMED_OPTIONS });

/**
 * Asks a database through the driver of the application: `sqlCheck(() => pool.query('select 1'))`. It passes when `ping` returns or resolves,
 * whatever the rows, and fails when it throws or rejects: with the driver's code, such as `ECONNREFUSED` or `57P03`. A driver that does not heed the
 * signal is left behind at the timeout, and no second question is asked before it has answered. Its name is `database` by default.
 * @throws TypeError for what is no function, and an option that is unknown or does not fit.
 */
export function sqlCheck(ping: (context: CheckContext) => unknown, options: SqlCheckOptions = {}): Check {
  if (typeof ping !== 'function') throw new TypeError(`sqlCheck: ${shown(ping)} is no function. Give one such as () => pool.query('select 1').`);
  checkOptions('sqlCheck', options, OPTIONS);
  return timedCheck({
    factory: 'sqlCheck',
    known: OPTIONS,
    options,
    defaults: { name: 'database' },
    async run(context) {
      await ping(context);
      return { status: 'pass' };
    },
  });
}
