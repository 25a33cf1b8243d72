import { Resolver } from 'node:dns/promises';
import { checkOptions, namesOf } from '../../options/check.js';
import { shown } from '../../options/shown.js';
import type { Check } from '../check.js';
import { TIMED_OPTIONS, checkCount, checkText, timedCheck } from './made-check.js';
import type { TimedCheckOptions } from './made-check.js';

const TYPES = ['A', 'AAAA', 'CNAME', 'MX', 'NS', 'SRV', 'TXT'] as const;

export interface DnsCheckOptions extends TimedCheckOptions {
  readonly hostname: string;
  /** The type of record that is asked for. Default `A`. */
  readonly record?: (typeof TYPES)[number];
  /** So many records have to come, else it fails. Default 1. */
  readonly atLeast?: number;
  /** Addresses of DNS servers, with ports where they are not 53. Default: those of this machine as they are at each run. */
  readonly servers?: readonly string[];
}

const OPTIONS = namesOf<DnsCheckOptions>({ ...TIMED_OPTIONS, hostname: true, record: true, atLeast: true, servers: true });
/** The check's own timeout, or whoever aborts it, is the bound; one try waits this long, ms. */
const QUERY_TIMEOUT_MS = 2_000;

/**
 * Whether the DNS servers know a name. It asks them and nobody else: `/etc/hosts` and search domains have no say, and no thread of Node's pool is
 * held meanwhile. Its name is `dns <hostname>` by default.
 * @throws TypeError for an option that is unknown or does not fit.
 */
export function dnsCheck(options: DnsCheckOptions): Check {
  checkOptions('dnsCheck', options, OPTIONS);
  const { hostname, record = 'A', atLeast = 1, servers } = options;
  checkText(hostname, 'dnsCheck hostname', "a name such as 'db.internal'");
  if (!TYPES.includes(record)) throw new TypeError(`dnsCheck record: ${shown(record)} is unknown. Use one of ${TYPES.join(', ')}.`);
  checkCount(atLeast, 'dnsCheck atLeast', 1);
  if (servers !== undefined) checkServers(servers);
  return timedCheck({
    factory: 'dnsCheck',
    known: OPTIONS,
    options,
    defaults: { name: `dns ${hostname}` },
    async run({ signal }) {
      const resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: 2 });
      if (servers !== undefined) resolver.setServers(servers);
      const aborted = (): void => resolver.cancel();
      signal.addEventListener('abort', aborted, { once: true });
      try {
        const records = await resolver.resolve(hostname, record);
        const found = Array.isArray(records) ? records.length : 1;
        return found >= atLeast ? { status: 'pass' } : { status: 'fail', output: `${found} records, fewer than ${atLeast}` };
      } finally {
        signal.removeEventListener('abort', aborted);
      }
    },
  });
}

function checkServers(servers: readonly string[]): void {
  try {
    if (servers.length === 0) throw new TypeError('none');
    new Resolver().setServers(servers);
  } catch {
    throw new TypeError(`dnsCheck servers: ${shown(servers)} does not fit. Give addresses, such as ['10.0.0.2', '127.0.0.1:5353'].`);
  }
}
