import { readdir, unlink } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../logging/logger.js';
import type { Clock, Timer } from '../time/clock.js';
import { isMissing, readText, removeEntry, statOf } from './entry-files.js';
import { decodeEntry, isEntryName, isTemporaryName } from './file-entry.js';
import type { FileEntry } from './file-entry.js';
import { sameInstance } from './instance.js';
import type { Lists } from './lists.js';
import { stateOf } from './process-owner.js';
import type { ProcessOwner } from './process-owner.js';

export interface EntryReaderOptions {
  readonly directory: string;
  /** Makes the directory usable and follows its changes; run before each look at the whole of it. */
  readonly open: () => Promise<void>;
  readonly self: ProcessOwner;
  readonly lists: Lists;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Known {
  entry: FileEntry;
  /** What differs when the file was replaced; a heartbeat leaves it as it is. */
  readonly version: string;
  mtimeMs: number;
  /** When the file's time last changed, on our own clock: clocks of two machines need not agree, and ours may be set meanwhile. */
  changedAt: number;
  /** `dead`: the owner is no more. `silent`: it has missed its heartbeats. Neither is shown. */
  state: 'seen' | 'silent' | 'dead';
}

/** A file that was being written when its owner died is deleted after this long. */
const TEMPORARY_MS = 60_000;
/** The file of a silent owner of whom nothing is certain is deleted after this many times its promise. One that lives writes it again. */
const SILENT_TIMES = 6;
const AT_ONCE = 16;

/** Reads the files of a directory into lists: who is there, who is dead, what is no entry. Looks run one after the other and are merged. */
export class EntryReader {
  readonly #options: EntryReaderOptions;
  readonly #known = new Map<string, Known>();
  /** What was reported, by name, so that it is reported once. */
  readonly #reported = new Map<string, string>();
  #everything = false;
  #names = new Set<string>();
  #next: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();
  #poll: Timer | undefined;
  #lastLook: number | undefined;

  constructor(options: EntryReaderOptions) {
    this.#options = options;
  }

  /** Looks at one file, or without a name at all of them; resolves when a look that began after this call has ended. */
  look(name?: string): Promise<void> {
    if (name === undefined) this.#everything = true;
    else this.#names.add(name);
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      const names = this.#everything ? undefined : this.#names;
      this.#everything = false;
      this.#names = new Set();
      const look = names === undefined ? this.#lookAtAll() : this.#lookAt(names);
      this.#running = look.catch(() => {});
      return look;
    });
    return this.#next;
  }

  /** Looks at everything again and again. `everyMs` is asked before each wait. */
  poll(everyMs: () => number, onError: (error: unknown) => void): void {
    if (this.#poll !== undefined) return;
    const { clock } = this.#options;
    const again = (): void => {
      const waitedMs = everyMs();
      const timer = (this.#poll = clock.schedule(waitedMs, () => {
        this.#forgiveOwnAbsence(waitedMs);
        void this.look().then(
          () => {
            if (this.#poll === timer) again();
          },
          (error: unknown) => {
            if (this.#poll !== timer) return;
            this.#poll = undefined;
            onError(error);
          },
        );
      }));
    };
    again();
  }

  stop(): void {
    this.#poll?.cancel();
    this.#poll = undefined;
    this.#lastLook = undefined;
    this.#known.clear();
  }

  async #lookAtAll(): Promise<void> {
    const { directory, open, clock } = this.#options;
    await open();
    const found = await readdir(directory).catch(async (error: unknown) => {
      if (!isMissing(error)) throw error;
      await open();
      return readdir(directory);
    });
    const names = new Set(this.#known.keys());
    for (const name of found) {
      if (isEntryName(name)) names.add(name);
      else if (isTemporaryName(name)) await this.#dropTemporary(name);
      else this.#report(name, 'its name is none of an entry', '');
    }
    for (const name of this.#reported.keys()) if (!names.has(name) && !found.includes(name)) this.#reported.delete(name);
    await this.#lookAt(names, true);
    this.#lastLook = clock.now();
  }

  async #lookAt(names: ReadonlySet<string>, all = false): Promise<void> {
    const services = new Set<string>();
    const queue = [...names].filter(isEntryName);
    const worker = async (): Promise<void> => {
      for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
        const before = this.#known.get(name);
        if (before !== undefined) services.add(before.entry.instance.service);
        await this.#read(name, before);
        const after = this.#known.get(name);
        if (after === undefined) continue;
        services.add(after.entry.instance.service);
        this.#judge(name, after);
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, queue.length) }, worker));
    if (all) for (const service of this.#options.lists.names()) services.add(service);
    this.#publish(services);
  }

  async #read(name: string, before: Known | undefined): Promise<void> {
    const { directory, clock, self } = this.#options;
    let stats: Stats | undefined;
    try {
      stats = await statOf(directory, name);
      if (stats === undefined) return this.#forget(name);
      const version = `${stats.ino} ${stats.size} ${stats.birthtimeMs}`;
      if (before?.version === version) {
        if (before.mtimeMs !== stats.mtimeMs) before.changedAt = clock.now();
        before.mtimeMs = stats.mtimeMs;
        return;
      }
      const text = await readText(directory, name);
      if (text === undefined) return this.#forget(name);
      const entry = decodeEntry(name, text);
      const same = before !== undefined && sameInstance(before.entry.instance, entry.instance);
      this.#reported.delete(name);
      this.#known.set(name, {
        entry: same ? { ...entry, instance: before.entry.instance } : entry,
        version,
        mtimeMs: stats.mtimeMs,
        // Seen for the first time: how old it is can only be told by the clock on the wall, which may have been set since. So that is
        // asked only about an owner whose process cannot be looked at.
        changedAt: clock.now() - (before === undefined && stateOf(entry.owner, self) !== 'alive' ? Math.max(0, clock.wallTime() - stats.mtimeMs) : 0),
        state: 'seen',
      });
    } catch (error) {
      // The system ran out of something for a moment: what was known of the file still stands.
      if (['EMFILE', 'ENFILE', 'EIO', 'EINTR', 'EAGAIN', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? '')) return;
      this.#known.delete(name);
      this.#report(name, error instanceof Error ? error.message : String(error), `${stats?.ino} ${stats?.size} ${stats?.mtimeMs}`);
    }
  }

  #judge(name: string, known: Known): void {
    const { directory, self, clock, logger } = this.#options;
    const { owner, token, expireAfterMs, instance } = known.entry;
    const silentMs = clock.now() - known.changedAt;
    const process = stateOf(owner, self);
    const state = process === 'dead' ? 'dead' : silentMs > expireAfterMs ? 'silent' : 'seen';
    const about = { service: instance.service, instance: instance.id, pid: owner.pid };
    if (state === 'dead' && known.state !== 'dead') logger.info(about, 'The process of this instance has died');
    if (state === 'silent' && known.state === 'seen') logger.warn({ ...about, silentMs }, 'This instance has sent no heartbeat for too long');
    known.state = state;
    if (process === 'dead' || (process === 'unknown' && silentMs > SILENT_TIMES * expireAfterMs)) {
      removeEntry(directory, name, token).catch((error: unknown) =>
        logger.debug({ ...about, error }, 'The entry of a dead process could not be removed'),
      );
    }
  }

  #publish(services: ReadonlySet<string>): void {
    for (const service of services) {
      const instances = [];
      for (const { entry, state } of this.#known.values()) if (state === 'seen' && entry.instance.service === service) instances.push(entry.instance);
      this.#options.lists.set(service, instances);
    }
  }

  /** If this very process was stopped, the others may have been too (a suspended machine): that time does not count against them. */
  #forgiveOwnAbsence(waitedMs: number): void {
    if (this.#lastLook === undefined) return;
    const lateMs = this.#options.clock.now() - this.#lastLook - waitedMs;
    if (lateMs > 1_000) for (const known of this.#known.values()) known.changedAt += lateMs;
  }

  async #dropTemporary(name: string): Promise<void> {
    const { directory, clock } = this.#options;
    try {
      const stats = await statOf(directory, name);
      if (stats?.isFile() === true && clock.wallTime() - stats.mtimeMs > TEMPORARY_MS) await unlink(join(directory, name));
    } catch {
      // Another process was quicker, or the next look tries again.
    }
  }

  #forget(name: string): void {
    this.#known.delete(name);
    this.#reported.delete(name);
  }

  #report(name: string, why: string, version: string): void {
    if (this.#reported.get(name) === version) return;
    this.#reported.set(name, version);
    this.#options.logger.warn({ directory: this.#options.directory, file: name, why }, 'A file in the registry is no entry and is ignored');
  }
}
