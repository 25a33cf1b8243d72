import { ServiceError } from '../errors/service-error.js';
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
  /** Whether `drain` has left the entry for `withdraw` to remove. */
  readonly remains: boolean;
  /**
   * How the first attempt went. Without `retry` nothing follows after it rejects: with what the registry threw when it gave up, UNAVAILABLE
   * (the cause is its last failure) or DEADLINE_EXCEEDED when it did not answer in time.
   */
  readonly first: Promise<void>;
  /** Changes the status that others see; while there is no entry, that with which it is registered. Rejects when the registry could not. */
  report(status: InstanceStatus, note?: string): Promise<void>;
  /**
   * Tells others to send nothing more, and stops trying. The entry stays for those who look, where the registry can do that, until
   * `withdraw`; else it is withdrawn at once. Rejects when the registry could not.
   */
  drain(): Promise<void>;
  /** Stops trying and removes the entry for good, with whatever late answers have left. Rejects when the registry could not. */
  withdraw(): Promise<void>;
}

/**
 * Registers, and tries again in the background until it worked: a registry that is down at start delays being found, not being started.
 * Once registered, keeping the entry is the registry's own task.
 */
export function announce(
  registry: Registrar & { readonly name?: string },
  instance: Instance,
  { clock, random, logger, retry, health }: AnnounceOptions,
): Announcement {
  const over = new AbortController();
  /** By attempt. An abandoned one may be answered late, and then there are several for one instance. */
  const found = new Map<number, Registration>();
  let attempts = 0;
  let draining = false;
  let withdrawn = false;
  let newest: { readonly status: InstanceStatus; readonly note: string | undefined } | undefined;

  /** Whatever a late answer of an abandoned attempt brings: it must not leave an entry behind after `withdraw`. */
  const keep = async (registration: Registration, attempt: number): Promise<void> => {
    if (withdrawn) return registration.deregister();
    found.set(attempt, registration);
    if (draining) await registration.drain?.();
    // What cannot be written now is the registry's to remember.
    else if (newest !== undefined && newest.status !== (registration.instance.status ?? 'pass'))
      await registration.report(newest.status, newest.note).catch(() => {});
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
      let failure: unknown;
      const onRetry = (error: unknown): void => void (failure = error);
      const give = (reason: unknown): void => {
        limit.abort(reason);
        reject(reason);
      };
      const timer = clock.schedule(ATTEMPT_MS, () => give(unregistered(registry.name, instance, failure)));
      const forget = abortableOf(over.signal).onAbort(give);
      Promise.resolve()
        .then(() =>
          registry.register(
            { ...instance, ...(newest && { status: newest.status }) },
            { signal: limit.signal, logger, onRetry, ...(health !== undefined && { health }) },
          ),
        )
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
        if (over.signal.aborted) return;
        failed++;
        logger.warn({ error, instance: instance.id, failed }, retry ? 'Registering failed; trying again' : 'Registering failed');
        if (!retry) return;
      }
      pauseMs = PAUSE(failed, random, pauseMs);
      await sleep(pauseMs, abortableOf(over.signal), clock).catch(() => {});
      if (over.signal.aborted) return;
    }
  })();
  first.catch(() => {}); // heard in `work`

  const stopTrying = (): void => over.abort(new DOMException('The service stops', 'AbortError'));
  const withdraw = async (): Promise<void> => {
    withdrawn = true;
    stopTrying();
    await work;
    await withEach((registration) => registration.deregister());
  };

  return {
    get registered() {
      return found.size > 0;
    },
    get remains() {
      return draining && !withdrawn;
    },
    first,
    async report(status, note) {
      if (withdrawn) return;
      newest = { status, note };
      await withEach((registration) => registration.report(status, note));
    },
    async drain() {
      const registrations = [...found.values()];
      if (registrations.length === 0 || registrations.some(({ drain }) => drain === undefined)) return withdraw();
      draining = true;
      stopTrying();
      await work;
      await withEach((registration) => registration.drain!()).catch(withdraw);
    },
    withdraw,
  };
}

/** Why nobody can find the service yet. */
function unregistered(registry: string | undefined, { service, id }: Instance, failure: unknown): ServiceError {
  const what = `Service ${service} (${id}) could not be registered${registry === undefined ? '' : ` in the ${registry} registry`} within ${ATTEMPT_MS} ms`;
  if (failure === undefined) return new ServiceError('DEADLINE_EXCEEDED', `${what}: it did not answer`, { expose: false });
  const why = failure instanceof Error ? `: ${failure.message}` : '';
  return new ServiceError('UNAVAILABLE', `${what}${why}`, { cause: failure, expose: false });
}
