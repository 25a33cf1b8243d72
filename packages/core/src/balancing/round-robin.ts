import { checkOptions, checkSurroundings } from '../options/check.js';
import { perView } from './balancer.js';
import type { Balancer } from './balancer.js';
import { drawOf } from './draw.js';

/**
 * One after the other, for each view by itself. It starts at a random place, so that clients started together do not march in step.
 * While the list stays the same, each run of n picks hits all n endpoints once; an endpoint that comes or goes displaces the turn
 * of at most one other. Blind to latency and failures; knows neither weights nor slow start.
 */
export function roundRobin(options: { readonly random?: () => number } = {}): Balancer {
  checkOptions('roundRobin', options, ['random']);
  checkSurroundings('roundRobin', options);
  const draw = drawOf(options.random);
  const turnOf = perView((view) => ({ next: draw(view.endpoints.length) }));
  return {
    name: 'round-robin',
    pick(view) {
      const { endpoints } = view;
      if (endpoints.length === 0) return undefined;
      const turn = turnOf(view);
      const index = turn.next < endpoints.length ? turn.next : 0;
      turn.next = index + 1;
      return endpoints[index];
    },
  };
}
