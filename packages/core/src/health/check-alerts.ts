import { tellSinks } from '../alerts/alert.js';
import type { AlertSink } from '../alerts/alert.js';
import type { Logger } from '../logging/logger.js';
import type { CheckChange, HealthStatus } from './check.js';

export interface CheckAlerts {
  /** A check has changed. */
  changed(change: CheckChange): void;
  /** A check is gone, and with it what it raised. */
  removed(name: string, at: number): void;
}

/** Makes alerts of the changes of checks: one when a check becomes as bad as `from` or worse, its recovery when it is better again. */
export function checkAlerts(sinks: readonly AlertSink[], from: 'warn' | 'fail', logger: Logger): CheckAlerts {
  const raised = new Set<string>();
  const isBad = (status: HealthStatus): boolean => status === 'fail' || status === from;
  const tell = (kind: 'raised' | 'resolved', subject: string, message: string, at: number, details: Readonly<Record<string, unknown>>): void =>
    tellSinks(sinks, { source: 'health', kind, subject, message, at, details }, (error) =>
      logger.error({ error, check: subject }, 'An alert sink failed'),
    );
  return {
    changed({ name, from: before, to, report }) {
      if (isBad(to) === raised.has(name)) return;
      const { at, output, failures, critical } = report;
      const details = { status: to, before, critical, failures, ...(output !== undefined && { output }) };
      if (isBad(to)) {
        raised.add(name);
        tell('raised', name, `Check ${name} ${to === 'fail' ? 'fails' : 'warns'}${output === undefined ? '' : `: ${output}`}`, at, details);
      } else {
        raised.delete(name);
        tell('resolved', name, `Check ${name} has recovered`, at, details);
      }
    },
    removed(name, at) {
      if (raised.delete(name)) tell('resolved', name, `Check ${name} was removed`, at, {});
    },
  };
}
