import { worst } from '../health/check-runner.js';
import type { Monitor } from '../health/monitor.js';
import type { HealthReport } from '../health/report.js';
import type { Logger } from '../logging/logger.js';
import type { InstanceStatus } from '../registry/registry.js';
import type { Clock, Timer } from '../time/clock.js';
import type { Announcement } from './announcement.js';

export interface ReadinessReportOptions {
  /** How often the monitor is asked, for checks that nobody else asks, ms. */
  readonly everyMs: number;
  readonly monitor: Pick<Monitor, 'ready' | 'onStatus'>;
  /** Checks that the registry is not told of. */
  readonly ignored?: ReadonlySet<string> | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Between two reports: a check that flaps is no load on the registry, nor on all who watch it. */
const LEAST_MS = 1_000;

/**
 * Tells the registry when readiness changes, so that other processes stop choosing an instance whose critical checks fail and come back
 * when they pass: at once when the monitor learns of it, at most once a second, the newest last. Since a monitor answers when it is asked,
 * it is asked every so often too, while there is an entry that could say it; a prober that asks as well costs nothing more, since checks
 * share their answers. What the registry does not take is told again at the next turn. Draining is not told: deregistering says it.
 * The returned function stops it; nothing is reported after that.
 */
export function reportReadiness(announcement: Announcement, { everyMs, monitor, ignored, clock, logger }: ReadinessReportOptions): () => void {
  let told: InstanceStatus = 'pass';
  let newest: HealthReport | undefined;
  let toldAt = Number.NEGATIVE_INFINITY;
  let busy = false;
  let stopped = false;
  let turn: Timer;
  let soon: Timer | undefined;

  const tell = async ({ status, checks }: HealthReport): Promise<void> => {
    const named = checks.filter((check) => check.status !== 'pass').map(({ name }) => name);
    try {
      await announcement.report(status, named.length === 0 ? undefined : `not passing: ${named.join(', ')}`);
      told = status;
      logger[status === 'pass' ? 'info' : 'warn']({ status, checks: named }, 'The registry was told that readiness has changed');
      busy = false;
      next();
    } catch (error) {
      busy = false;
      logger.warn({ error }, 'The registry does not take the readiness; telling it again');
    }
  };
  const next = (): void => {
    if (stopped || busy || newest === undefined || newest.status === told) return;
    const restMs = toldAt + LEAST_MS - clock.now();
    if (restMs > 0) {
      soon ??= clock.schedule(restMs, () => {
        soon = undefined;
        next();
      });
      return;
    }
    busy = true;
    toldAt = clock.now();
    void tell(newest);
  };
  const hear = (report: HealthReport): void => {
    if (report.readiness !== 'ready') return;
    const checks = report.checks.filter(({ name }) => ignored?.has(name) !== true);
    newest = { ...report, checks, status: worst(checks) };
    next();
  };
  const plan = (): void => {
    turn = clock.schedule(everyMs, () => {
      const asked = announcement.registered ? monitor.ready().then(hear) : Promise.resolve();
      void asked.then(() => void (stopped || plan()));
    });
  };
  const forget = monitor.onStatus(hear);
  plan();
  return () => {
    stopped = true;
    forget();
    turn.cancel();
    soon?.cancel();
  };
}
