import { checkOptions, checkSurroundings } from '../options/check.js';
import type { Balancer } from './balancer.js';
import { drawOf } from './draw.js';

/** Any one, all equally likely. Keeps nothing and never herds, but at 90 % utilisation its p99 is twice that of `p2c()`. */
export function random(options: { readonly random?: () => number } = {}): Balancer {
  checkOptions('random', options, ['random']);
  checkSurroundings('random', options);
  const draw = drawOf(options.random);
  return {
    name: 'random',
    pick: ({ endpoints }) => (endpoints.length === 0 ? undefined : endpoints[draw(endpoints.length)]),
  };
}
