import { checkOptions, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import type { Fleet, Load, Meter } from './load.js';
import { parseLoadReport } from '../call/load-report.js';
import type { LoadReport } from '../call/load-report.js';

export interface ReportedLoadOptions {
  /** How long an endpoint has to report before its weight counts: the first numbers of a process are of its start. Default 10 s; 0: at once. */
  readonly blackout?: Duration;
  /** After so long without a report, its weight is not known any more; at least `update`. Default 180 s. */
  readonly expiration?: Duration;
  /** How much failed requests count as load, from 0; default 1: a server that fails all of them looks as busy as one that is full. */
  readonly errorPenalty?: number;
  /** How often weights are taken over, by the pick that finds it due; at least 100 ms. Default 1 s. */
  readonly update?: Duration;
}

const OPTIONS = namesOf<ReportedLoadOptions>({ blackout: true, expiration: true, errorPenalty: true, update: true });
const SHORTEST_UPDATE_MS = 100;

export interface ReportedSettings {
  readonly blackoutMs: number;
  readonly expirationMs: number;
  readonly errorPenalty: number;
  readonly updateMs: number;
}

/** @throws TypeError for an option that does not fit */
export function reportedSettings(reported: true | ReportedLoadOptions): ReportedSettings {
  const options = reported === true ? {} : reported;
  checkOptions('weighted reported', options, OPTIONS);
  const { errorPenalty = 1 } = options;
  if (!(typeof errorPenalty === 'number' && errorPenalty >= 0 && errorPenalty < Infinity))
    throw new TypeError(`weighted reported.errorPenalty: ${shown(errorPenalty)} does not fit. Give a number from 0, such as 1.`);
  const updateMs = toMs(options.update ?? 1_000, 'weighted reported.update');
  if (updateMs < SHORTEST_UPDATE_MS)
    throw new TypeError(`weighted reported.update: ${updateMs} ms is too often. Give ${SHORTEST_UPDATE_MS} ms or more, such as '1s'.`);
  const expirationMs = toMs(options.expiration ?? 180_000, 'weighted reported.expiration');
  if (expirationMs < updateMs)
    throw new TypeError(`weighted reported.expiration: ${expirationMs} ms is shorter than update, ${updateMs} ms. Make it at least as long.`);
  return { blackoutMs: toMs(options.blackout ?? 10_000, 'weighted reported.blackout'), expirationMs, errorPenalty, updateMs };
}

/**
 * What a report is worth (gRPC's proposal A58): requests a second ÷ (utilization + errors ÷ requests × penalty), the application's utilization or,
 * without one, the processor's. 0 when it does not say how many requests or how busy.
 */
export function weightOfReport({ application, cpu, requests, errors }: LoadReport, errorPenalty: number): number {
  const utilization = application > 0 ? application : cpu;
  if (utilization === 0 || requests === 0) return 0;
  return requests / (utilization + (errors / requests) * errorPenalty);
}

/** Reads what endpoints report; measures nothing by itself. */
export function reportedLoad(settings: ReportedSettings): Load {
  const fleet: Fleet = { meter: () => new ReportedMeter(settings) };
  return { name: 'reported', fleet: () => fleet };
}

export class ReportedMeter implements Meter {
  readonly #settings: ReportedSettings;
  #weight = -0;
  /** Since when it has reported without a gap; Infinity while it has not. */
  #since = Infinity;
  #at: number = -Infinity;

  constructor(settings: ReportedSettings) {
    this.#settings = settings;
  }

  cost(): number {
    return 1;
  }

  observe(): void {}

  reported(header: unknown, now: number): void {
    const report = parseLoadReport(header);
    if (report === undefined) return;
    const weight = weightOfReport(report, this.#settings.errorPenalty);
    if (!(weight > 0 && weight < Infinity)) return;
    this.#weight = weight;
    if (this.#since === Infinity) this.#since = now;
    this.#at = now;
  }

  /** 0 when it is not known. */
  weight(now: number): number {
    const { blackoutMs, expirationMs } = this.#settings;
    if (now - this.#at >= expirationMs) {
      // Whoever reports again after that begins with a blackout.
      this.#since = Infinity;
      return 0;
    }
    return now - this.#since < blackoutMs ? 0 : this.#weight;
  }
}
