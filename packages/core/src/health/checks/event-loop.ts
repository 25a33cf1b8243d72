import { checkOptions, namesOf } from '../../options/check.js';
import type { Check } from '../check.js';
import { eventLoopFigures, holdEventLoopMeter } from './event-loop-meter.js';
import { CHECK_OPTIONS } from '../check-settings.js';
import { madeCheck } from './made-check.js';
import type { CheckOptions } from '../check-settings.js';
import { checkSays, judged, limitsOrNone, percent } from './thresholds.js';
import type { Thresholds } from './thresholds.js';

export interface EventLoopCheckOptions extends CheckOptions {
  /** How late timers come, ms: the 99th percentile over the last 5 to 10 s. Default: warn at 100, fail at 1000. */
  readonly delay?: Thresholds | false;
  /** The share of the time, 0 to 1, in which the loop is busy. Default: warn at 0.95, never fail. */
  readonly utilization?: Thresholds | false;
}

const OPTIONS = namesOf<EventLoopCheckOptions>({ ...CHECK_OPTIONS, delay: true, utilization: true });

/**
 * Whether the one thread that JavaScript runs on keeps up. All such checks of a process share one measurement; it begins when the check is
 * added to a monitor, or runs for the first time, and ends when it is removed, or disposed of. Its name is `event loop` by default.
 * @throws TypeError for an option that is unknown or does not fit.
 */
export function eventLoopCheck(options: EventLoopCheckOptions = {}): Check & Disposable {
  checkOptions('eventLoopCheck', options, OPTIONS);
  const delay = limitsOrNone('eventLoopCheck delay', options.delay, { warnAt: 100, failAt: 1_000 }, Infinity, 'milliseconds from 0, such as 100');
  const utilization = limitsOrNone(
    'eventLoopCheck utilization',
    options.utilization,
    { warnAt: 0.95, failAt: false },
    1,
    'a share from 0 to 1, such as 0.95',
  );
  checkSays('eventLoopCheck', [delay, utilization]);
  let letGo: (() => void) | undefined;
  const end = (): void => {
    letGo?.();
    letGo = undefined;
  };
  const check = madeCheck({
    factory: 'eventLoopCheck',
    known: OPTIONS,
    options,
    defaults: { name: 'event loop' },
    run() {
      letGo ??= holdEventLoopMeter();
      const figures = eventLoopFigures();
      return judged([
        delay && { value: figures.delayMs, limits: delay, says: (ms) => `timers ${Math.round(ms)} ms late` },
        utilization && { value: figures.utilization, limits: utilization, says: (share) => `busy ${percent(share)} of the time` },
      ]);
    },
  });
  return {
    ...check,
    onChange() {
      letGo ??= holdEventLoopMeter();
      return end;
    },
    [Symbol.dispose]: end,
  };
}
