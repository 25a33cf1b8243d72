/** Lets at most `limit` in at a time; the others wait in order. */
export interface Gate {
  /** Calls `start` when there is a place, perhaps at once. The returned function gives the place back, or stops waiting for one; idempotent. */
  enter(start: () => void): () => void;
}

interface Visit {
  readonly start: () => void;
  inside: boolean;
  over: boolean;
}

export function gate(limit: number): Gate {
  const waiting = new Set<Visit>();
  let free = limit;
  const admit = (): void => {
    for (const visit of waiting) {
      if (free === 0) return;
      free--;
      waiting.delete(visit);
      visit.inside = true;
      visit.start();
    }
  };
  return {
    enter(start) {
      const visit: Visit = { start, inside: false, over: false };
      waiting.add(visit);
      admit();
      return () => {
        if (visit.over) return;
        visit.over = true;
        waiting.delete(visit);
        if (!visit.inside) return;
        free++;
        admit();
      };
    },
  };
}
