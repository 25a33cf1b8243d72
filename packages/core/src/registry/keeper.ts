import { isServiceError } from '../errors/service-error.js';
import type { Logger } from '../logging/logger.js';
import type { Clock, Timer } from '../time/clock.js';
import { abortableOf, sleep } from '../time/sleep.js';
import { reconnectDelay } from './reconnect.js';
import type { Instance, Registration } from './registry.js';

/** One entry in a backend, as a keeper needs to handle it. No two of these run at the same time. */
export interface KeptEntry {
  /** Writes the entry, whether it is there or not. A ServiceError that is not retryable says that trying again is useless. */
  put(instance: Instance, note: string | undefined): Promise<void>;
  /** Says that the owner lives, and whether the entry is still there: `kept`; `gone`: write it again; `taken`: a newer owner has it, leave it. */
  renew(): Promise<'kept' | 'gone' | 'taken'>;
  /** Removes the entry if it is still ours; no error when there is none. */
  remove(): Promise<void>;
}

export interface KeeperOptions {
  /** How often to renew, ms; ± 20 %. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  /** Hears of each failure of the first write that is tried again; from `RegisterOptions`. */
  readonly onRetry?: ((error: unknown) => void) | undefined;
  /** What must have ended before the first write: the keeper of the same id that this one replaces. */
  readonly after?: Promise<void> | undefined;
}

export interface KeptRegistration extends Registration {
  /**
   * Writes the entry for the first time. A retryable failure is retried with backoff until `signal` aborts, any other one rejects; then
   * nothing stays registered. Resolves without having written when it was replaced or deregistered meanwhile.
   */
  begin(signal?: AbortSignal): Promise<void>;
  /** Looks after the entry now instead of at the next turn: something happened to it. */
  verify(): void;
  /** Stops keeping, and leaves the entry to whoever replaces it. Resolves when nothing of ours is under way. */
  release(): Promise<void>;
}

/** Keeps an instance registered once it has begun: renews, writes again what is gone, retries with backoff; never writes after `deregister` or `release`. */
export function keeper(instance: Instance, entry: KeptEntry, options: KeeperOptions): KeptRegistration {
  const { everyMs, clock, random, logger, onRetry, after } = options;
  const about = { service: instance.service, instance: instance.id };
  let current = instance;
  let note: string | undefined;
  let written = false;
  // What was reported has not been written yet.
  let changed = false;
  let taken = false;
  let closed = false;
  let asked = false;
  let failures = 0;
  let complained = false;
  let timer: Timer | undefined;
  let queue: Promise<unknown> = after ?? Promise.resolve();

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = queue.then(work);
    queue = result.catch(() => {});
    return result;
  };

  /** Once in a row at warn: a backend that is away for an hour is one piece of news. */
  const complain = (error: unknown): void => {
    failures++;
    logger[complained ? 'debug' : 'warn']({ ...about, error, failures }, 'Registering failed; trying again');
    complained = true;
  };

  const works = (): void => {
    if (complained) logger.info({ ...about, failures }, 'Registering works again');
    complained = false;
    failures = 0;
  };

  const put = async (): Promise<void> => {
    if (closed) return;
    changed = true;
    await entry.put(current, note);
    written = true;
    changed = false;
    taken = false;
  };

  const look = async (): Promise<void> => {
    if (closed) return;
    if (!written) return put();
    // Asked before: what is reported while the backend answers is written by the next look, which knows anew whose entry it is.
    const stale = changed;
    const found = await entry.renew();
    if (found === 'gone') {
      logger.warn(about, 'The entry of this instance was lost; registering it again');
      return put();
    }
    if (found === 'taken' && !taken) logger.warn(about, 'Another process has registered the same id; this one stays unseen until that entry is gone');
    taken = found === 'taken';
    if (stale && !taken) await put();
  };

  const turnMs = (): number => everyMs * (0.8 + 0.4 * random());

  const plan = (delayMs: number): void => {
    timer?.cancel();
    timer = closed ? undefined : clock.schedule(delayMs, verify);
  };

  const verify = (): void => {
    if (asked) return;
    asked = true;
    void inTurn(() => {
      asked = false;
      return look();
    }).then(
      () => {
        works();
        plan(turnMs());
      },
      (error: unknown) => {
        complain(error);
        plan(Math.min(everyMs, reconnectDelay(failures, random)));
      },
    );
  };

  const stop = (): void => {
    closed = true;
    timer?.cancel();
    timer = undefined;
  };

  let removal: Promise<void> | undefined;
  const deregister = (): Promise<void> => {
    stop();
    removal ??= inTurn(() => entry.remove()).catch((error: unknown) => {
      removal = undefined;
      throw error;
    });
    return removal;
  };

  const begin = async (signal?: AbortSignal): Promise<void> => {
    signal?.throwIfAborted();
    while (!written && !closed) {
      try {
        await inTurn(put);
        signal?.throwIfAborted();
      } catch (error) {
        if (signal?.aborted === true) throw signal.reason;
        if (isServiceError(error) && !error.retryable) throw error;
        complain(error);
        onRetry?.(error);
        await sleep(reconnectDelay(failures, random), signal && abortableOf(signal), clock, { ref: true });
      }
    }
    works();
    plan(turnMs());
  };

  return {
    get instance() {
      return current;
    },
    async begin(signal) {
      try {
        await begin(signal);
      } catch (error) {
        await deregister().catch(() => {});
        throw error;
      }
    },
    async report(status, why) {
      if (closed) return;
      note = why;
      current = Object.freeze({ ...current, status });
      changed = true;
      // What cannot be written now is not forgotten: the next turn writes it.
      await inTurn(look).catch((error: unknown) => {
        failures++;
        plan(Math.min(everyMs, reconnectDelay(failures, random)));
        throw error;
      });
    },
    verify() {
      if (!closed) verify();
    },
    async release() {
      stop();
      removal = Promise.resolve();
      await queue;
    },
    deregister,
    [Symbol.asyncDispose]: deregister,
  };
}
