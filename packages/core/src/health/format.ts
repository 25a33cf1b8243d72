import { memoryUsage, uptime } from 'node:process';
import type { CheckReport } from './check.js';
import type { HealthFormat, HealthReport } from './report.js';

/** The body of a health reply and its media type. */
export interface HealthBody {
  readonly type: string;
  readonly text: string;
}

/** The body in the format that was chosen. Without details nothing but the one word leaves the process. @throws what a function throws. */
export function healthBody(format: 'health+json' | HealthFormat, report: HealthReport, details: boolean): HealthBody {
  if (format === 'health+json') return { type: 'application/health+json', text: healthJson(report, details) };
  const { status, readiness, at } = report;
  const body = format(details ? report : { status, readiness, at, checks: [] }, { details });
  if (body instanceof Promise) {
    body.catch(() => {});
    throw new TypeError('monitor format: it gave a promise. Give text or an object at once.');
  }
  if (typeof body === 'string') return { type: 'text/plain; charset=utf-8', text: body };
  const text: unknown = JSON.stringify(body);
  if (typeof text !== 'string') throw new TypeError(`monitor format: it gave ${typeof body}, which JSON does not know. Give text or an object.`);
  return { type: 'application/json', text };
}

/**
 * `{"status":"pass"}`, and with details the rest of the health+json format (draft-inadarei-api-health-check-06). `timestamp`, `uptime` in seconds
 * and `memory` in bytes are ours; the draft lets readers ignore what they do not know.
 */
function healthJson(report: HealthReport, details: boolean): string {
  if (!details) return `{"status":"${report.status}"}`;
  const checks: Record<string, readonly object[]> = Object.create(null) as Record<string, readonly object[]>;
  for (const check of report.checks) checks[check.name] = [component(check)];
  const { rss, heapTotal, heapUsed, external } = memoryUsage();
  return JSON.stringify({
    status: report.status,
    ...(report.version !== undefined && { version: report.version }),
    notes: [report.readiness, ...(report.notes ?? [])],
    timestamp: new Date(report.at).toISOString(),
    uptime: Math.round(uptime()),
    memory: { rss, heapTotal, heapUsed, external },
    checks,
  });
}

function component({ status, durationMs, at, output }: CheckReport): object {
  return {
    status,
    observedValue: Math.round(durationMs),
    observedUnit: 'ms',
    time: new Date(at).toISOString(),
    // The draft leaves it out of what passes.
    ...(output !== undefined && status !== 'pass' && { output }),
  };
}
