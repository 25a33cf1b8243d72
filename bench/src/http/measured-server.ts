import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { load } from './load.js';

/** What a server is asked for while its CPU time is measured. */
export interface MeasuredLoad {
  readonly paths: readonly string[];
  readonly requests: number;
  /** Keep-alive connections, each with one request under way. Default 32. */
  readonly connections?: number;
  /** Of every answer. Default 200. */
  readonly status?: number;
}

/** A server in a process of its own, whose script ends with `tellCpu()`: what a request costs it, without what it costs to send one. */
export class MeasuredServer {
  readonly #child: ChildProcess;
  #port = 0;

  private constructor(script: URL, args: readonly string[]) {
    this.#child = fork(fileURLToPath(script), args, { execArgv: [], env: { ...process.env, NODE_ENV: 'production' } });
  }

  /** Resolves when it listens. */
  static async start(script: URL, ...args: readonly string[]): Promise<MeasuredServer> {
    const server = new MeasuredServer(script, args);
    server.#port = (await server.#hear<{ port: number }>()).port;
    return server;
  }

  async microsPerRequest({ paths, requests, connections, status }: MeasuredLoad): Promise<number> {
    const before = await this.#cpu();
    await load(this.#port, paths, requests, connections, status);
    return ((await this.#cpu()) - before) / requests;
  }

  stop(): void {
    this.#child.disconnect();
  }

  async #cpu(): Promise<number> {
    const answer = this.#hear<{ cpuMicros: number }>();
    this.#child.send('cpu');
    return (await answer).cpuMicros;
  }

  #hear<T>(): Promise<T> {
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error('the server has ended'));
      this.#child.once('exit', ended);
      this.#child.once('message', (message) => {
        this.#child.off('exit', ended);
        resolve(message as T);
      });
      if (this.#child.exitCode !== null) ended();
    });
  }
}

export interface Samples {
  readonly ours: readonly number[];
  readonly peer: readonly number[];
}

/** Both sides in turns, after two rounds to warm up; who goes first changes, so that what one leaves behind hits both. */
export async function inTurns(rounds: number, ours: () => Promise<number>, peer: () => Promise<number>): Promise<Samples> {
  const samples = { ours: [] as number[], peer: [] as number[] };
  for (let round = -2; round < rounds; round++) {
    const oursFirst = round % 2 === 0;
    const first = await (oursFirst ? ours() : peer());
    const second = await (oursFirst ? peer() : ours());
    if (round < 0) continue;
    samples.ours.push(oursFirst ? first : second);
    samples.peer.push(oursFirst ? second : first);
  }
  return samples;
}
