import { checkList, checkOptions, namesOf } from '../../options/check.js';
import type { Check } from '../check.js';
import { CHECK_OPTIONS } from '../check-settings.js';
import { checkText, madeCheck } from './made-check.js';
import type { CheckOptions } from '../check-settings.js';
import { checkSays, judged, limitsOf } from './thresholds.js';
import type { Thresholds } from './thresholds.js';

/** Thresholds are numbers of open resources. Defaults: warn at 10,000, never fail. */
export interface OpenHandlesCheckOptions extends CheckOptions, Thresholds {
  /** Those that count, in Node's words, such as `TCPSocketWrap`, `Timeout` or `FSReqCallback`. Default: all. */
  readonly types?: readonly string[];
}

const OPTIONS = namesOf<OpenHandlesCheckOptions>({ ...CHECK_OPTIONS, warnAt: true, failAt: true, types: true });
const MOST_TYPES_SAID = 4;

/**
 * How much is open that keeps the process alive (`process.getActiveResourcesInfo()`): sockets, servers, timers, requests under way. A number that
 * only grows is a leak. Counting takes a list of all of them, so do not ask for it many times a second. Its name is `open handles` by default.
 * @throws TypeError for an option that is unknown or does not fit.
 */
export function openHandlesCheck(options: OpenHandlesCheckOptions = {}): Check {
  checkOptions('openHandlesCheck', options, OPTIONS);
  const { types } = options;
  checkList(types, 'openHandlesCheck types', "names, such as ['TCPSocketWrap']");
  for (const type of types ?? []) checkText(type, 'openHandlesCheck types', "names, such as ['TCPSocketWrap']");
  const limits = limitsOf('openHandlesCheck ', options, { warnAt: 10_000, failAt: false }, Infinity, 'a number from 0, such as 10000');
  checkSays('openHandlesCheck', [limits]);
  return madeCheck({
    factory: 'openHandlesCheck',
    known: OPTIONS,
    options,
    defaults: { name: 'open handles' },
    run() {
      const counts = new Map<string, number>();
      let total = 0;
      for (const type of process.getActiveResourcesInfo()) {
        if (types !== undefined && !types.includes(type)) continue;
        total++;
        counts.set(type, (counts.get(type) ?? 0) + 1);
      }
      return judged([{ value: total, limits, says: (count) => `${count} open: ${most(counts)}` }]);
    },
  });
}

function most(counts: ReadonlyMap<string, number>): string {
  const sorted = [...counts].sort(([, one], [, other]) => other - one).slice(0, MOST_TYPES_SAID);
  return sorted.map(([type, count]) => `${count} ${type}`).join(', ');
}
