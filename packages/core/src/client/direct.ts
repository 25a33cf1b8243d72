import { checkFlag, checkOptions, checkRecord } from '../options/check.js';
import { shown } from '../options/shown.js';
import { checkServiceName } from '../registry/instance.js';
import { named } from '../wrappers/wrapper.js';
import type { Wrapper } from '../wrappers/wrapper.js';
import { ADDRESS, instanceAt } from './address.js';

export interface DirectOptions {
  /** false: every call goes through discovery, as if the wrapper were not there. Default true. */
  readonly enabled?: boolean;
}

/**
 * Direct mode: calls to these services go to these addresses, all others through discovery. For debugging, tests and small systems; it
 * stands among the `wrappers` of a client, a serviceFetch or a service (`clients: { wrappers: [direct({ … })] }`). A request with an address of its own keeps it.
 *
 * What holds for the address of a request holds here: no selection and no ejection, each attempt goes to the one address; timeouts, retries
 * and the rest of the stack are as ever. For several addresses of a service use `staticRegistry`, which balances.
 * @throws TypeError naming a service or an address that does not fit
 */
export function direct(services: Readonly<Record<string, string>>, options: DirectOptions = {}): Wrapper {
  if (services === undefined) throw new TypeError("direct: there are no services. Give addresses by name, such as { orders: '127.0.0.1:8080' }.");
  checkRecord(services, 'direct');
  checkOptions('direct options', options, ['enabled']);
  checkFlag(options.enabled, 'direct enabled');
  const addresses = new Map<string, string>();
  for (const [service, address] of Object.entries(services)) {
    checkServiceName(service, 'direct service');
    const subject = `direct ${shown(service)}`;
    if (Array.isArray(address))
      throw new TypeError(`${subject}: ${shown(address)} is a list. Give one address, or use staticRegistry, which balances over several.`);
    addresses.set(service, instanceAt(subject, service, address).id);
  }
  const enabled = options.enabled ?? true;
  return named({ name: 'direct' }, (next) => {
    if (!enabled) return next;
    return (call) => {
      const address = addresses.get(call.operation.service);
      if (address !== undefined && !call.values.has(ADDRESS)) {
        if (call.endpoint !== undefined)
          throw new TypeError(`direct: ${call.label} has its endpoint already. Put direct() into wrappers, not into attemptWrappers.`);
        call.values.set(ADDRESS, address);
      }
      return next(call);
    };
  });
}
