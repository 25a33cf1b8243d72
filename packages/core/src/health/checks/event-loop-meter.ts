import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { EventLoopUtilization, IntervalHistogram } from 'node:perf_hooks';

/** How the event loop was, over the last seconds. */
export interface EventLoopFigures {
  /** 99th percentile of how late a timer came, ms. */
  readonly delayMs: number;
  /** Share of the time in which the loop was busy, 0 to 1. */
  readonly utilization: number;
}

/** ms between the timers by which the delay is measured: Node counts them into it. */
const RESOLUTION_MS = 20;
/** What is told is of at least so long, once there has been so long. */
const WINDOW_MS = 5_000;

/** What all holders in the process share. Node wakes up fifty times a second for it, so it is there only while somebody holds it. */
interface Meter {
  readonly histogram: IntervalHistogram;
  since: number;
  utilization: EventLoopUtilization;
  /** Of the window before this one. */
  before: EventLoopFigures;
}

let meter: Meter | undefined;
let holders = 0;

/** Measures from now on. The returned function ends that, when it was the last; idempotent. */
export function holdEventLoopMeter(): () => void {
  holders++;
  if (meter === undefined) {
    const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    histogram.enable();
    meter = { histogram, since: performance.now(), utilization: performance.eventLoopUtilization(), before: { delayMs: 0, utilization: 0 } };
  }
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    if (--holders > 0) return;
    meter?.histogram.disable();
    meter = undefined;
  };
}

/** The worse of the window that is under way and the one before it, of which each is 5 s long, or longer when nobody has asked meanwhile. */
export function eventLoopFigures(): EventLoopFigures {
  if (meter === undefined) return { delayMs: 0, utilization: 0 };
  const { histogram, before } = meter;
  const now = performance.now();
  const current: EventLoopFigures = {
    delayMs: histogram.count === 0 ? 0 : Math.max(0, histogram.percentile(99) / 1e6 - RESOLUTION_MS),
    utilization: performance.eventLoopUtilization(meter.utilization).utilization,
  };
  const isOver = now - meter.since >= WINDOW_MS;
  if (isOver) {
    meter.before = current;
    meter.since = now;
    meter.utilization = performance.eventLoopUtilization();
    histogram.reset();
  }
  // Of a window that has only begun, the share says little.
  const counts = isOver || now - meter.since >= WINDOW_MS / 5 ? current.utilization : 0;
  return { delayMs: Math.max(before.delayMs, current.delayMs), utilization: Math.max(before.utilization, counts) };
}
