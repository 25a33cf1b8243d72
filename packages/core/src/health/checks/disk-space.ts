import { statfs } from 'node:fs/promises';
import { checkOptions, namesOf } from '../../options/check.js';
import type { Check } from '../check.js';
import { CHECK_OPTIONS } from '../check-settings.js';
import { checkCount, checkText, madeCheck } from './made-check.js';
import type { CheckOptions } from '../check-settings.js';
import { judged, limitsOf, percent, size } from './thresholds.js';
import type { Thresholds } from './thresholds.js';

/** Thresholds are the used share, 0 to 1, of the blocks and of the inodes, as `df` counts it. Defaults: warn at 0.9, fail at 0.95. */
export interface DiskSpaceCheckOptions extends CheckOptions, Thresholds {
  /** Any file or directory of the file system that is meant. Default: the working directory. */
  readonly path?: string;
  /** Fails when fewer bytes than that are free for us, whatever the share. Default 0. */
  readonly minFree?: number;
}

const OPTIONS = namesOf<DiskSpaceCheckOptions>({ ...CHECK_OPTIONS, warnAt: true, failAt: true, path: true, minFree: true });

/**
 * Whether the file system has room. A network file system that hangs holds one of Node's four threads until it answers, and the check runs no
 * second time meanwhile. Its name is `disk <path>` by default.
 * @throws TypeError for an option that is unknown or does not fit.
 */
export function diskSpaceCheck(options: DiskSpaceCheckOptions = {}): Check {
  checkOptions('diskSpaceCheck', options, OPTIONS);
  const { path = process.cwd(), minFree = 0 } = options;
  checkText(path, 'diskSpaceCheck path', "a path such as '/var/lib/orders'");
  checkCount(minFree, 'diskSpaceCheck minFree', 0);
  const limits = limitsOf('diskSpaceCheck ', options, { warnAt: 0.9, failAt: 0.95 }, 1, 'a used share from 0 to 1, such as 0.9');
  return madeCheck({
    factory: 'diskSpaceCheck',
    known: OPTIONS,
    options,
    defaults: { name: `disk ${path}` },
    async run() {
      const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(path);
      const free = bavail * bsize;
      if (free < minFree) return { status: 'fail', output: `${size(free)} free, less than ${size(minFree)}` };
      return judged([
        { value: shareOf(blocks - bfree, bavail), limits, says: (share) => `${percent(share)} full, ${size(free)} free` },
        // Not every file system has a number of them.
        files === 0 ? undefined : { value: shareOf(files - ffree, ffree), limits, says: (share) => `${percent(share)} of the inodes used` },
      ]);
    },
  });
}

function shareOf(used: number, free: number): number {
  return used + free === 0 ? 0 : used / (used + free);
}
