import type { Logger } from '../logging/logger.js';
import type { HealthTarget, Instance, InstanceStatus, Registrar, Registration } from '../registry/registry.js';
import type { Clock } from '../time/clock.js';
import { abortableOf, sleep } from '../time/sleep.js';
import { backoff } from '../wrappers/backoff.js';

const ATTEMPT_MS = 10_000;
/** From half a second to half a minute, apart from those who failed at the same moment. */
const PAUSE = backoff.decorrelated({ base: 500, cap: 30_000 });

export interface AnnounceOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  /** Whether to try again when the first attempt fails. */
  readonly retry: boolean;
  /** What a registry may ask by itself. */
  readonly health?: HealthTarget;
}

/** An instance on its way into the registry, and out of it again. */
export interface Announcement {
  /** Whether others have ever been able to see it. */
  readonly registered: boolean;
  /** How the first attempt went. Without `retry` nothing follows after it rejects. */
  readonly first: Promise<void>;
  /** Changes the status that others see; without effect while there is no entry. Rejects when the registry could not. */
  report(status: InstanceStatus, note?: string): Promise<void>;
  /** Stops trying and removes the entry for good, with whatever late answers have left. Rejects when the registry could not. */
  withdraw(): Promise<void>;
}

/**
 * Registers, and tries again in the background until it worked: a registry that is down at start delays being found, not being started.
 * Once registered, keeping the entry is the registry's own task.
 */
export function announce(registry: Registrar, instance: Instance, { clock, random, logger, retry, health }: AnnounceOptions): Announcement {
  const over = new AbortController();
  /** By attempt. An abandoned one may be answered late, and then there are several for one instance. */
  const found = new Map<number, Registration>();
  let attempts = 0;
  let withdrawn = false;

  /** Whatever a late answer of an abandoned attempt brings: it must not leave an entry behind after `withdraw`. */
  const keep = async (registration: Registration, attempt: number): Promise<void> => {
    if (withdrawn) await registration.deregister();
    else found.set(attempt, registration);
  };

  /** Does it with all, though one fails, the newest last: what that does is what remains. */
  const withEach = async (work: (registration: Registration) => Promise<void>): Promise<void> => {
    const failures: unknown[] = [];
    for (const [, registration] of [...found].toSorted(([a], [b]) => a - b)) await work(registration).catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  };

  const attempt = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const number = ++attempts;
      const limit = new AbortController();
      const give = (reason: unknown): void => {
        limit.abort(reason);
        reject(reason);
      };
      const timer = clock.schedule(ATTEMPT_MS, () => give(new DOMException(`No answer from the registry within ${ATTEMPT_MS} ms`, 'TimeoutError')));
      const forget = abortableOf(over.signal).onAbort(give);
      Promise.resolve()
        .then(() => registry.register(instance, { signal: limit.signal, logger, ...(health !== undefined && { health }) }))
        .then((registration) => keep(registration, number))
        .then(resolve, reject)
        .finally(() => {
          timer.cancel();
          forget();
        });
    });

  const first = attempt();
  const work = (async (): Promise<void> => {
    let failed = 0;
    let pauseMs = 0;
    for (let next = first; ; next = attempt()) {
      try {
        await next;
        logger.info({ instance: instance.id, failed }, 'Registered');
        return;
      } catch (error) {
        if (withdrawn) return;
        failed++;
        logger.warn({ error, instance: instance.id, failed }, retry ? 'Registering failed; trying again' : 'Registering failed');
        if (!retry) return;
      }
      pauseMs = PAUSE(failed, random, pauseMs);
      await sleep(pauseMs, abortableOf(over.signal), clock).catch(() => {});
      if (withdrawn) return;
    }
  })();
  first.catch(() => {}); // heard in `work`

  return {
    get registered() {
      return found.size > 0;
    },
    first,
    async report(status, note) {
      if (!withdrawn) await withEach((registration) => registration.report(status, note));
    },
    async withdraw() {
      withdrawn = true;
      over.abort(new DOMException('The service stops', 'AbortError'));
      await work;
      await withEach((registration) => registration.deregister());
    },
  };
}
