import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The service that runs in a process of its own: its name, its framework and the directory are its arguments. */
export const SCRIPT: string = fileURLToPath(new URL('./service-process.js', import.meta.url));

/** A directory, new for each test, by which processes know each other, and the processes, of which none outlives its test. */
export interface SharedDirectory {
  readonly path: string;
  /** Killed after the test, if it still runs then. */
  own<C extends ChildProcess>(child: C): C;
}

/** Of the `describe` that calls it. */
export function sharedDirectory(): SharedDirectory {
  const children: ChildProcess[] = [];
  let path: string;
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'ferrule-e2e-'));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    }
    await rm(path, { recursive: true, force: true });
  });
  return {
    get path() {
      return path;
    },
    own(child) {
      children.push(child);
      return child;
    },
  };
}
