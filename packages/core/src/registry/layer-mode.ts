import type { Instance } from './registry.js';

/**
 * What the list of a service is made of. `either`: the first layer's when it knows the service, else the second's. `first`, `second`: that
 * layer alone, the other is not asked. `merge`: both, the first preferred. `merge-reversed`: both, the second preferred.
 */
export type LayerMode = 'either' | 'first' | 'second' | 'merge' | 'merge-reversed';

export const LAYER_MODES: readonly LayerMode[] = ['either', 'first', 'second', 'merge', 'merge-reversed'];

/** One layer as the composition sees it. */
export interface LayerView {
  /** Its list, which may be an older one while the layer is away; undefined: it has told none. */
  readonly list: readonly Instance[] | undefined;
  /** It may still tell a first list, and is worth waiting for. */
  readonly awaited: boolean;
}

/** The list of a service, and whose each instance is. */
export interface Composed {
  readonly instances: readonly Instance[];
  /** Of those that the first layer gave. */
  readonly firstIds: ReadonlySet<string>;
}

/**
 * The list that the layers make together; undefined while none can be told: the preferred layer is still awaited, or nobody is listed and a
 * layer cannot be seen, because "I cannot see" is not "nobody is there". Of two instances with the same id the preferred layer's stands.
 */
export function compose(mode: LayerMode, first: LayerView, second: LayerView, behind: (instance: Instance) => Instance): Composed | undefined {
  switch (mode) {
    case 'first':
      return first.list && { instances: first.list, firstIds: idsOf(first.list) };
    case 'second':
      return second.list && { instances: second.list, firstIds: NO_IDS };
    case 'either':
      if (isAwaited(first)) return undefined;
      if (first.list !== undefined && first.list.length > 0) return { instances: first.list, firstIds: idsOf(first.list) };
      return hasSomebodyOrSees(second.list, first.list) ? { instances: second.list, firstIds: NO_IDS } : undefined;
    case 'merge':
    case 'merge-reversed': {
      const [preferred, other] = mode === 'merge' ? [first, second] : [second, first];
      if (isAwaited(preferred)) return undefined;
      const ids = idsOf(preferred.list ?? []);
      const backups = (other.list ?? []).filter(({ id }) => !ids.has(id)).map(behind);
      const instances = preferred.list === undefined || backups.length > 0 ? [...(preferred.list ?? []), ...backups] : preferred.list;
      if (instances.length === 0 && (first.list === undefined || second.list === undefined)) return undefined;
      return { instances, firstIds: mode === 'merge' ? ids : idsOf(backups) };
    }
  }
}

/** Whether the second layer has a say, so that it has to be watched. */
export function needsSecond(mode: LayerMode, first: LayerView): boolean {
  if (mode !== 'either') return mode !== 'first';
  return first.list === undefined ? !first.awaited : first.list.length === 0;
}

const NO_IDS: ReadonlySet<string> = new Set();

const idsOf = (list: readonly Instance[]): ReadonlySet<string> => (list.length === 0 ? NO_IDS : new Set(list.map(({ id }) => id)));

const isAwaited = ({ list, awaited }: LayerView): boolean => list === undefined && awaited;

/** A list with somebody in it says enough; an empty one only together with the other layer's. */
function hasSomebodyOrSees(list: readonly Instance[] | undefined, other: readonly Instance[] | undefined): list is readonly Instance[] {
  return list !== undefined && (list.length > 0 || other !== undefined);
}
