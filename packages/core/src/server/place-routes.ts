import { shown } from '../options/shown.js';
import type { Mountable } from './http-adapter.js';

/**
 * What a service gives its adapter, marked as placed by the app: for an adapter's `routes(service)`.
 * @throws TypeError when it is no service.
 */
export function placeRoutes(service: { readonly mountable: Mountable }): Mountable {
  const { mountable } = ((typeof service === 'object' ? service : undefined) ?? {}) as { readonly mountable?: Mountable };
  if (typeof mountable !== 'object' || mountable === null)
    throw new TypeError(`routes: ${shown(service)} is no service. Give what createService() returned; its routes are the option of that.`);
  mountable.placed = true;
  return mountable;
}
