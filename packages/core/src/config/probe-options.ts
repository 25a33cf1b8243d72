import type { ActiveCheck } from '../health/active/active-check.js';
import { httpProbe } from '../health/probes/http-probe.js';
import type { Probe } from '../health/probes/probe.js';
import { tcpProbe } from '../health/probes/tcp-probe.js';
import type { CheckConfiguration, ProbeConfiguration } from './configuration.js';
import { withoutType } from './without-type.js';

/** @throws TypeError for what a probe refuses */
export function checkOf({ probe = 'tcp', ...rest }: Partial<CheckConfiguration>): ActiveCheck {
  return { ...rest, probe: probeOf(probe) };
}

function probeOf(config: 'tcp' | ProbeConfiguration): Probe {
  if (config === 'tcp') return tcpProbe();
  if (config.type === 'tcp') return tcpProbe(withoutType(config));
  const { path, ...options } = withoutType(config);
  return httpProbe(path, options);
}
