import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's folder, seen from test/dist/repository. */
export const root = fileURLToPath(new URL('../../..', import.meta.url));

/** A file with its path from the root, `/` between folders. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** What is or would be committed: tracked files, and new ones that no .gitignore names. */
export function committedFiles(): readonly string[] {
  // The clone may belong to another user, as in a container.
  const options = ['-c', 'safe.directory=*', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const listed = execFileSync('git', options, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  return [...new Set(listed.split('\0'))].filter((path) => path !== '').sort();
}

export function read(path: string): Source {
  return { path, text: readFileSync(join(root, path), 'utf8') };
}

/** The TypeScript sources of the packages, without declarations. */
export function packageSources(): readonly Source[] {
  return committedFiles()
    .filter((path) => /^packages\/[^/]+\/src\/.*\.ts$/.test(path) && !path.endsWith('.d.ts'))
    .flatMap((path) => {
      try {
        return [read(path)];
      } catch {
        return []; // deleted, not yet committed as such
      }
    });
}

/** The code with comments blanked out; texts stay. */
export function withoutComments(code: string): string {
  return code.replace(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    (whole, text: string | undefined) => text ?? whole.replace(/[^\n]/g, ' '),
  );
}
