import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A child that runs a script. `line(text)` resolves when it has said a line that begins so. */
export class Child {
  readonly process: ChildProcess;
  readonly lines: string[] = [];
  readonly exit: Promise<readonly [number | null, NodeJS.Signals | null]>;
  readonly #waiting: { start: string; resolve: (line: string) => void; reject: (error: Error) => void }[] = [];

  constructor(script: URL, ...args: string[]) {
    this.process = spawn(process.execPath, [fileURLToPath(script), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.exit = once(this.process, 'close').then(([code, signal]) => {
      for (const { start, reject } of this.#waiting) reject(new Error(`The child ended without saying ${start}; it said ${this.lines.join(' | ')}`));
      return [code as number | null, signal as NodeJS.Signals | null];
    });
    createInterface(this.process.stdout!).on('line', (line) => {
      this.lines.push(line);
      for (const waiting of this.#waiting.splice(0)) {
        if (line.startsWith(waiting.start)) waiting.resolve(line);
        else this.#waiting.push(waiting);
      }
    });
  }

  line(start: string): Promise<string> {
    const found = this.lines.find((line) => line.startsWith(start));
    return found === undefined ? new Promise((resolve, reject) => this.#waiting.push({ start, resolve, reject })) : Promise.resolve(found);
  }

  async port(name: string): Promise<number> {
    return Number((await this.line(`${name} `)).split(' ')[1]);
  }
}
