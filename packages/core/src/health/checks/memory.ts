import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { checkOptions, namesOf } from '../../options/check.js';
import type { Check } from '../check.js';
import { CHECK_OPTIONS } from '../check-settings.js';
import { checkCount, madeCheck } from './made-check.js';
import type { CheckOptions } from '../check-settings.js';
import { checkSays, judged, limitsOrNone, percent, size } from './thresholds.js';
import type { Thresholds } from './thresholds.js';

export interface ResidentThresholds extends Thresholds {
  /** Bytes that count as the whole. Default: the limit of the container (cgroup); without one it is not measured. */
  readonly limit?: number;
}

export interface MemoryCheckOptions extends CheckOptions {
  /** The used share, 0 to 1, of V8's heap limit (`--max-old-space-size`). Default: warn at 0.85, fail at 0.95. */
  readonly heap?: Thresholds | false;
  /** The share, 0 to 1, that the resident set has of `limit`. Default: warn at 0.85, fail at 0.95. */
  readonly rss?: ResidentThresholds | false;
}

const OPTIONS = namesOf<MemoryCheckOptions>({ ...CHECK_OPTIONS, heap: true, rss: true });
const DEFAULTS = { warnAt: 0.85, failAt: 0.95 };
const SHARE = 'a share from 0 to 1, such as 0.85';

/**
 * Whether the process is about to run out of memory: V8 ends it at its heap limit, the kernel at the container's. Its name is `memory` by default.
 * @throws TypeError for an option that is unknown or does not fit.
 */
export function memoryCheck(options: MemoryCheckOptions = {}): Check {
  checkOptions('memoryCheck', options, OPTIONS);
  const heap = limitsOrNone('memoryCheck heap', options.heap, DEFAULTS, 1, SHARE);
  const rss = limitsOrNone('memoryCheck rss', options.rss, DEFAULTS, 1, SHARE, ['limit']);
  checkSays('memoryCheck', [heap, rss]);
  const given = options.rss === undefined || options.rss === false ? undefined : options.rss.limit;
  checkCount(given, 'memoryCheck rss.limit', 1);
  return madeCheck({
    factory: 'memoryCheck',
    known: OPTIONS,
    options,
    defaults: { name: 'memory' },
    run() {
      const { used_heap_size: used, heap_size_limit: most } = getHeapStatistics();
      const whole = given ?? containerLimit();
      const resident = rss === undefined || whole === undefined ? 0 : process.memoryUsage.rss();
      return judged([
        heap && { value: used / most, limits: heap, says: (share) => `heap at ${percent(share)} of ${size(most)}` },
        rss && whole !== undefined
          ? { value: resident / whole, limits: rss, says: (share) => `resident set at ${percent(share)} of ${size(whole)}` }
          : undefined,
      ]);
    },
  });
}

/** Bytes; undefined without a limit, which Node tells as 0 or as more than the machine has. */
function containerLimit(): number | undefined {
  const limit = process.constrainedMemory();
  return limit > 0 && limit <= totalmem() ? limit : undefined;
}
