import type { Duration } from '../../time/duration.js';
import { checkOptions, positiveMs } from '../options.js';
import { shown } from '../../options/shown.js';

/** How the time that a circuit stays open grows while its trials keep failing. */
export type CircuitRecovery =
  /** `openFor` × `factor` ^ n. Default factor 2; 1 is always `openFor`. */
  | { readonly kind: 'exponential'; readonly factor?: number }
  /** `openFor` + `step` × n. */
  | { readonly kind: 'linear'; readonly step: Duration };

export interface RecoveryOptions {
  readonly openForMs: number;
  readonly maxOpenForMs: number;
  readonly recovery?: CircuitRecovery | undefined;
  /** 0 to 1: each time is made shorter by up to this share, so that many circuits do not try at one moment. */
  readonly jitter: number;
  readonly random: () => number;
}

/** For how many ms to open, after it has opened `openings` times in a row without closing. Never longer than `maxOpenForMs`. */
export function openTimes(options: RecoveryOptions): (openings: number) => number {
  const { maxOpenForMs, jitter, random } = options;
  const grown = growth(options);
  return (openings) => {
    const ms = Math.min(grown(openings), maxOpenForMs);
    return jitter === 0 ? ms : ms * (1 - jitter * random());
  };
}

function growth({ openForMs, recovery = { kind: 'exponential' } }: RecoveryOptions): (openings: number) => number {
  const where = 'circuitBreaker recovery';
  checkOptions(where, recovery, ['kind', 'factor', 'step']);
  if (recovery.kind === 'linear') {
    checkOptions(where, recovery, ['kind', 'step']);
    const stepMs = positiveMs(recovery.step, `${where} step`);
    return (openings) => openForMs + stepMs * openings;
  }
  if (recovery.kind !== 'exponential') {
    throw new TypeError(`${where} kind: ${shown((recovery as { kind: unknown }).kind)} is unknown. Give 'exponential' or 'linear'.`);
  }
  checkOptions(where, recovery, ['kind', 'factor']);
  const factor = recovery.factor ?? 2;
  if (typeof factor !== 'number' || !(factor >= 1 && Number.isFinite(factor))) {
    throw new TypeError(`${where} factor: ${shown(factor)} does not fit. Give a number from 1, such as 2 to double the time.`);
  }
  return (openings) => openForMs * factor ** openings;
}
