import { utimes } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ServiceError, isServiceError } from '../errors/service-error.js';
import { silentLogger } from '../logging/logger.js';
import type { Logger } from '../logging/logger.js';
import { checkOptions, checkSignal, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { toMs } from '../time/duration.js';
import type { Duration } from '../time/duration.js';
import { DirectoryWatch } from './directory-watch.js';
import { isMissing, readEntry, removeEntry, statOf, writeWhole } from './entry-files.js';
import { EntryReader } from './entry-reader.js';
import type { FileEntry } from './file-entry.js';
import { encodeEntry, entryName, isLater, newToken } from './file-entry.js';
import { checkInstance, checkServiceName } from './instance.js';
import { keeper } from './keeper.js';
import type { KeptEntry, KeptRegistration } from './keeper.js';
import { Lists } from './lists.js';
import { newest } from './newest.js';
import { defaultDirectory, openDirectory, unusable } from './private-directory.js';
import { stateOf, thisProcess } from './process-owner.js';
import type { Registry } from './registry.js';

export interface FileRegistryOptions {
  /** Where the entries lie. Default: `ferrule-<uid>` in the directory for temporary files, one for each user. Made with mode 0700. */
  readonly directory?: string;
  /** How often an entry shows that its process lives, and is made sure of. Default 2 s, ± 20 %. */
  readonly heartbeat?: Duration;
  /** How long a process that may still live can be silent before it is no longer listed; at least three heartbeats. Default 10 s. */
  readonly expireAfter?: Duration;
  /** How often all entries are looked at although nothing was heard: finds killed processes. Default 1 s. */
  readonly poll?: Duration;
  /** Default none; failures to register are told to the service's logger then. */
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly random?: () => number;
}

const OPTIONS = namesOf<FileRegistryOptions>({
  directory: true,
  heartbeat: true,
  expireAfter: true,
  poll: true,
  logger: true,
  clock: true,
  random: true,
});

/**
 * The embedded registry: processes of one machine see each other through a directory, with nothing to install.
 *
 * One file an instance, written aside and renamed, so that twenty processes may start at once and none overwrites another. Readers hear
 * of changes from the operating system and look for themselves every `poll`. A process that was killed is known to be dead by its pid
 * and start time, which no heartbeat could tell as fast and as surely; the heartbeat (the file's modification time) decides where
 * pids say nothing (another container) and for a process that hangs. Its entry comes back with its next heartbeat.
 *
 * `register` resolves after the first write; while the file system fails for a moment it tries again until its signal aborts. A directory
 * that others may write into is refused: ServiceError FAILED_PRECONDITION from `register`, `watch` and `services`.
 * @throws TypeError for an option that does not fit.
 */
export function fileRegistry(options: FileRegistryOptions = {}): Registry {
  checkOptions('fileRegistry', options, OPTIONS);
  checkSurroundings('fileRegistry', options);
  const { logger = silentLogger, clock = systemClock, random = Math.random } = options;
  if (options.directory !== undefined && (typeof options.directory !== 'string' || options.directory === ''))
    throw new TypeError(
      `fileRegistry directory: ${shown(options.directory)} is no path. Give the path of a directory, or leave it out for one of this user.`,
    );
  const directory = resolve(options.directory ?? defaultDirectory());
  const heartbeatMs = positive(options.heartbeat ?? 2_000, 'fileRegistry heartbeat');
  const expireAfterMs = positive(options.expireAfter ?? 10_000, 'fileRegistry expireAfter');
  const pollMs = positive(options.poll ?? 1_000, 'fileRegistry poll');
  if (expireAfterMs < 3 * heartbeatMs) {
    throw new TypeError(
      `fileRegistry expireAfter: ${expireAfterMs} ms is less than three heartbeats of ${heartbeatMs} ms: one late heartbeat would hide a live process. Raise it or lower heartbeat.`,
    );
  }

  const self = thisProcess();
  const lists = new Lists();
  const kept = new Map<string, KeptRegistration>();
  let watchers = 0;
  let closed = false;
  let complained = false;

  const news = new DirectoryWatch(directory, {
    onChange(name) {
      if (name === undefined) for (const registration of kept.values()) registration.verify();
      else kept.get(name)?.verify();
      if (watchers > 0) reader.look(name).catch(lost);
    },
    onFailure(error) {
      if (!complained) logger.warn({ directory, error }, 'The operating system does not tell of changes in the registry; looking more often instead');
      complained = true;
    },
  });

  const open = async (): Promise<void> => {
    if (closed) throw new ServiceError('UNAVAILABLE', 'The file registry is closed; make a new one', { retryable: false });
    const identity = await openDirectory(directory);
    if (closed || (watchers === 0 && kept.size === 0)) return;
    news.follow(identity);
    if (news.working) complained = false;
  };

  const reader = new EntryReader({ directory, open, self, lists, clock, logger });
  const lost = (error: unknown): void => lists.fail(inOurWords(error));
  const inOurWords = (error: unknown): unknown => (isServiceError(error) ? error : unusable(directory, error));

  const rest = (): void => {
    if (watchers === 0) reader.stop();
    if (watchers === 0 && kept.size === 0) news.close();
  };

  /** Something that is no entry (a directory, a pipe) counts as none: then writing fails, and says why. */
  const entryNow = (name: string): Promise<FileEntry | undefined> =>
    readEntry(directory, name).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== undefined) throw error;
      return undefined;
    });

  const fileOf = (name: string): KeptEntry => {
    const token = newToken();
    let since: number | undefined;
    const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        throw inOurWords(error);
      }
    };
    return {
      put: (instance, note) =>
        guarded(async () => {
          await open();
          since ??= Math.max(clock.wallTime(), ((await entryNow(name))?.since ?? 0) + 1);
          const text = encodeEntry({ token, since, owner: self, expireAfterMs, instance, ...(note !== undefined && { note }) });
          await writeWhole(directory, name, text, clock.wallTime() / 1_000);
        }),
      renew: () =>
        guarded(async () => {
          await open();
          const stats = await statOf(directory, name);
          const entry = stats && (await entryNow(name));
          if (stats === undefined || entry === undefined) return 'gone';
          const seconds = clock.wallTime() / 1_000;
          if (entry.token !== token) {
            const silent = clock.wallTime() - stats.mtimeMs > entry.expireAfterMs;
            const outdated = isLater({ token, since: since ?? 0 }, entry);
            return outdated || silent || stateOf(entry.owner, self) === 'dead' ? 'gone' : 'taken';
          }
          try {
            await utimes(join(directory, name), seconds, seconds);
          } catch (error) {
            if (isMissing(error)) return 'gone';
            throw error;
          }
          return 'kept';
        }),
      remove: () => guarded(() => removeEntry(directory, name, token)),
    };
  };

  return {
    name: 'file',
    async register(given, { signal, logger: theirs, onRetry } = {}) {
      const instance = checkInstance(given);
      checkSignal(signal, 'fileRegistry register signal');
      const name = entryName(instance.service, instance.id);
      const registration = keeper(instance, fileOf(name), {
        everyMs: heartbeatMs,
        clock,
        random,
        logger: options.logger ?? theirs ?? silentLogger,
        onRetry,
        after: kept.get(name)?.release(),
      });
      kept.set(name, registration);
      const deregister = async (): Promise<void> => {
        if (kept.get(name) === registration) {
          kept.delete(name);
          rest();
        }
        await registration.deregister();
      };
      try {
        await registration.begin(signal);
      } catch (error) {
        await deregister().catch(() => {});
        throw error;
      }
      return {
        get instance() {
          return registration.instance;
        },
        report: (status, note) => registration.report(status, note),
        deregister,
        [Symbol.asyncDispose]: deregister,
      };
    },
    watch(service, signal) {
      checkServiceName(service);
      return newest(signal, (sink) => {
        watchers++;
        let forget: (() => void) | undefined;
        let ended = false;
        reader.look().then(
          () => {
            if (ended) return;
            forget = lists.subscribe(service, sink);
            reader.poll(() => (news.working ? pollMs : pollMs / 4), lost);
          },
          (error: unknown) => sink.fail(inOurWords(error)),
        );
        return () => {
          ended = true;
          forget?.();
          watchers--;
          rest();
        };
      });
    },
    async services(signal) {
      signal?.throwIfAborted();
      try {
        await reader.look();
      } catch (error) {
        throw inOurWords(error);
      }
      return lists.names();
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      news.close();
      lists.fail(new ServiceError('UNAVAILABLE', 'The file registry was closed'));
      reader.stop();
      const registrations = [...kept.values()];
      kept.clear();
      await Promise.all(registrations.map((registration) => registration.deregister()));
    },
  };
}

function positive(duration: Duration, option: string): number {
  const ms = toMs(duration, option);
  if (ms < 1) throw new TypeError(`${option}: ${shown(duration)} is too short. Give at least 1 ms.`);
  return ms;
}
