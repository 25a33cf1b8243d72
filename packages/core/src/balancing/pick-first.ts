import { checkOptions, checkSurroundings } from '../options/check.js';
import { perView } from './balancer.js';
import type { Balancer, View } from './balancer.js';
import { drawOf } from './draw.js';
import type { Draw } from './draw.js';
import type { Endpoint } from './endpoint.js';

/**
 * One endpoint, drawn at random, for as long as it is ready; then another one. Every client holds few connections, and caches of the endpoint that it
 * knows stay warm; drawn, because clients that all take the first of a list all sit on one server (gRPC's proposals A61 and A62 shuffle for that).
 * A second attempt goes to any. Blind to latency and weights; shares evenly only over many clients. O(1) a pick, O(n) once for a changed list.
 */
export function pickFirst(options: { readonly random?: () => number } = {}): Balancer {
  checkOptions('pickFirst', options, ['random']);
  checkSurroundings('pickFirst', options);
  const draw = drawOf(options.random);
  const choiceOf = perView<Choice>(() => ({ version: -1, endpoint: undefined }));
  return {
    name: 'pick-first',
    pick(view, call) {
      if (call.attempt > 1) return drawn(view, draw);
      const choice = choiceOf(view);
      if (choice.version === view.version) return choice.endpoint;
      choice.version = view.version;
      if (choice.endpoint === undefined || !view.endpoints.includes(choice.endpoint)) choice.endpoint = drawn(view, draw);
      return choice.endpoint;
    },
  };
}

interface Choice {
  version: number;
  endpoint: Endpoint | undefined;
}

function drawn({ endpoints }: View, draw: Draw): Endpoint | undefined {
  return endpoints.length === 0 ? undefined : endpoints[draw(endpoints.length)];
}
