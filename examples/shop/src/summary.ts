import type { EndpointReport } from './messages.js';
import type { Visit } from './shoppers.js';

export interface PhaseSummary {
  readonly name: string;
  readonly requests: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Share of its service's traffic by instance, from two seconds after the phase began. */
  readonly shares: Readonly<Record<string, number>>;
}

export interface Summary {
  readonly requests: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly phases: readonly PhaseSummary[];
}

/** Collects what happens in one phase. */
export class PhaseRecord {
  readonly name: string;
  readonly visits: Visit[] = [];
  readonly #attempts = new Map<string, { service: string; attempts: number }>();

  constructor(name: string) {
    this.name = name;
  }

  addAttempts(reports: readonly EndpointReport[]): void {
    for (const { instance, service, attempts } of reports) {
      const entry = this.#attempts.get(instance) ?? { service, attempts: 0 };
      entry.attempts += attempts;
      this.#attempts.set(instance, entry);
    }
  }

  get failures(): readonly string[] {
    return this.visits.flatMap((visit) => (visit.failure === undefined ? [] : [visit.failure]));
  }

  summary(): PhaseSummary {
    const totals = new Map<string, number>();
    for (const { service, attempts } of this.#attempts.values()) totals.set(service, (totals.get(service) ?? 0) + attempts);
    const shares = [...this.#attempts]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([instance, { service, attempts }]) => [instance, round(attempts / Math.max(1, totals.get(service)!), 4)] as const);
    return { name: this.name, ...figures(this.visits), shares: Object.fromEntries(shares) };
  }
}

export function summarize(records: readonly PhaseRecord[]): Summary {
  return { ...figures(records.flatMap((record) => record.visits)), phases: records.map((record) => record.summary()) };
}

/** The value at quantile `q` (0 to 1); NaN for none. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))]!;
}

function figures(visits: readonly Visit[]): { requests: number; failed: number; p50Ms: number; p99Ms: number } {
  const times = visits.map((visit) => visit.ms);
  return {
    requests: visits.length,
    failed: visits.filter((visit) => visit.failure !== undefined).length,
    p50Ms: round(quantile(times, 0.5), 2),
    p99Ms: round(quantile(times, 0.99), 2),
  };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
