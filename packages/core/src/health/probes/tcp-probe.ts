import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { checkOptions, namesOf } from '../../options/check.js';
import { shown } from '../../options/shown.js';
import { toMs } from '../../time/duration.js';
import type { Duration } from '../../time/duration.js';
import { thrownName } from '../reason.js';
import type { Probe, ProbeResult } from './probe.js';

export interface TcpProbeOptions {
  /** Default: the instance's own. */
  readonly port?: number;
  /** Connecting that takes longer is unhealthy. Default: only the check's timeout limits it. */
  readonly maxLatency?: Duration;
}

const OPTIONS = namesOf<TcpProbeOptions>({ port: true, maxLatency: true });

/**
 * Asks whether somebody accepts connections: connects and closes. It tells nothing about whether requests are answered: a process that is
 * stopped or stuck still has the kernel accept for it. Reasons: the error's code such as `ECONNREFUSED`, or `slow`.
 * @throws TypeError for an option that does not fit.
 */
export function tcpProbe(options: TcpProbeOptions = {}): Probe {
  checkOptions('tcpProbe', options, OPTIONS);
  checkProbePort(options.port, 'tcpProbe port');
  const maxLatencyMs = options.maxLatency === undefined ? Infinity : toMs(options.maxLatency, 'tcpProbe maxLatency');
  return (instance, { signal }) =>
    new Promise<ProbeResult>((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const startedAt = performance.now();
      let socket: Socket | undefined = undefined;
      const settle = (result: ProbeResult): void => {
        signal.removeEventListener('abort', aborted);
        socket?.destroy();
        resolve(result);
      };
      const aborted = (): void => settle({ healthy: false, reason: 'aborted' });
      signal.addEventListener('abort', aborted, { once: true });
      socket = connect({ host: instance.host, port: options.port ?? instance.port, noDelay: true });
      socket.unref();
      socket.on('error', (error) => settle({ healthy: false, reason: thrownName(error) }));
      socket.once('connect', () => settle(withinLatency(performance.now() - startedAt, maxLatencyMs)));
    });
}

/** Whether an answer that came after so long still counts. */
export function withinLatency(tookMs: number, maxMs: number): ProbeResult {
  return tookMs <= maxMs || { healthy: false, reason: `slow: ${Math.round(tookMs)} ms, more than ${maxMs} ms` };
}

/** @throws TypeError */
export function checkProbePort(port: unknown, option: string): void {
  if (port === undefined || (Number.isInteger(port) && (port as number) >= 1 && (port as number) <= 65_535)) return;
  throw new TypeError(`${option}: ${shown(port)} does not fit. Give an integer from 1 to 65535, or leave it out for the instance's own.`);
}
