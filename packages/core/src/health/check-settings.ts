import { checkFlag, checkFunction, checkList, checkOptions, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { toMs } from '../time/duration.js';
import type { Check } from './check.js';

export interface RunnerSettings {
  readonly critical: boolean;
  readonly timeoutMs: number;
  readonly cacheMs: number;
  readonly failuresToFail: number;
  readonly successesToPass: number;
  /** undefined: when it is asked. */
  readonly intervalMs: number | undefined;
  readonly initialDelayMs: number;
  readonly groups: ReadonlySet<string>;
}

/** What a check may be told, beside what it does. */
export type CheckOptions = Partial<Omit<Check, 'run' | 'onChange'>>;

/** The names of those options, to be spread into `namesOf`. */
export const CHECK_OPTIONS: Readonly<Record<keyof CheckOptions, true>> = {
  name: true,
  critical: true,
  timeout: true,
  cacheFor: true,
  failuresToFail: true,
  successesToPass: true,
  interval: true,
  initialDelay: true,
  groups: true,
};
/** What an object that is a check by more than its options may have as well; a class may have anything. */
const KNOWN = namesOf<Check>({ ...CHECK_OPTIONS, run: true, onChange: true });
/** As it stands in a path. */
const GROUP = /^[A-Za-z0-9_-]{1,64}$/;
/** In the background a check in a hot loop would be an attack on what it asks. */
const SHORTEST_INTERVAL_MS = 10;

/** @throws TypeError for a check without name or run, an unknown option of one that is a plain object, and a bad value. */
export function runnerSettings(check: Check): RunnerSettings {
  if (typeof check !== 'object' || check === null || typeof check.run !== 'function') {
    throw new TypeError(`checks: ${shown(check)} is no check. Give { name: 'db', run: ({ signal }) => pool.query('select 1', { signal }) }.`);
  }
  const { name } = check;
  if (typeof name !== 'string' || name === '') throw new TypeError(`check name: ${shown(name)} is no name. Give a short text such as 'db'.`);
  if (Object.getPrototypeOf(check) === Object.prototype) checkOptions(`check ${name}`, check, KNOWN);
  checkFlag(check.critical, `critical of check ${name}`);
  checkFunction(check.onChange, `onChange of check ${name}`);
  checkList(check.groups, `groups of check ${name}`, "names, such as ['ready']");
  const { groups = ['ready'] } = check;
  for (const group of groups) {
    if (typeof group !== 'string' || !GROUP.test(group))
      throw new TypeError(`groups of check ${name}: ${shown(group)} is no name of a group. Give letters, digits, - and _, at most 64.`);
  }
  const timeoutMs = toMs(check.timeout ?? 800, `timeout of check ${name}`);
  const intervalMs = check.interval === undefined ? undefined : toMs(check.interval, `interval of check ${name}`);
  if (intervalMs !== undefined && intervalMs < SHORTEST_INTERVAL_MS)
    throw new TypeError(`interval of check ${name}: ${shown(check.interval)} is too short. Give at least ${SHORTEST_INTERVAL_MS} ms.`);
  return {
    critical: check.critical ?? true,
    timeoutMs,
    cacheMs: toMs(check.cacheFor ?? 1_000, `cacheFor of check ${name}`),
    failuresToFail: count(check.failuresToFail ?? 1, `failuresToFail of check ${name}`),
    successesToPass: count(check.successesToPass ?? 1, `successesToPass of check ${name}`),
    intervalMs,
    initialDelayMs: toMs(check.initialDelay ?? 0, `initialDelay of check ${name}`),
    groups: new Set(groups),
  };
}

function count(value: number, option: string): number {
  if (!Number.isInteger(value) || value < 1) throw new TypeError(`${option}: ${shown(value)} is no count. Give an integer from 1.`);
  return value;
}
