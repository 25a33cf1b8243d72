import type { Suite } from 'mocha';

/** A process that scripts/lib/server-process.mjs runs; it has the contract. */
export interface ServerProcess {
  start(): Promise<void>;
  /** Default SIGKILL. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
  pause(): Promise<void>;
  resume(): void;
}

/** Loads a library of scripts/lib, which is no part of this project's types. */
export async function scriptLibrary<T>(name: string): Promise<T> {
  return (await import(new URL(`../../../scripts/lib/${name}.mjs`, import.meta.url).href)) as T;
}

/**
 * A `describe` for suites that need a real server. Where there is none they are pending and say why; in CI that is a failure.
 * `script` is the npm script that fetches it.
 */
export function describeWith(name: string, script: string, binary: string | undefined): (title: string, body: (this: Suite) => void) => void {
  return (title, body) => {
    if (binary !== undefined) {
      describe(title, function () {
        this.timeout(30_000); // processes start
        body.call(this);
      });
    } else if (process.env['CI'] === 'true') {
      it(title, () => {
        throw new Error(`There is no ${name}: the step that fetches it (npm run ${script} -- --fetch) has failed`);
      });
    } else {
      describe.skip(`${title} (there is no ${name}: npm run ${script} -- --fetch brings one into .cache)`, body);
    }
  };
}
