import { checkOptions, namesOf } from '../../options/check.js';
import type { Check } from '../check.js';
import { httpProbe } from '../probes/http-probe.js';
import type { HttpProbeOptions } from '../probes/http-probe.js';
import { addressOf } from './address.js';
import { TIMED_OPTIONS, ofProbe, timedCheck } from './made-check.js';
import type { TimedCheckOptions } from './made-check.js';

export interface HttpCheckOptions extends TimedCheckOptions, Omit<HttpProbeOptions, 'port'> {
  /** `http:` or `https:`, without a user and a password: those go into `headers`. */
  readonly url: string;
}

const PROBE_OPTIONS = { method: true, status: true, maxLatency: true, body: true, headers: true, tls: true } as const;
const OPTIONS = namesOf<HttpCheckOptions>({ ...TIMED_OPTIONS, ...PROBE_OPTIONS, url: true });

/**
 * Asks a URL, over a connection of its own each time. Redirects are not followed: they fail, unless `status` names them. A reply that takes longer
 * than `maxLatency` fails, one that takes longer than `warnAfter` warns. At most 64 KB of a body are read. Its name is `http <host>` by default.
 * @throws TypeError for an option that is unknown or does not fit.
 */
export function httpCheck(options: HttpCheckOptions): Check {
  checkOptions('httpCheck', options, OPTIONS);
  const { instance, path } = addressOf(options.url, 'httpCheck');
  const given = Object.keys(PROBE_OPTIONS) as (keyof typeof PROBE_OPTIONS)[];
  const probe = httpProbe(path, Object.fromEntries(given.filter((name) => options[name] !== undefined).map((name) => [name, options[name]])));
  return timedCheck({
    factory: 'httpCheck',
    known: OPTIONS,
    options,
    defaults: { name: `http ${instance.host}` },
    run: async (context) => ofProbe(await probe(instance, context)),
  });
}
