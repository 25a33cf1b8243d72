import type { HealthReport } from '../health/report.js';
import type { Logger } from '../logging/logger.js';
import type { InstanceStatus } from '../registry/registry.js';
import type { Clock, Timer } from '../time/clock.js';
import type { Announcement } from './announcement.js';

export interface ReadinessReportOptions {
  readonly everyMs: number;
  readonly ready: () => Promise<HealthReport>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Tells the registry when readiness changes, so that other processes stop choosing an instance whose critical checks fail and come back
 * when they pass. The monitor answers when it is asked, so it is asked every so often, while there is an entry that could say it; a prober
 * that asks as well costs nothing more, since checks share their answers. What the registry does not take is told again at the next turn.
 * The returned function stops it; nothing is reported after that.
 */
export function reportReadiness(announcement: Announcement, { everyMs, ready, clock, logger }: ReadinessReportOptions): () => void {
  let told: InstanceStatus = 'pass';
  let stopped = false;
  let timer: Timer;

  const look = async (): Promise<void> => {
    if (!announcement.registered) return;
    const { status, checks } = await ready();
    if (stopped || status === told) return;
    const named = checks.filter((check) => check.status !== 'pass').map(({ name }) => name);
    await announcement.report(status, named.length === 0 ? undefined : `not passing: ${named.join(', ')}`);
    told = status;
    logger[status === 'pass' ? 'info' : 'warn']({ status, checks: named }, 'The registry was told that readiness has changed');
  };
  const plan = (): void => {
    timer = clock.schedule(everyMs, () => {
      void look()
        .catch((error: unknown) => logger.warn({ error }, 'The registry does not take the readiness; telling it again'))
        .then(() => void (stopped || plan()));
    });
  };
  plan();
  return () => {
    stopped = true;
    timer.cancel();
  };
}
