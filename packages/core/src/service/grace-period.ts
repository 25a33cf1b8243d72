/** What a stop may take at most, ms each. */
export interface StopBudget {
  /** Before the process hears of its end, out of the same grace period. */
  readonly preStopMs: number;
  readonly drainDelayMs: number;
  readonly drainTimeoutMs: number;
  /** For what is aborted to end. */
  readonly cutMs: number;
  /** Those before the stop that go on for longer than drainDelay, and those at its end. */
  readonly hooksMs: number;
  readonly flushMs: number;
  /** Bound of the whole, from SIGTERM. */
  readonly shutdownMs: number;
}

/**
 * Why a stop may be killed in the middle, for a log; undefined when it ends within the platform's grace period whatever happens. The bound of the whole
 * stop does as well as its parts: what they need beyond it is cut short in order, not killed.
 */
export function overBudget(budget: StopBudget, graceMs: number): string | undefined {
  const { preStopMs, drainDelayMs, drainTimeoutMs, cutMs, hooksMs, flushMs, shutdownMs } = budget;
  const parts = drainDelayMs + drainTimeoutMs + cutMs + hooksMs + flushMs;
  const killed = preStopMs + Math.min(parts, shutdownMs) > graceMs;
  const short = parts > shutdownMs;
  if (!killed && !short) return undefined;
  const sum = `drainDelay ${drainDelayMs} + drainTimeout ${drainTimeoutMs} + cutting ${cutMs} + hooks ${hooksMs} + telemetry ${flushMs} ms`;
  return killed
    ? `The stop may be killed in the middle: preStop ${preStopMs} + ${sum}, at most shutdownTimeout ${shutdownMs} ms, do not fit into gracePeriod (${graceMs} ms). Raise the grace period of the platform, or lower one of them.`
    : `The stop may have no time left for its hooks: ${sum} are more than shutdownTimeout (${shutdownMs} ms). Raise shutdownTimeout, or lower one of them.`;
}
