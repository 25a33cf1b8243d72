import { link, lstat, readFile, rename, unlink, utimes, writeFile } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { join } from 'node:path';
import { MOST_BYTES, decodeEntry, temporaryName } from './file-entry.js';
import type { FileEntry } from './file-entry.js';

/** Writes a file that others see whole or not at all. `atSeconds` becomes its time. */
export async function writeWhole(directory: string, name: string, text: string, atSeconds: number): Promise<void> {
  const temporary = join(directory, temporaryName());
  try {
    await writeFile(temporary, text, { flag: 'wx', mode: 0o600 });
    await utimes(temporary, atSeconds, atSeconds);
    await rename(temporary, join(directory, name));
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
}

/** What is known of a file without reading it; undefined: there is none. */
export async function statOf(directory: string, name: string): Promise<Stats | undefined> {
  try {
    // Not stat: a link leads elsewhere, and opening a pipe would wait for ever.
    return await lstat(join(directory, name));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** The text of a file; undefined: there is none. @throws Error when it is no ordinary file or too big. */
export async function readText(directory: string, name: string, mostBytes: number = MOST_BYTES): Promise<string | undefined> {
  const stats = await statOf(directory, name);
  if (stats === undefined) return undefined;
  if (!stats.isFile()) throw new Error('it is no ordinary file');
  if (stats.size > mostBytes) throw new Error(`it is longer than ${mostBytes} bytes`);
  try {
    return await readFile(join(directory, name), 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** The entry under this name; undefined when there is none, or something that is no entry. */
export async function readEntry(directory: string, name: string): Promise<FileEntry | undefined> {
  const text = await readText(directory, name);
  if (text === undefined) return undefined;
  try {
    return decodeEntry(name, text);
  } catch {
    return undefined;
  }
}

/**
 * Deletes the entry with this token and no other: it is moved aside first and looked at there, so that one that was put in its place
 * meanwhile goes back. Only a still newer one at the same name keeps it from going back.
 */
export async function removeEntry(directory: string, name: string, token: string): Promise<void> {
  const ours = (entry: FileEntry | undefined): boolean => entry?.token === token;
  if (!ours(await readEntry(directory, name))) return;
  const file = join(directory, name);
  const aside = join(directory, temporaryName());
  try {
    await rename(file, aside);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  const text = await readFile(aside, 'utf8');
  if (!holds(name, text, token)) {
    try {
      await link(aside, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return rename(aside, file);
    }
  }
  await unlink(aside);
}

export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

function holds(name: string, text: string, token: string): boolean {
  try {
    return decodeEntry(name, text).token === token;
  } catch {
    return false;
  }
}
