import { open, stat, unlink } from 'node:fs/promises';
import { isMissing } from '../registry/entry-files.js';
import { abortableOf, sleep } from '../time/sleep.js';
import type { Clock } from '../time/clock.js';

/** What is done under a lock takes milliseconds. One that is held for so long belongs to a process that died, or hangs. */
const ABANDONED_MS = 500;
const PAUSE_MS = 5;

/**
 * Does `work` while no other process does something under the lock `path`, a file that is there for so long. Rejects with the signal's
 * reason when it aborts while waiting. A lock that one holder keeps for half a second is broken.
 */
export async function underLock<T>(path: string, signal: AbortSignal, clock: Clock, work: () => Promise<T>): Promise<T> {
  let seen: string | undefined;
  let since = 0;
  while (!(await take(path))) {
    const holder = await holderOf(path);
    if (holder !== seen) {
      seen = holder;
      since = clock.now();
    } else if (holder !== undefined && clock.now() - since >= ABANDONED_MS) {
      await remove(path);
      continue;
    }
    await sleep(PAUSE_MS, abortableOf(signal), clock, { ref: true });
  }
  try {
    return await work();
  } finally {
    await remove(path);
  }
}

async function take(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx', 0o600)).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Another one for every time that the lock is taken. */
async function holderOf(path: string): Promise<string | undefined> {
  try {
    const { ino, mtimeMs } = await stat(path);
    return `${ino} ${mtimeMs}`;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function remove(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
