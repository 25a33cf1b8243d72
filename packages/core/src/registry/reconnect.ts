/** Bounds of the wait before trying again, ms. */
export interface ReconnectBounds {
  /** Never sooner, so that a failing backend meets no hot loop. Default 100. */
  readonly floorMs?: number;
  /** Upper bound after the first failure; doubles with each. Default 500. */
  readonly baseMs?: number;
  /** Upper bound of all. Default 15,000. */
  readonly capMs?: number;
}

/**
 * How long to wait after so many failures in a row, ms: full jitter (uniform up to a bound that doubles, which spreads a fleet best after
 * an outage; "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), but never below the floor.
 */
export function reconnectDelay(failures: number, random: () => number, bounds: ReconnectBounds = {}): number {
  const { floorMs = 100, baseMs = 500, capMs = 15_000 } = bounds;
  return Math.max(floorMs, random() * Math.min(capMs, baseMs * 2 ** Math.min(failures - 1, 30)));
}
