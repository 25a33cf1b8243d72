import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What one arm of a scenario measured. */
export type Measured = Readonly<Record<string, number>>;

/** `cpu`: of one core, 0 to 1 and a little above. Near 1 the arm has measured the machine. */
export type Arm = Measured & { readonly cpu: number };

/** Runs one arm of a scenario, its servers and its clients, in a process of its own (arm.ts). */
export function apart(scenario: string, arm: string): Promise<Arm> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('arm.js', import.meta.url)), [scenario, arm], {
      env: { ...process.env, NODE_ENV: 'production' },
      serialization: 'advanced', // JSON has no NaN
    });
    child.once('message', (measured) => resolve(measured as Arm));
    child.once('exit', (code) => reject(new Error(`${scenario}, ${arm}: ended with ${String(code)}`)));
  });
}
