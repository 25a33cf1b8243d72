// Calls with the same key (a user, a document) go to the same instance, as long as it is fit to be picked: a hash ring, made again when
// the list or a state changes and searched in logarithmic time per pick.
import { createHash } from 'node:crypto';
import { perView } from '@ferrule/core/adapter';

/** Places of each instance on the ring: with a hundred, shares differ by about a tenth. */
const PLACES = 100;

export function sticky({ key }) {
  if (typeof key !== 'function')
    throw new TypeError(`sticky key: ${String(key)} is no function. Give (call) => text, or undefined for calls that have no key.`);
  const ringOf = perView(() => ({ version: -1, places: [] }));
  return {
    name: 'sticky',
    pick(view, call) {
      const wanted = key(call);
      if (wanted === undefined || view.endpoints.length === 0) return undefined; // the client's fallback balancer picks
      const ring = ringOf(view);
      if (ring.version !== view.version) {
        ring.version = view.version;
        ring.places = view.endpoints
          .flatMap((endpoint) => Array.from({ length: PLACES }, (_, index) => ({ at: hash(`${endpoint.id} ${index}`), endpoint })))
          .toSorted((a, b) => a.at - b.at);
      }
      return firstFrom(ring.places, hash(wanted)).endpoint;
    },
  };
}

function hash(text) {
  return createHash('md5').update(text).digest().readUInt32BE(0); // spreads well; nobody's secret
}

function firstFrom(places, at) {
  let low = 0;
  let high = places.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (places[middle].at < at) low = middle + 1;
    else high = middle;
  }
  return places[low % places.length];
}
