import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A script beside this one, in a process of its own that ends with ours. */
export interface ProcessOf {
  /** What it says next; rejects when it ends instead. */
  hears<T>(): Promise<T>;
  send(message: string): void;
  /** Sends SIGTERM and waits for the end. Rejects unless that is exit code 0. */
  terminate(): Promise<void>;
  kill(): void;
}

export function processOf(script: string, ...args: readonly string[]): ProcessOf {
  const child: ChildProcess = fork(fileURLToPath(new URL(script, import.meta.url)), args, { execArgv: [] });
  const ended = once(child, 'exit').then(([code, signal]) => [code as number | null, signal as NodeJS.Signals | null] as const);
  return {
    hears: <T>() =>
      Promise.race([
        once(child, 'message').then(([message]) => message as T),
        ended.then(([code, signal]) => Promise.reject<T>(new Error(`${script} ${args.join(' ')} ended with ${String(code ?? signal)}`))),
      ]),
    send: (message) => void child.send(message),
    async terminate() {
      child.kill('SIGTERM');
      const [code, signal] = await ended;
      if (code !== 0) throw new Error(`${script} ${args.join(' ')} ended with ${String(code ?? signal)}, not with 0`);
    },
    kill: () => void child.kill('SIGKILL'),
  };
}
