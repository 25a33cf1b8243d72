import type { InstanceStatus } from '@ferrule/core';

/** In Consul's words. */
export const CHECK_STATUS: Readonly<Record<InstanceStatus, 'passing' | 'warning' | 'critical'>> = {
  pass: 'passing',
  warn: 'warning',
  fail: 'critical',
};

/** And back. A status that nobody knows (`maintenance` of other tools) is none to send traffic to. */
export function statusOf(status: string | undefined): InstanceStatus {
  return status === 'passing' ? 'pass' : status === 'warning' ? 'warn' : 'fail';
}

export function worst(all: readonly (string | undefined)[]): InstanceStatus {
  return all.includes('fail') ? 'fail' : all.includes('warn') ? 'warn' : 'pass';
}
