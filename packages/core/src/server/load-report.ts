import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { EventLoopUtilization } from 'node:perf_hooks';
import { LOAD_HEADER, loadReportText } from '../call/load-report.js';
import { addReplyHeaders } from '../call/reply-headers.js';
import { isServiceError } from '../errors/service-error.js';
import { silentLogger } from '../logging/logger.js';
import type { Logger } from '../logging/logger.js';
import { checkFunction, checkOptions, checkSurroundings, namesOf } from '../options/check.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import { RollingCounts } from '../wrappers/rolling-counts.js';
import { named } from '../wrappers/wrapper.js';
import type { Wrapper } from '../wrappers/wrapper.js';

export interface LoadReportOptions {
  /** How often utilization and rates are worked out. Default 1 s, at least 100 ms. */
  readonly interval?: Duration;
  /** Requests and errors a second are means over this time. Default 10 s, at least `interval`. */
  readonly window?: Duration;
  /** How busy the application is, 0 to 1 and beyond. Default: the share of the last interval in which the event loop had work, which is what a Node process runs out of. */
  readonly utilization?: () => number;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

const OPTIONS = namesOf<LoadReportOptions>({ interval: true, window: true, utilization: true, clock: true, logger: true });
const SHORTEST_MS = 100;
const BUCKETS = 10;
const SERVER_ERROR = 500;

/**
 * Says in each reply, that of an error too, how busy this process is, for clients that balance by it (`weighted({ reported: true })`, Envoy and gRPC):
 * `endpoint-load-metrics: TEXT rif=3, cpu_utilization=0.42, application_utilization=0.5, rps_fractional=120, eps=1`.
 *
 * It counts what passes it: as one of a service's `wrappers`, not what limits refuse. A reply of 5xx and what is thrown are errors, but for a ServiceError of another status. Measured by a timer that does not keep
 * the process alive, and stops when no call came for a window; before its first tick, only `rif` is said. Whoever sees the replies sees how busy the
 * service is: for services that are called from within.
 * @throws TypeError for an option that does not fit
 */
export function loadReport(options: LoadReportOptions = {}): Wrapper {
  checkOptions('loadReport', options, OPTIONS);
  checkSurroundings('loadReport', options);
  checkFunction(options.utilization, 'loadReport utilization');
  const intervalMs = toMs(options.interval ?? 1_000, 'loadReport interval');
  const windowMs = toMs(options.window ?? Math.max(10_000, intervalMs), 'loadReport window');
  if (intervalMs < SHORTEST_MS)
    throw new TypeError(`loadReport interval: ${intervalMs} ms is too short to measure in. Give ${SHORTEST_MS} ms or more, such as '1s'.`);
  if (windowMs < intervalMs)
    throw new TypeError(`loadReport window: ${windowMs} ms is shorter than interval, ${intervalMs} ms. Make it at least as long.`);
  const sampler = new LoadSampler(intervalMs, windowMs, options);
  return named({ name: 'loadReport' }, (next) => (call) => {
    addReplyHeaders(call, { [LOAD_HEADER]: sampler.began() });
    let failed = false;
    call.onOwnEnd(() => sampler.ended(failed));
    return next(call).then(
      (reply) => {
        failed = reply.status >= SERVER_ERROR;
        return reply;
      },
      (error: unknown) => {
        failed = !(isServiceError(error) && error.status < SERVER_ERROR);
        throw error;
      },
    );
  });
}

class LoadSampler {
  readonly #intervalMs: number;
  readonly #windowMs: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #utilization: (() => number) | undefined;
  readonly #counts: RollingCounts;
  #inFlight = 0;
  #text: string | undefined;
  #sampling = false;
  #since = -0;
  #calledAt = -0;
  /** As of the last tick. */
  #at = -0;
  #loop: EventLoopUtilization | undefined;
  #cpu = process.cpuUsage();
  #told = false;

  constructor(intervalMs: number, windowMs: number, { clock = systemClock, logger = silentLogger, utilization }: LoadReportOptions) {
    this.#intervalMs = intervalMs;
    this.#windowMs = windowMs;
    this.#clock = clock;
    this.#logger = logger;
    this.#utilization = utilization;
    this.#counts = new RollingCounts(windowMs, BUCKETS);
  }

  /** What the reply is to say. */
  began(): string {
    this.#inFlight++;
    const now = this.#clock.now();
    this.#calledAt = now;
    if (!this.#sampling) this.#start(now);
    return this.#text === undefined ? `TEXT rif=${this.#inFlight}` : `TEXT rif=${this.#inFlight}${this.#text}`;
  }

  ended(failed: boolean): void {
    this.#inFlight--;
    const now = this.#clock.now();
    if (failed) this.#counts.addBad(now);
    else this.#counts.addGood(now);
  }

  #start(now: number): void {
    this.#sampling = true;
    this.#counts.clear();
    this.#since = this.#at = now;
    this.#loop = performance.eventLoopUtilization();
    this.#cpu = process.cpuUsage();
    this.#clock.schedule(this.#intervalMs, () => this.#tick());
  }

  #tick(): void {
    const now = this.#clock.now();
    if (this.#inFlight === 0 && now - this.#calledAt > this.#windowMs) {
      this.#sampling = false;
      this.#text = undefined;
      return;
    }
    const elapsedMs = Math.max(1, now - this.#at);
    const loop = performance.eventLoopUtilization();
    const cpu = process.cpuUsage();
    const usedMs = (cpu.user + cpu.system - this.#cpu.user - this.#cpu.system) / 1_000;
    this.#counts.moveTo(now);
    const coveredSeconds = Math.min(now - this.#since, this.#windowMs) / 1_000;
    const report = loadReportText({
      inFlight: 0,
      cpu: usedMs / elapsedMs / availableParallelism(),
      application: this.#busy(performance.eventLoopUtilization(loop, this.#loop).utilization),
      requests: (this.#counts.good + this.#counts.bad) / coveredSeconds,
      errors: this.#counts.bad / coveredSeconds,
    });
    this.#text = report.slice(report.indexOf(','));
    this.#at = now;
    this.#loop = loop;
    this.#cpu = cpu;
    this.#clock.schedule(this.#intervalMs, () => this.#tick());
  }

  #busy(loop: number): number {
    if (this.#utilization === undefined) return loop;
    try {
      const given = this.#utilization();
      if (typeof given === 'number' && given >= 0 && given < Infinity) return given;
      throw new TypeError(`utilization gave ${String(given)}, which is no number from 0`);
    } catch (error) {
      if (!this.#told) this.#logger.error({ error }, 'The utilization of loadReport cannot be used; the event loop is reported instead');
      this.#told = true;
      return loop;
    }
  }
}
