import { checkFunction, checkOptions, namesOf } from '../../options/check.js';
import { shown } from '../../options/shown.js';
import { toMs } from '../../time/duration.js';
import type { Duration } from '../../time/duration.js';
import type { Probe } from '../probes/probe.js';

/** How the instances of one service are probed. */
export interface ActiveCheck {
  /** For example `httpProbe('/health/ready')`, `tcpProbe()`, or a function of yours. */
  readonly probe: Probe;
  /** From the end of a probe to the next one of the same instance. Default 10 s. */
  readonly interval?: Duration;
  /** A probe that takes longer has failed and is aborted. Waiting for a free place does not count. Default 2 s. */
  readonly timeout?: Duration;
  /** Every wait is longer or shorter by up to this ratio, 0 to 1. Default 0.2; the first probe comes within this share of the interval. */
  readonly jitter?: number;
  /** So many successes in a row make an unhealthy instance healthy. Default 2. */
  readonly rise?: number;
  /** So many failures in a row make an instance unhealthy. Default 3. */
  readonly fall?: number;
  /** How unhealthy instances are probed. */
  readonly recovery?: RecoveryOptions;
}

export interface RecoveryOptions {
  /** The wait after it was found unhealthy; doubles with every failed probe. Default: the interval. */
  readonly base?: Duration;
  /** The longest wait. Default 60 s, or the interval when that is longer. */
  readonly cap?: Duration;
  /** After so many failed probes of an unhealthy instance it is given up, which is told once. Default 10. */
  readonly attempts?: number;
  /**
   * What follows. `slow`: it is probed on at the cap, so that it is found when it returns after all. `stop`: it is not probed any
   * more until it leaves the list, or `clear` or `setHealth` names it. Default `slow`.
   */
  readonly givenUp?: 'slow' | 'stop';
}

export interface CheckSettings {
  readonly probe: Probe;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly jitter: number;
  readonly rise: number;
  readonly fall: number;
  readonly baseMs: number;
  readonly capMs: number;
  readonly attempts: number;
  readonly stops: boolean;
}

const OPTIONS = namesOf<ActiveCheck>({ probe: true, interval: true, timeout: true, jitter: true, rise: true, fall: true, recovery: true });
const RECOVERY = namesOf<RecoveryOptions>({ base: true, cap: true, attempts: true, givenUp: true });

/** @throws TypeError naming the option of `where` that does not fit. */
export function checkSettings(check: ActiveCheck, where: string): CheckSettings {
  checkOptions(where, check, OPTIONS);
  const { jitter = 0.2, recovery = {} } = check;
  if (check.probe === undefined) throw new TypeError(`${where} probe: it is missing. Give httpProbe('/health/ready'), tcpProbe() or a function.`);
  checkFunction(check.probe, `${where} probe`);
  checkOptions(`${where} recovery`, recovery, RECOVERY);
  if (typeof jitter !== 'number' || !(jitter >= 0 && jitter <= 1))
    throw new TypeError(`${where} jitter: ${shown(jitter)} is no ratio. Give a number from 0 to 1.`);
  const { givenUp = 'slow' } = recovery;
  if (givenUp !== 'slow' && givenUp !== 'stop')
    throw new TypeError(`${where} recovery.givenUp: ${shown(givenUp)} is unknown. Give 'slow' or 'stop'.`);
  const intervalMs = span(check.interval ?? 10_000, `${where} interval`);
  const baseMs = span(recovery.base ?? intervalMs, `${where} recovery.base`);
  const capMs = span(recovery.cap ?? Math.max(60_000, intervalMs, baseMs), `${where} recovery.cap`);
  if (capMs < baseMs) throw new TypeError(`${where} recovery.cap: ${capMs} ms is shorter than base, ${baseMs} ms. Make it at least as long.`);
  return {
    probe: check.probe,
    intervalMs,
    timeoutMs: span(check.timeout ?? 2_000, `${where} timeout`),
    jitter,
    rise: count(check.rise ?? 2, `${where} rise`),
    fall: count(check.fall ?? 3, `${where} fall`),
    baseMs,
    capMs,
    attempts: count(recovery.attempts ?? 10, `${where} recovery.attempts`),
    stops: givenUp === 'stop',
  };
}

/** Probes in a hot loop would be an attack on what is checked. */
const SHORTEST_MS = 10;

function span(duration: Duration, option: string): number {
  const ms = toMs(duration, option);
  if (ms < SHORTEST_MS) throw new TypeError(`${option}: ${shown(duration)} is too short. Give at least ${SHORTEST_MS} ms.`);
  return ms;
}

function count(value: number, option: string): number {
  if (value === Infinity && option.endsWith('attempts')) return value;
  if (!Number.isInteger(value) || value < 1) throw new TypeError(`${option}: ${shown(value)} is no count. Give an integer from 1.`);
  return value;
}
