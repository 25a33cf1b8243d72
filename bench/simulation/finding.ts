/** One measured number, with the bar that it is held to if there is one. */
export interface Finding {
  readonly label: string;
  /** One for each seed. */
  readonly samples: readonly number[];
  /** The median of the samples, which the bar is about. */
  readonly value: number;
  readonly unit: string;
  readonly op?: '<=' | '>=';
  readonly limit?: number;
  /** A peer's rule, or the absence of one, that has to miss the bar above it by so much: else the bar proves nothing. */
  readonly isControl: boolean;
}

/** How much is simulated. */
export interface Depth {
  readonly seeds: readonly number[];
  /** Of the simulated seconds that are measured: 1 for all, less for a quick look. */
  readonly share: number;
}

export interface Scenario {
  readonly name: string;
  /** What is shown, in a sentence. */
  readonly shows: string;
  readonly run: (depth: Depth) => readonly Finding[] | Promise<readonly Finding[]>;
}

export function bar(label: string, samples: readonly number[], unit: string, op: '<=' | '>=', limit: number): Finding {
  return { label, samples, value: middle(samples), unit, op, limit, isControl: false };
}

/** A bar is met on the far side of another one: by `op` and `limit`. */
export function control(label: string, samples: readonly number[], unit: string, op: '<=' | '>=', limit: number): Finding {
  return { ...bar(label, samples, unit, op, limit), isControl: true };
}

export function told(label: string, samples: readonly number[], unit: string): Finding {
  return { label, samples, value: middle(samples), unit, isControl: false };
}

export function holds({ value, op, limit }: Finding): boolean {
  if (limit === undefined) return true;
  return op === '>=' ? value >= limit : value <= limit;
}

/** Ratios seed by seed. */
export function ratios(samples: readonly number[], others: readonly number[]): readonly number[] {
  return samples.map((value, index) => value / others[index]!);
}

function middle(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
}
