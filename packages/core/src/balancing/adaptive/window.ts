/** How the latency of an endpoint moves: `stable` also for what cannot be told from noise. */
export type Trend = 'improving' | 'stable' | 'degrading' | 'unknown';

/** Fewer than three points always lie on a line, or nearly: nothing can be said about them. */
const LEAST_SAMPLES = 3;
/**
 * How many standard errors a slope has to be away from zero: the two-sided 1 % point of Student's t, by degrees of freedom (samples − 2) 1 to 18;
 * beyond, that of the last, which is the stricter one.
 */
const SIGNIFICANT = [63.66, 9.92, 5.84, 4.6, 4.03, 3.71, 3.5, 3.36, 3.25, 3.17, 3.11, 3.05, 3.01, 2.98, 2.95, 2.92, 2.9, 2.88] as const;
/** A change over the window of less than this part of the mean matters to nobody, however certain it is. */
const MATERIAL = 0.1;
/** A slope whose residuals are nothing but rounding is certain. */
const ROUNDING = 1e-12;

/** The newest samples of an endpoint, as many as fit and not older than the interval, and what they say. Nothing is allocated after the first. */
export class SampleWindow {
  /** What `read` found. Of how many samples. */
  samples = 0;
  /** Arithmetic mean, 0 of none. */
  mean = -0;
  /** Standard deviation of the samples (divided by n − 1), 0 of fewer than two. */
  deviation = -0;
  /** Milliseconds of latency a second, by least squares over time; 0 where it is not known. */
  slope = -0;
  trend: Trend = 'unknown';
  /** Time and value by turns, so that a sample is in one place of memory. */
  readonly #cells: Float64Array;
  readonly #size: number;
  #next = 0;
  #kept = 0;

  constructor(size: number) {
    this.#size = size;
    this.#cells = new Float64Array(2 * size);
  }

  add(value: number, now: number): void {
    const cells = this.#cells;
    const next = this.#next;
    cells[2 * next] = now;
    cells[2 * next + 1] = value;
    this.#next = next + 1 === this.#size ? 0 : next + 1;
    if (this.#kept < this.#size) this.#kept++;
  }

  /** Works out the fields from what is not older than `intervalMs`. */
  read(now: number, intervalMs: number): void {
    const cells = this.#cells;
    const size = this.#size;
    // The oldest lies where the next one goes. What has expired leaves for good.
    while (this.#kept > 0 && now - cells[2 * ((this.#next - this.#kept + size) % size)]! > intervalMs) this.#kept--;
    const n = this.#kept;
    this.samples = n;
    this.mean = this.deviation = this.slope = 0;
    this.trend = 'unknown';
    if (n === 0) return;
    const first = (this.#next - n + size) % size;
    let sumX = 0;
    let sumY = 0;
    for (let index = 0; index < n; index++) {
      const place = 2 * ((first + index) % size);
      sumX += cells[place]! - now;
      sumY += cells[place + 1]!;
    }
    const meanX = sumX / n;
    const meanY = sumY / n;
    this.mean = meanY;
    // Around the means: the textbook's difference of two sums loses every digit when the clock has run for a month.
    let xx = 0;
    let xy = 0;
    let yy = 0;
    for (let index = 0; index < n; index++) {
      const place = 2 * ((first + index) % size);
      const x = cells[place]! - now - meanX;
      const y = cells[place + 1]! - meanY;
      xx += x * x;
      xy += x * y;
      yy += y * y;
    }
    if (n > 1) this.deviation = Math.sqrt(yy / (n - 1));
    if (n < LEAST_SAMPLES || xx === 0) return;
    const slope = xy / xx;
    this.slope = slope * 1_000;
    const lastAt = cells[2 * ((first + n - 1) % size)]!;
    const span = lastAt - cells[2 * first]!;
    // No longer ahead than it looks back: else one false alarm in a hundred would leave an endpoint without the calls that end it.
    if (now - lastAt > span) return;
    this.trend = 'stable';
    const residual = Math.max(0, yy - slope * xy);
    const error = Math.sqrt(Math.max(residual, yy * ROUNDING) / (n - 2) / xx);
    const change = Math.abs(slope) * span;
    const needed = SIGNIFICANT[Math.min(n - 2, SIGNIFICANT.length) - 1]!;
    if (change >= MATERIAL * meanY && Math.abs(slope) > needed * error) this.trend = slope < 0 ? 'improving' : 'degrading';
  }
}
