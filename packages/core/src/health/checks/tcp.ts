import { checkOptions, namesOf } from '../../options/check.js';
import type { Check } from '../check.js';
import { checkProbePort, tcpProbe } from '../probes/tcp-probe.js';
import { TIMED_OPTIONS, checkText, ofProbe, timedCheck } from './made-check.js';
import type { TimedCheckOptions } from './made-check.js';

export interface TcpCheckOptions extends TimedCheckOptions {
  /** A name or an address; of a name the first address that accepts. */
  readonly host: string;
  readonly port: number;
}

const OPTIONS = namesOf<TcpCheckOptions>({ ...TIMED_OPTIONS, host: true, port: true });

/**
 * Whether somebody accepts connections there: connects and closes. It does not tell whether requests are answered; a process that is stuck still
 * has the kernel accept for it. Its name is `tcp <host>:<port>` by default.
 * @throws TypeError for an option that is unknown or does not fit.
 */
export function tcpCheck(options: TcpCheckOptions): Check {
  checkOptions('tcpCheck', options, OPTIONS);
  const { host, port } = options;
  checkText(host, 'tcpCheck host', "a name or an address, such as 'db.internal'");
  checkProbePort(port ?? null, 'tcpCheck port');
  const probe = tcpProbe();
  const instance = { id: 'checked', service: 'checked', host: host.replace(/^\[(.*)\]$/, '$1'), port };
  return timedCheck({
    factory: 'tcpCheck',
    known: OPTIONS,
    options,
    defaults: { name: `tcp ${host}:${port}` },
    run: async (context) => ofProbe(await probe(instance, context)),
  });
}
