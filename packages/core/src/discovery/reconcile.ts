import { sameInstance } from '../registry/instance.js';
import type { Instance } from '../registry/registry.js';
import type { DirectoryEvent } from './directory.js';

export interface Change {
  readonly type: DirectoryEvent['type'];
  readonly instance: Instance;
}

/** A new list against the one before, by id: who went, who came, who changed. What did not change keeps its object; of two with one id the first counts. */
export function reconcile(
  before: readonly Instance[],
  now: readonly Instance[],
): { readonly instances: readonly Instance[]; readonly changes: readonly Change[] } {
  const known = new Map(before.map((instance) => [instance.id, instance]));
  const next = new Map<string, Instance>();
  const came: Change[] = [];
  const changed: Change[] = [];
  for (const instance of now) {
    if (next.has(instance.id)) continue;
    const old = known.get(instance.id);
    if (old !== undefined && sameInstance(old, instance)) {
      next.set(old.id, old);
      continue;
    }
    next.set(instance.id, instance);
    (old === undefined ? came : changed).push({ type: old === undefined ? 'register' : 'update', instance });
  }
  const gone: Change[] = before.filter((instance) => !next.has(instance.id)).map((instance) => ({ type: 'deregister', instance }));
  return { instances: [...next.values()], changes: [...gone, ...came, ...changed] };
}
