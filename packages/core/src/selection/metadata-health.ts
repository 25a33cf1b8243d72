import { TimedHeap } from '../balancing/timed-heap.js';
import type { Timed } from '../balancing/timed-heap.js';
import { checkOptions, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import type { HealthSource } from '../registry/health-source.js';
import type { Instance } from '../registry/registry.js';
import { systemClock } from '../time/clock.js';
import type { Clock, Timer } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';

export interface MetadataHealthOptions {
  /** How old a heartbeat may be. Default 30 s. The clocks of the machines have to agree better than that. */
  readonly maxAge?: Duration;
  /** The key that says `healthy`, or something else. Default `health`. */
  readonly healthKey?: string;
  /** The key with the time of the last heartbeat, as RFC 3339 has it. Default `last_heartbeat`. */
  readonly heartbeatKey?: string;
  readonly clock?: Clock;
}

const OPTIONS = namesOf<MetadataHealthOptions>({ maxAge: true, healthKey: true, heartbeatKey: true, clock: true });
/** RFC 3339, 5.6. */
const TIME = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/**
 * Health as instances write it into their metadata: `health` is `healthy` or not; without it, `last_heartbeat` must not be older than `maxAge`; without
 * either, or with a time that cannot be read, nothing is known, which counts as healthy. Give it to `health` of a client or selector: one timer
 * notices heartbeats that grow too old, and no pick asks.
 *
 * A registry that expires its entries knows better; this is for one that keeps them, or for entries that others write.
 * @throws TypeError for an option that does not fit.
 */
export function metadataHealth(options: MetadataHealthOptions = {}): HealthSource {
  checkOptions('metadataHealth', options, OPTIONS);
  checkSurroundings('metadataHealth', options);
  const { clock = systemClock, healthKey = 'health', heartbeatKey = 'last_heartbeat' } = options;
  const maxAgeMs = toMs(options.maxAge ?? 30_000, 'metadataHealth maxAge');
  if (maxAgeMs === 0) throw new TypeError(`metadataHealth maxAge: 0 leaves no time between two heartbeats. Give a duration above 0, such as '30s'.`);
  for (const [option, key] of Object.entries({ healthKey, heartbeatKey }))
    if (typeof key !== 'string' || key === '')
      throw new TypeError(`metadataHealth ${option}: ${shown(key)} is no key. Give the name of one, such as 'health'.`);

  const listeners = new Set<(service: string, id: string) => void>();
  /** When to ask again about whom, on the scale of `wallTime`: when a heartbeat will be too old, at the latest after `maxAge`, so that who has left is forgotten. */
  const beats = new TimedHeap<Beat>();
  const known = new Map<string, Beat>();
  let timer: Timer | undefined;

  function remember({ service, id }: Instance, at: number): void {
    if (listeners.size === 0) return;
    const key = `${service} ${id}`;
    let beat = known.get(key);
    if (beat === undefined) known.set(key, (beat = { key, service, id, at, slot: -1 }));
    // The earlier one stays: somebody who has an older copy asks again then, and everybody else learns that nothing has changed.
    else if (beat.at <= at) return;
    beat.at = at;
    beats.put(beat);
    if (beats.top === beat) arm();
  }

  /** Looks again after `maxAge` at the latest, so that a clock that is set meanwhile is noticed. */
  function arm(): void {
    timer?.cancel();
    const { top } = beats;
    timer = top === undefined ? undefined : clock.schedule(Math.min(Math.max(top.at - clock.wallTime(), 0) + 1, maxAgeMs), expire);
  }

  function expire(): void {
    timer = undefined;
    const now = clock.wallTime();
    try {
      for (let beat = beats.top; beat !== undefined && beat.at < now; beat = beats.top) {
        beats.remove(beat);
        known.delete(beat.key);
        for (const listener of [...listeners]) listener(beat.service, beat.id);
      }
    } finally {
      arm();
    }
  }

  return {
    healthOf(instance) {
      const { metadata = {} } = instance;
      const said = metadata[healthKey];
      if (said !== undefined) return said === 'healthy';
      const beat = metadata[heartbeatKey];
      if (beat === undefined || !TIME.test(beat)) return undefined;
      const until = Date.parse(beat.toUpperCase().replace(' ', 'T')) + maxAgeMs;
      if (Number.isNaN(until)) return undefined;
      const now = clock.wallTime();
      if (now > until) return false;
      remember(instance, Math.min(until, now + maxAgeMs));
      return true;
    },
    onChange(listener) {
      const heard = (service: string, id: string): void => listener(service, id);
      listeners.add(heard);
      return () => {
        listeners.delete(heard);
        if (listeners.size > 0) return;
        beats.clear();
        known.clear();
        timer?.cancel();
        timer = undefined;
      };
    },
  };
}

interface Beat extends Timed {
  readonly key: string;
  readonly service: string;
  readonly id: string;
}
