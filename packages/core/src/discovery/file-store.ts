import { readdir, unlink } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { join, resolve } from 'node:path';
import { ServiceError, isServiceError } from '../errors/service-error.js';
import { silentLogger } from '../logging/logger.js';
import type { Logger } from '../logging/logger.js';
import { checkOptions, checkSurroundings, namesOf } from '../options/check.js';
import { shown } from '../options/shown.js';
import { readText, statOf, writeWhole } from '../registry/entry-files.js';
import { fileNamePart, isTemporaryName } from '../registry/file-entry.js';
import { checkServiceName } from '../registry/instance.js';
import { defaultDirectory, openDirectory, unusable } from '../registry/private-directory.js';
import { systemClock } from '../time/clock.js';
import type { Clock } from '../time/clock.js';
import { underLock } from './file-lock.js';
import type { SnapshotStore, StoredSnapshot } from './snapshot-store.js';
import { SKEW_MS } from './store-level.js';
import { MOST_SNAPSHOT_BYTES, decodeSnapshot, encodeSnapshot } from './stored-snapshot.js';

export interface FileStoreOptions {
  /**
   * Where the lists lie. Default: `ferrule-<uid>-lists` in the directory for temporary files, one for each user; that is usually empty after a
   * reboot. Made with mode 0700; one that others may write into is refused. Not the directory of a `fileRegistry`.
   */
  readonly directory?: string;
  /** How many services are kept at most; beyond them the list that was written longest ago goes. Default 1,000. */
  readonly maxServices?: number;
  /** Hears of files that are ignored. Default none. */
  readonly logger?: Logger;
  readonly clock?: Clock;
}

const OPTIONS = namesOf<FileStoreOptions>({ directory: true, maxServices: true, logger: true, clock: true });
const SUFFIX = '.list';
/** Of the file that is there while a list is being replaced. */
const LOCK = '.lock';
/** What a list of any format begins with, and its format. */
const FORMAT = /^ferrule-list (\d{1,9}) /;
const OURS = 'ferrule-list ';
/** A file that was being written, or a lock, when its process died is deleted after this long. */
const TEMPORARY_MS = 60_000;

/**
 * Level 2 of a directory in files, with nothing to install: one file a service, written aside and renamed, with a version and a checksum, mode
 * 0600. A process starts with it while its registry is away. Several processes of one user may share it.
 *
 * A file that is damaged, of another format or of somebody else is reported and ignored. A damaged one is replaced by the next list; one that
 * a newer version or somebody else has written is left alone, and `save` rejects. A list is at most 8 MiB.
 * @throws TypeError for an option that does not fit.
 */
export function fileStore(options: FileStoreOptions = {}): SnapshotStore {
  checkOptions('fileStore', options, OPTIONS);
  checkSurroundings('fileStore', options);
  const { logger = silentLogger, clock = systemClock, maxServices = 1_000 } = options;
  if (options.directory !== undefined && (typeof options.directory !== 'string' || options.directory === ''))
    throw new TypeError(
      `fileStore directory: ${shown(options.directory)} is no path. Give the path of a directory, or leave it out for one of this user.`,
    );
  if (!Number.isInteger(maxServices) || maxServices < 1)
    throw new TypeError(`fileStore maxServices: ${shown(maxServices)} does not fit. Give an integer from 1.`);
  const directory = resolve(options.directory ?? `${defaultDirectory()}-lists`);
  /** What was reported, by name, so that it is reported once; no more of it than there are files. */
  const reported = new Map<string, string>();
  let closed = false;

  const open = async (service: string, signal: AbortSignal): Promise<string> => {
    if (closed) throw new ServiceError('UNAVAILABLE', 'The file store is closed; make a new one', { retryable: false });
    checkServiceName(service);
    signal.throwIfAborted();
    await openDirectory(directory, 'The file store');
    signal.throwIfAborted();
    return `${fileNamePart(service)}${SUFFIX}`;
  };

  const ignored = (name: string, why: string): void => {
    if (reported.get(name) === why) return;
    if (reported.size >= maxServices) reported.clear();
    reported.set(name, why);
    logger.warn({ directory, file: name, why }, 'A file in the store is ignored');
  };

  /** What lies under the name: a list, or why there is none, and whether it may be written over. */
  const find = async (name: string, service: string): Promise<{ list?: StoredSnapshot; replaceable: boolean; why?: string }> => {
    let text: string | undefined;
    try {
      text = await readText(directory, name, MOST_SNAPSHOT_BYTES);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== undefined) throw unusable(directory, error, 'The file store');
      return { replaceable: false, why: (error as Error).message };
    }
    if (text === undefined) return { replaceable: true };
    try {
      const list = decodeSnapshot(text, service);
      reported.delete(name);
      return { list, replaceable: true };
    } catch (error) {
      const format = FORMAT.exec(text)?.[1];
      if (format !== undefined && Number(format) > 1) return { replaceable: false, why: `it has format ${format}, of a newer version` };
      // The beginning of a list, cut short anywhere, is what is left of one of ours.
      return { replaceable: text.startsWith(OURS) || OURS.startsWith(text), why: error instanceof Error ? error.message : String(error) };
    }
  };

  /** Makes room for one more, and takes away what processes that died have left behind. */
  const prune = async (): Promise<void> => {
    const lists: { readonly name: string; readonly stats: Stats }[] = [];
    for (const name of await readdir(directory)) {
      if (!name.endsWith(SUFFIX) && !name.endsWith(LOCK) && !isTemporaryName(name)) continue;
      const stats = await statOf(directory, name);
      if (stats?.isFile() !== true) continue;
      if (name.endsWith(SUFFIX)) lists.push({ name, stats });
      else if (clock.wallTime() - stats.mtimeMs > TEMPORARY_MS) await unlink(join(directory, name)).catch(() => {});
    }
    lists.sort((a, b) => a.stats.mtimeMs - b.stats.mtimeMs);
    for (const { name } of lists.slice(0, Math.max(0, lists.length + 1 - maxServices))) {
      const head = (await readText(directory, name, MOST_SNAPSHOT_BYTES).catch(() => undefined))?.slice(0, OURS.length);
      if (head === OURS) await unlink(join(directory, name)).catch(() => {});
    }
  };

  return {
    name: 'file',
    async load(service, signal) {
      const name = await open(service, signal);
      const { list, why } = await find(name, service);
      if (why !== undefined) ignored(name, why);
      return list;
    },
    async save(snapshot, signal) {
      const { service, at } = snapshot;
      const text = encodeSnapshot(snapshot);
      const name = await open(service, signal);
      const replace = async (): Promise<void> => {
        const { list, replaceable, why } = await find(name, service);
        if (why !== undefined) ignored(name, why);
        if (!replaceable) throw new ServiceError('FAILED_PRECONDITION', `The file store leaves ${name} alone: ${why}. Move the file away.`);
        // One that claims to come from the future is of a clock that was wrong, and would stand for ever.
        if (list !== undefined && list.at > at && list.at - clock.wallTime() <= SKEW_MS) return;
        if (list === undefined) await prune();
        signal.throwIfAborted();
        await writeWhole(directory, name, text, at / 1_000);
      };
      try {
        // Or of two processes that save at the same moment, both after a look at what is there, the older list could stay.
        await underLock(join(directory, `${name}${LOCK}`), signal, clock, replace);
      } catch (error) {
        if (signal.aborted || isServiceError(error)) throw error;
        throw unusable(directory, error, 'The file store');
      }
    },
    async [Symbol.asyncDispose]() {
      closed = true;
    },
  };
}
