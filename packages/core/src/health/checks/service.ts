import type { Directory } from '../../discovery/directory.js';
import { checkMethods, checkOptions, namesOf } from '../../options/check.js';
import { shown } from '../../options/shown.js';
import { checkServiceName } from '../../registry/instance.js';
import type { Check } from '../check.js';
import { CHECK_OPTIONS } from '../check-settings.js';
import { checkCount, madeCheck } from './made-check.js';
import type { CheckOptions } from '../check-settings.js';

/** What knows endpoints of a service by what calls to them came to: a ServiceSelector is one. */
export interface EndpointSource {
  readonly service: string;
  endpoints(): readonly { readonly state: string }[];
}

export interface ServiceCheckOptions extends CheckOptions {
  /** Whose endpoints are counted. It has to be there for a directory; a selector has one. */
  readonly service?: string;
  /** Fails when fewer are ready. Default 1. */
  readonly atLeast?: number;
  /** Warns when fewer are ready. Default: `atLeast`, so that it never warns. */
  readonly warnBelow?: number;
}

const OPTIONS = namesOf<ServiceCheckOptions>({ ...CHECK_OPTIONS, service: true, atLeast: true, warnBelow: true });

/**
 * Whether enough endpoints of a service are ready. A selector tells those that it may pick, as its own calls and health sources found them; a
 * directory those whose registry does not say that they fail, of the list that it has, a stale one included. What is asked of a directory is watched
 * from then on. Its name is `service <name>` by default.
 * @throws TypeError for a source that is none and an option that is unknown or does not fit.
 */
export function serviceCheck(source: EndpointSource | Pick<Directory, 'ready'>, options: ServiceCheckOptions = {}): Check {
  checkOptions('serviceCheck', options, OPTIONS);
  const { service: named, atLeast = 1, warnBelow = atLeast } = options;
  checkCount(atLeast, 'serviceCheck atLeast', 0);
  checkCount(warnBelow, 'serviceCheck warnBelow', 1);
  if (warnBelow < atLeast)
    throw new TypeError(
      `serviceCheck warnBelow: ${shown(warnBelow)} would never warn, for it fails below ${atLeast} already. Give more than atLeast.`,
    );
  const ofSelector = typeof source === 'object' && source !== null && 'endpoints' in source;
  checkMethods(source ?? null, [ofSelector ? 'endpoints' : 'ready'], 'serviceCheck', 'Give a ServiceSelector or a Directory');
  const service = named ?? (ofSelector ? source.service : undefined);
  if (service === undefined) throw new TypeError("serviceCheck service: a directory has many. Name one, such as service: 'orders'.");
  checkServiceName(service);
  if (ofSelector && service !== source.service)
    throw new TypeError(`serviceCheck service: ${shown(service)} is not that of the selector, ${shown(source.service)}. Leave it out.`);
  return madeCheck({
    factory: 'serviceCheck',
    known: OPTIONS,
    options,
    defaults: { name: `service ${service}` },
    async run({ signal }) {
      const ready = ofSelector ? source.endpoints().filter(({ state }) => state === 'ready').length : await passing(source, service, signal);
      if (ready >= warnBelow) return { status: 'pass' };
      const needed = ready < atLeast ? atLeast : warnBelow;
      return { status: ready < atLeast ? 'fail' : 'warn', output: `${ready} ready, fewer than ${needed}` };
    },
  });
}

async function passing(directory: Pick<Directory, 'ready'>, service: string, signal: AbortSignal): Promise<number> {
  const { state, instances, error } = await directory.ready(service, signal);
  if (state === 'failed') throw error ?? new Error('there is no list');
  return instances.filter(({ status }) => status !== 'fail').length;
}
