import type { CheckReport, HealthStatus } from './check.js';

/** Whether the service takes traffic. It moves only forward, from left to right. */
export type Readiness = 'starting' | 'ready' | 'draining';

/** What one of the four questions was answered with. */
export interface HealthReport {
  readonly status: HealthStatus;
  readonly readiness: Readiness;
  /** The checks that were asked, in the order they were added; empty where the answer did not depend on them. */
  readonly checks: readonly CheckReport[];
  /** What else whoever may see details has to know, such as faults that are injected on purpose. Default none. */
  readonly notes?: readonly string[];
}

/**
 * The body of a health reply: `{"status":"pass"}`, and with details the rest of the health+json format
 * (draft-inadarei-api-health-check-06). Without details nothing but the one word leaves the process.
 */
export function healthJson(report: HealthReport, details: boolean): string {
  if (!details) return `{"status":"${report.status}"}`;
  const checks: Record<string, readonly object[]> = Object.create(null) as Record<string, readonly object[]>;
  for (const check of report.checks) {
    checks[check.name] = [
      {
        status: check.status,
        observedValue: Math.round(check.durationMs),
        observedUnit: 'ms',
        time: new Date(check.at).toISOString(),
        ...(check.output === undefined ? {} : { output: check.output }),
      },
    ];
  }
  return JSON.stringify({ status: report.status, notes: [report.readiness, ...(report.notes ?? [])], checks });
}
