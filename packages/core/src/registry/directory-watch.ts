import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { basename } from 'node:path';

export interface DirectoryWatchOptions {
  /** An entry appeared, vanished or was replaced; undefined: it is unknown which. */
  readonly onChange: (name: string | undefined) => void;
  /** Watching is impossible for now, for example when the system's limit of watches is reached. */
  readonly onFailure: (error: unknown) => void;
}

/** The operating system's word that a directory changed. It may be lost, so that whoever listens also looks now and then. */
export class DirectoryWatch {
  readonly #path: string;
  readonly #options: DirectoryWatchOptions;
  #watcher: FSWatcher | undefined;
  #identity: string | undefined;

  constructor(path: string, options: DirectoryWatchOptions) {
    this.#path = path;
    this.#options = options;
  }

  /** Whether news arrive by themselves. */
  get working(): boolean {
    return this.#watcher !== undefined;
  }

  /** Watches the directory that has this identity now: one that was deleted and made again is another one under the same name. */
  follow(identity: string): void {
    if (this.#watcher !== undefined && this.#identity === identity) return;
    this.close();
    try {
      const watcher = watch(this.#path, { persistent: false });
      // 'rename' is a name that came, went or was replaced. 'change' is a heartbeat: it would wake every process for nothing.
      watcher.on('change', (type, name) => {
        if (type !== 'rename') return;
        // The directory itself is gone, and its successor may have the same inode: the next look follows it anew.
        const itself = name === basename(this.#path);
        if (itself) this.close();
        this.#options.onChange(typeof name === 'string' && !itself ? name : undefined);
      });
      watcher.on('error', (error) => {
        this.close();
        this.#options.onFailure(error);
      });
      this.#watcher = watcher;
      this.#identity = identity;
    } catch (error) {
      this.#options.onFailure(error);
    }
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#identity = undefined;
  }
}
