import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { peersManifest } from '../peers.js';
import type { FromNode, ToNode } from './protocol.js';

export const PER_SECOND = 300;

/** An upstream in a process of its own. */
export class Upstream {
  #child: ChildProcess;
  readonly #kind: string;
  readonly #index: number;
  port = 0;

  constructor(kind: string, index: number, ports: readonly number[]) {
    this.#kind = kind;
    this.#index = index;
    this.#child = this.#start(ports);
  }

  #start(ports: readonly number[]): ChildProcess {
    return fork(fileURLToPath(new URL('node.js', import.meta.url)), [
      this.#kind,
      `node-${this.#index}`,
      String(ports[this.#index] ?? 0),
      peersManifest(),
      ports.join(','),
    ]);
  }

  async ready(): Promise<void> {
    const message = await this.#next();
    if (message.type === 'ready') this.port = message.port;
  }

  async ask(message: ToNode): Promise<number> {
    if (!this.#child.connected) return 0;
    const answer = this.#next();
    this.#child.send(message);
    const heard = await answer;
    return heard.type === 'hits' ? heard.hits : 0;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Nothing of it runs for so long; its kernel still takes connections. */
  async freeze(ms: number): Promise<void> {
    this.#child.kill('SIGSTOP');
    await wait(ms);
    this.#child.kill('SIGCONT');
  }

  /** Ends as a plain service does, within a second, and comes back at the same port. */
  async restart(): Promise<void> {
    const old = this.#child;
    const gone = new Promise((resolve) => old.once('exit', resolve));
    old.kill('SIGTERM');
    const force = setTimeout(() => old.kill('SIGKILL'), 1_000);
    await gone;
    clearTimeout(force);
    const ports: number[] = [];
    ports[this.#index] = this.port;
    this.#child = this.#start(ports);
    await this.ready();
  }

  #next(): Promise<FromNode> {
    return new Promise((resolve, reject) => {
      this.#child.once('message', (message) => resolve(message as FromNode));
      if (this.#child.exitCode !== null) reject(new Error('the server has ended'));
    });
  }
}

export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** `count` calls, 300 a second, evenly spread, whether or not the earlier ones were answered; resolves when all have ended. */
export async function drive(
  call: () => Promise<unknown>,
  count: number,
  onSent?: (index: number) => void,
): Promise<{ failed: number; latenciesMs: number[] }> {
  const latenciesMs: number[] = [];
  let failed = 0;
  const running: Promise<void>[] = [];
  const started = performance.now();
  for (let index = 0; index < count;) {
    const due = Math.min(count, Math.floor(((performance.now() - started) / 1_000) * PER_SECOND) + 1);
    for (; index < due; index++) {
      const at = performance.now();
      onSent?.(index);
      running.push(
        call().then(
          () => void latenciesMs.push(performance.now() - at),
          () => {
            failed++;
            latenciesMs.push(performance.now() - at);
          },
        ),
      );
    }
    await wait(1);
  }
  await Promise.all(running);
  return { failed, latenciesMs };
}
