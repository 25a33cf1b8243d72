import { availableParallelism, loadavg } from 'node:os';
import { checkOptions, checkSurroundings, namesOf } from '../../options/check.js';
import { systemClock } from '../../time/clock.js';
import type { Clock } from '../../time/clock.js';
import { toMs } from '../../time/duration.js';
import type { Duration } from '../../time/duration.js';
import type { Check } from '../check.js';
import { CHECK_OPTIONS } from '../check-settings.js';
import { madeCheck } from './made-check.js';
import type { CheckOptions } from '../check-settings.js';
import { checkSays, judged, limitsOrNone, percent } from './thresholds.js';
import type { Thresholds } from './thresholds.js';

export interface CpuCheckOptions extends CheckOptions {
  /**
   * The share, 0 to 1, that this process uses of all processors that it may use, since the measurement before. Default: warn at 0.9, never fail.
   * For the one thread of JavaScript there is `eventLoopCheck`.
   */
  readonly process?: Thresholds | false;
  /** The load average of the host over a minute, for each processor. Windows tells none. Default: warn at 2, never fail. */
  readonly host?: Thresholds | false;
  /** A measurement is of at least so long; asked sooner, it says what it said before. Default 1 s. */
  readonly window?: Duration;
  readonly clock?: Clock;
}

const OPTIONS = namesOf<CpuCheckOptions>({ ...CHECK_OPTIONS, process: true, host: true, window: true, clock: true });

/**
 * Whether there is processor time left. It only warns by default: a loaded instance that is taken out gives its load to the others, and they
 * follow. Its name is `cpu` by default.
 * @throws TypeError for an option that is unknown or does not fit.
 */
export function cpuCheck(options: CpuCheckOptions = {}): Check {
  checkOptions('cpuCheck', options, OPTIONS);
  checkSurroundings('cpuCheck', options);
  const { clock = systemClock } = options;
  const own = limitsOrNone('cpuCheck process', options.process, { warnAt: 0.9, failAt: false }, 1, 'a share from 0 to 1, such as 0.9');
  const host = limitsOrNone('cpuCheck host', options.host, { warnAt: 2, failAt: false }, Infinity, 'a load from 0, such as 2');
  checkSays('cpuCheck', [own, host]);
  const windowMs = toMs(options.window ?? 1_000, 'cpuCheck window');
  const processors = availableParallelism();
  let since = clock.now();
  let usedBefore = process.cpuUsage();
  let share = 0;
  return madeCheck({
    factory: 'cpuCheck',
    known: OPTIONS,
    options,
    defaults: { name: 'cpu' },
    run() {
      const now = clock.now();
      if (now > since && now - since >= windowMs) {
        const used = process.cpuUsage();
        share = (used.user + used.system - usedBefore.user - usedBefore.system) / 1_000 / (now - since) / processors;
        since = now;
        usedBefore = used;
      }
      return judged([
        own && { value: share, limits: own, says: (value) => `process at ${percent(value)} of ${processors} processors` },
        host && { value: loadavg()[0]! / processors, limits: host, says: (value) => `load ${Math.round(value * 100) / 100} a processor` },
      ]);
    },
  });
}
