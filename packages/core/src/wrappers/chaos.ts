import { Call } from '../call/call.js';
import type { Attempt } from '../call/call.js';
import { CODES, CODE_TABLE, codeOfStatus, isCode } from '../errors/codes.js';
import type { Code } from '../errors/codes.js';
import { failedItself } from '../call/own-failure.js';
import { REASONS, ServiceError } from '../errors/service-error.js';
import { checkSurroundings } from '../options/check.js';
import { shown } from '../options/shown.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import { sleep } from '../time/sleep.js';
import { discard } from './discard.js';
import { checkFunction, checkOptions, notify } from './options.js';
import { named } from './wrapper.js';
import type { Policy } from './wrapper.js';

/** What is done to which share of the calls (`rate`, 0 to 1); each is drawn for by itself. */
export interface ChaosFaults {
  /** They wait before they are made; of two durations, anywhere between them. */
  readonly latency?: { readonly rate: number; readonly ms: Duration | readonly [Duration, Duration] };
  /** They are not made and fail, with this status or canonical code. Default 503, UNAVAILABLE. */
  readonly error?: { readonly rate: number; readonly status?: number; readonly code?: Code };
  /** They are made, and their answer is lost, as with a connection that breaks: nobody can tell what was done. */
  readonly abort?: { readonly rate: number };
}

export interface ChaosOptions extends ChaosFaults {
  /** Has to be written in code: true, or a function that is asked for each call. No configuration can stand in for it. */
  readonly enabled: true | (() => boolean);
  /** Hears of every fault. */
  readonly on?: (event: ChaosEvent) => void;
  readonly clock?: Clock;
  /** Numbers in [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

export interface ChaosEvent {
  readonly kind: 'latency' | 'error' | 'abort';
  readonly label: string;
  /** Of `latency`. */
  readonly delayMs?: number;
}

export interface ChaosStats {
  readonly injected: number;
  readonly state: 'enabled' | 'disabled';
}

export interface Chaos extends Policy {
  /** Whether it does anything now. */
  readonly enabled: boolean;
  /** What is in force. */
  readonly faults: ChaosFaults;
  /** Puts other faults in force for the calls that begin from now on; what is left out is off. @throws TypeError for a fault that makes no sense */
  inject(faults: ChaosFaults): void;
  stats(): ChaosStats;
}

/**
 * Makes a share of the calls slow, fail or lose their answer, to see in a test or a game day what the rest of the stack makes of it. It stands
 * innermost, next to what it stands for, so that everything else meets its faults as real ones: timeouts end its waits, retries and breakers
 * count its errors, and the balancer holds them against the endpoint.
 *
 * @throws ServiceError of the injected status or code, reason `CHAOS`; UNAVAILABLE, reason `CONNECTION_LOST`, for an abort
 * @throws TypeError at construction, for an option that makes no sense, and when `enabled` is neither true nor a function
 */
export function chaos(options: ChaosOptions): Chaos {
  checkOptions('chaos', options, ['enabled', 'latency', 'error', 'abort', 'on', 'clock', 'random']);
  checkSurroundings('chaos', options);
  const { enabled: given, on, clock = systemClock, random = Math.random } = options as { enabled: unknown } & Omit<ChaosOptions, 'enabled'>;
  if (given !== true && typeof given !== 'function')
    throw new TypeError(`chaos enabled: ${shown(given)} does not fit. Give true or a function, in code, or leave chaos() out.`);
  checkFunction(on, 'chaos on');
  const isEnabled = given === true ? (): boolean => true : (given as () => boolean);
  const { latency, error, abort } = options;
  // By `undefined` alone: a null or false would else be no fault, where it is a mistake.
  let faults = checkedFaults({
    ...(latency !== undefined && { latency }),
    ...(error !== undefined && { error }),
    ...(abort !== undefined && { abort }),
  });
  let injected = 0;

  function enabled(): boolean {
    try {
      return isEnabled() === true;
    } catch {
      return false;
    }
  }

  const drawn = (rate: number): boolean => rate > 0 && random() < rate;

  async function disturbed<C extends Attempt, R>(call: C, next: (call: C) => Promise<R>, now: Faults): Promise<R> {
    if (drawn(now.latency)) {
      const [from, to] = now.delayMs;
      const delayMs = from + (from === to ? 0 : random() * (to - from));
      injected++;
      notify(on, { kind: 'latency', label: call.label, delayMs });
      await sleep(delayMs, call, clock, { ref: true });
    }
    if (drawn(now.error)) {
      injected++;
      notify(on, { kind: 'error', label: call.label });
      const { code, status } = now;
      // As if the other side had said so: the lease of a balancer hears the status, and the retry whose word it is.
      if (call instanceof Call && call.side === 'client') call.answered(status);
      throw own(call, new ServiceError(code, `${call.label}: chaos() made it fail`, { status, reason: REASONS.chaos }));
    }
    if (!drawn(now.abort)) return next(call);
    injected++;
    notify(on, { kind: 'abort', label: call.label });
    discard(await next(call));
    throw own(call, new ServiceError('UNAVAILABLE', `${call.label}: chaos() lost the answer`, { reason: REASONS.connectionLost }));
  }

  const policy = <C extends Attempt, R>(next: (call: C) => Promise<R>): ((call: C) => Promise<R>) => {
    return (call) => (enabled() ? disturbed(call, next, faults) : next(call));
  };
  Object.defineProperties(policy, {
    enabled: { get: enabled, enumerable: true },
    faults: { get: () => faults.given, enumerable: true },
  });
  return Object.assign(named({ name: 'chaos', injects: true }, policy), {
    inject: (other: ChaosFaults) => void (faults = checkedFaults(other)),
    stats: (): ChaosStats => ({ injected, state: enabled() ? 'enabled' : 'disabled' }),
  }) as Chaos;
}

function own(call: Attempt, error: ServiceError): ServiceError {
  if (call instanceof Call) failedItself(call, error);
  return error;
}

interface Faults {
  readonly given: ChaosFaults;
  readonly latency: number;
  readonly delayMs: readonly [number, number];
  readonly error: number;
  readonly code: Code;
  readonly status: number;
  readonly abort: number;
}

function checkedFaults(given: ChaosFaults): Faults {
  checkOptions('chaos', given, ['latency', 'error', 'abort']);
  const { latency, error, abort } = given;
  if (latency !== undefined) checkOptions('chaos latency', latency, ['rate', 'ms']);
  if (error !== undefined) checkOptions('chaos error', error, ['rate', 'status', 'code']);
  if (abort !== undefined) checkOptions('chaos abort', abort, ['rate']);
  return {
    given: Object.freeze({ ...given }),
    latency: rate(latency?.rate, latency, 'latency'),
    delayMs: latency === undefined ? [0, 0] : delay(latency.ms),
    error: rate(error?.rate, error, 'error'),
    ...failure(error ?? { rate: 0 }),
    abort: rate(abort?.rate, abort, 'abort'),
  };
}

function rate(value: unknown, fault: object | undefined, name: string): number {
  if (fault === undefined) return 0;
  if (typeof value === 'number' && value >= 0 && value <= 1) return value;
  throw new TypeError(`chaos ${name} rate: ${shown(value)} is no share. Give a number from 0 to 1, such as 0.01 for one call in a hundred.`);
}

function delay(ms: Duration | readonly [Duration, Duration]): readonly [number, number] {
  if (!Array.isArray(ms)) {
    const one = toMs(ms as Duration, 'chaos latency ms');
    return [one, one];
  }
  const [from, to] = (ms as readonly Duration[]).map((one) => toMs(one, 'chaos latency ms'));
  if (ms.length !== 2 || from! > to!) throw new TypeError(`chaos latency ms: ${shown(ms)} is no span. Give two durations, the shorter first.`);
  return [from!, to!];
}

function failure({ status, code }: NonNullable<ChaosFaults['error']>): { code: Code; status: number } {
  if (code !== undefined && !isCode(code)) throw new TypeError(`chaos error code: ${shown(code)} is unknown. Use one of ${CODES.join(', ')}.`);
  if (status !== undefined && !(Number.isInteger(status) && status >= 400 && status <= 599))
    throw new TypeError(`chaos error status: ${shown(status)} is no error status. Give 400 to 599.`);
  const known = code ?? (status === undefined ? 'UNAVAILABLE' : codeOfStatus(status));
  const answered = status ?? CODE_TABLE[known].status;
  if (!(answered >= 400)) throw new TypeError(`chaos error code: ${shown(code)} is no failure. Give another code, or a status.`);
  return { code: known, status: answered };
}
