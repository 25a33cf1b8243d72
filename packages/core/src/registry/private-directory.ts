import { lstat, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ServiceError } from '../errors/service-error.js';

const WRITABLE_BY_OTHERS = 0o022;

/** One place for each user of the machine, for example `/tmp/ferrule-1000`. */
export function defaultDirectory(): string {
  return join(tmpdir(), `ferrule-${process.getuid?.() ?? 'user'}`);
}

/**
 * Makes the directory with mode 0700 if it is missing, and makes sure that nobody else can put entries into it: whoever can, decides
 * where our requests go. Returns its identity, which changes when it is deleted and made again. `what` says whose it is, for the message.
 * @throws ServiceError FAILED_PRECONDITION when it cannot be made, is a link or a file, belongs to another user, is writable by others or not by us;
 * UNAVAILABLE when the file system fails otherwise.
 */
export async function openDirectory(path: string, what: string = 'The registry'): Promise<string> {
  try {
    await makeDirectory(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Missing although it and its parents should have been made: nothing can be made there, as in /proc.
    if (code === 'ENOENT')
      throw refused(what, path, 'neither it nor its parents can be made there', 'give a path in a file system that can be written', error);
    // A file or a link is in the way: what follows says so.
    if (code !== 'EEXIST') throw unusable(path, error, what);
  }
  const found = await lstat(path).catch((error: unknown) => {
    throw unusable(path, error, what);
  });
  if (found.isSymbolicLink()) throw refused(what, path, 'it is a symbolic link', 'give the path that it leads to');
  if (!found.isDirectory()) throw refused(what, path, 'it is no directory', 'give another path');
  const uid = process.getuid?.();
  if (uid !== undefined) {
    if (found.uid !== uid)
      throw refused(what, path, `it belongs to the user ${found.uid}, and this process runs as ${uid}`, 'give a directory of its own user');
    if ((found.mode & WRITABLE_BY_OTHERS) !== 0) {
      throw refused(what, path, `its mode ${(found.mode & 0o777).toString(8)} lets other users write into it`, `run chmod 700 ${path}`);
    }
  }
  return `${found.dev}:${found.ino}`;
}

/**
 * Makes it, and its parents where they are missing. Not by mkdir's `recursive`, which in a place where nothing can be made (/proc) asks for
 * parent and child in turn for ever (Node 20 to 24).
 */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const parent = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === path) throw error;
    await makeDirectory(parent).catch((failure: unknown) => {
      if ((failure as NodeJS.ErrnoException).code !== 'EEXIST') throw failure;
    });
    await mkdir(path, { mode: 0o700 });
  }
}

const HOPELESS: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);

/** A file system's failure in our words. */
export function unusable(path: string, cause: unknown, what: string = 'The registry'): ServiceError {
  const { code, message } = cause as NodeJS.ErrnoException;
  return new ServiceError(HOPELESS.has(code) ? 'FAILED_PRECONDITION' : 'UNAVAILABLE', `${what}'s directory ${path} cannot be used: ${message}`, {
    cause,
    expose: false,
  });
}

function refused(what: string, path: string, why: string, remedy: string, cause?: unknown): ServiceError {
  return new ServiceError('FAILED_PRECONDITION', `${what}'s directory ${path} is refused: ${why}; ${remedy}.`, { expose: false, cause });
}
