import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cachedFolder, fetchDebianPackages } from './debian.mjs';

/**
 * The path of a server's binary: what `variable` names in the environment, `command` on the PATH, or the one of Debian's packages in
 * `.cache/<into>`; with `fetch` they are brought there first if need be. Undefined when there is none. Nothing is installed on the machine.
 */
export async function findBinary({ command, variable, packages, suite, into, fetch }) {
  const own = process.env[variable];
  if (own !== undefined && own !== '') {
    if (!isExecutable(own)) throw new Error(`${variable}: ${own} cannot be run. Give the path of a ${command} binary, or leave it out.`);
    return own;
  }
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (folder !== '' && isExecutable(join(folder, command))) return join(folder, command);
  }
  const cached = join(cachedFolder(into), 'usr/bin', command);
  if (isExecutable(cached)) return cached;
  if (!fetch || (await fetchDebianPackages({ packages, suite, into })) === undefined) return undefined;
  return isExecutable(cached) ? cached : undefined;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
