import type { HealthTarget, Instance } from '@ferrule/core';
import { originOf } from '@ferrule/core/adapter';
import type { CheckSettings } from './check.js';
import { CHECK_STATUS } from './status.js';

/** For whom a check is: with all that the agent must know to reach it. */
export interface CheckedInstance {
  readonly checkId: string;
  readonly instance: Instance;
  readonly health: HealthTarget | undefined;
  /** Whether a warning may be shown as one. */
  readonly mayWarn: boolean;
}

/** Whether there is something to ask; else heartbeats have to do. */
export function hasTarget(check: CheckSettings, health: HealthTarget | undefined): boolean {
  return check.kind !== 'http' || (check.url ?? check.path ?? health) !== undefined;
}

/** The check as the agent takes it, in fields that Consul 1.8 knows; undefined: there is none. */
export function checkBody(check: CheckSettings, { checkId, instance, health, mayWarn }: CheckedInstance): object | undefined {
  if (check.kind === 'none') return undefined;
  const { status = 'pass' } = instance;
  const common = {
    CheckID: checkId,
    // Consul would begin with critical: whoever registers is ready.
    Status: CHECK_STATUS[status === 'warn' && !mayWarn ? 'pass' : status],
    ...(check.deregisterAfterMs !== undefined && { DeregisterCriticalServiceAfter: `${check.deregisterAfterMs}ms` }),
  };
  if (check.kind === 'ttl') return { ...common, Name: 'heartbeat', TTL: `${check.ttlMs}ms` };
  const asking = {
    ...common,
    Interval: `${check.intervalMs}ms`,
    Timeout: `${check.timeoutMs}ms`,
    ...(check.successBeforePassing !== undefined && { SuccessBeforePassing: check.successBeforePassing }),
    ...(check.failuresBeforeCritical !== undefined && { FailuresBeforeCritical: check.failuresBeforeCritical }),
  };
  const address = `${instance.host.includes(':') ? `[${instance.host}]` : instance.host}:${instance.port}`;
  if (check.kind === 'tcp') return { ...asking, Name: 'port', TCP: check.address ?? address };
  const skip = check.tlsSkipVerify === true && { TLSSkipVerify: true };
  if (check.kind === 'grpc') {
    const GRPC = `${check.address ?? address}${check.service === undefined ? '' : `/${check.service}`}`;
    return { ...asking, Name: 'gRPC health', GRPC, ...(check.useTls === true && { GRPCUseTLS: true }), ...skip };
  }
  const { url, path, method, headers, warn = url === undefined && mayWarn } = check;
  const target = url ?? (path === undefined ? health!.url : `${originOf(instance)}${path}`);
  return {
    ...asking,
    Name: 'readiness',
    HTTP: warn ? `${target}${target.includes('?') ? '&' : '?'}warn=429` : target,
    ...(method !== undefined && { Method: method }),
    ...(headers !== undefined && { Header: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])) }),
    ...skip,
  };
}
