import type { LayerMode } from '../registry/layer-mode.js';

/** Where the calls of a service go: to the addresses that were given, or to what the registry lists. */
export type HybridSide = 'direct' | 'registry';

/**
 * `as-configured`: what `prefer` and `fallback` say. `prefer-direct`, `prefer-registry`: both sides, that one first. `direct-only`,
 * `registry-only`: that one alone. `last-known`: as configured, and when the registry says that nobody is there any more, whom it listed last.
 */
export type HybridRouting = 'as-configured' | 'prefer-direct' | 'prefer-registry' | 'direct-only' | 'registry-only' | 'last-known';

export const HYBRID_ROUTINGS: readonly HybridRouting[] = [
  'as-configured',
  'prefer-direct',
  'prefer-registry',
  'direct-only',
  'registry-only',
  'last-known',
];

export interface HybridRule {
  readonly prefer: HybridSide;
  readonly fallback: boolean;
}

export interface RoutingPlan {
  readonly mode: LayerMode;
  readonly holdLast: boolean;
}

/**
 * How the lists are made for it. Without `fallback` the other side stays out of reach, whatever asks for it: a routing that merely orders the
 * sides is then as configured, and one that needs the other side has no plan (undefined).
 */
export function planOf(routing: HybridRouting, { prefer, fallback }: HybridRule): RoutingPlan | undefined {
  const isDirect = prefer === 'direct';
  // Services without an address of their own are the registry's in any case, hence `either`.
  const configured: LayerMode = fallback ? (isDirect ? 'merge' : 'merge-reversed') : isDirect ? 'either' : 'second';
  const only = (side: HybridSide, mode: LayerMode): RoutingPlan | undefined => (fallback || side === prefer ? { mode, holdLast: false } : undefined);
  switch (routing) {
    case 'as-configured':
      return { mode: configured, holdLast: false };
    case 'last-known':
      return { mode: configured, holdLast: true };
    case 'prefer-direct':
      return { mode: fallback ? 'merge' : configured, holdLast: false };
    case 'prefer-registry':
      return { mode: fallback ? 'merge-reversed' : configured, holdLast: false };
    case 'direct-only':
      return only('direct', 'first');
    case 'registry-only':
      return only('registry', 'second');
  }
}
