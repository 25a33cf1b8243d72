import { toMs } from '../time/duration.js';
import type { LifeCycleOptions } from './life-cycle-options.js';

/** The second in which aborted calls may answer, and a little for the sockets to close. */
export const CUT_MS = 1_500;
/** How long others may go on to send when somebody may have to hear of the stop first. */
export const DRAIN_DELAY_MS = 2_000;
export const FLUSH_MS = 2_000;

const DRAIN_TIMEOUT_MS = 20_000;
const SHUTDOWN_TIMEOUT_MS = 28_000;
/** What is left of the grace period when the stop has to be over: for the process to exit, and for clocks that differ. */
const SPARE_MS = 2_000;

/** How long the parts of a stop may take, ms. */
export interface StopTimes {
  /** undefined: as long as the default, if somebody may have to hear of it. */
  readonly drainDelayMs: number | undefined;
  readonly drainTimeoutMs: number;
  /** The bound of the whole. */
  readonly shutdownMs: number;
  /** What the platform gives; undefined when that is not known. */
  readonly graceMs: number | undefined;
  readonly preStopMs: number;
}

type Options = Pick<LifeCycleOptions, 'drainDelay' | 'drainTimeout' | 'shutdownTimeout' | 'gracePeriod' | 'preStop'>;

/** @throws TypeError for a bad duration, RangeError when the parts do not fit into shutdownTimeout, or preStop not into gracePeriod. */
export function stopTimes(options: Options): StopTimes {
  const graceMs = options.gracePeriod === undefined ? undefined : toMs(options.gracePeriod, 'gracePeriod');
  const preStopMs = toMs(options.preStop ?? 0, 'preStop');
  if (graceMs === undefined && options.preStop !== undefined)
    throw new TypeError('preStop: it is a part of gracePeriod, which is not given. Give that too, such as 30s, or leave both out.');
  if (graceMs !== undefined && preStopMs + SPARE_MS >= graceMs)
    throw new RangeError(
      `preStop: ${preStopMs} ms leave no time to stop in a gracePeriod of ${graceMs} ms, of which ${SPARE_MS} ms are kept spare. Raise the grace period of the platform, or lower preStop.`,
    );
  const mostMs = graceMs === undefined ? SHUTDOWN_TIMEOUT_MS : graceMs - preStopMs - SPARE_MS;
  const shutdownMs = toMs(options.shutdownTimeout ?? mostMs, 'shutdownTimeout');
  const drainDelayMs = options.drainDelay === undefined ? undefined : toMs(options.drainDelay, 'drainDelay');
  const room = Math.max(0, shutdownMs - (drainDelayMs ?? DRAIN_DELAY_MS) - CUT_MS);
  const drainTimeoutMs = options.drainTimeout === undefined ? Math.min(DRAIN_TIMEOUT_MS, room) : toMs(options.drainTimeout, 'drainTimeout');
  const needed = (drainDelayMs ?? 0) + (options.drainTimeout === undefined ? 0 : drainTimeoutMs + CUT_MS);
  if (needed > shutdownMs) {
    throw new RangeError(
      `shutdownTimeout: ${shutdownMs} ms is less than drainDelay, drainTimeout and ${CUT_MS} ms for cutting need together (${needed} ms). Raise it (and the grace period of whoever kills the process), or lower them.`,
    );
  }
  return { drainDelayMs, drainTimeoutMs, shutdownMs, graceMs, preStopMs };
}
