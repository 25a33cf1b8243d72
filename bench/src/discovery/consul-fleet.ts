// Several processes that watch many services of one Consul: what they cost, how soon they see a change, and what they do without Consul.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface WatcherCounts {
  /** Requests to Consul. */
  readonly attempts: number;
  /** Services that were stale or failed while Consul was there. */
  readonly errors: number;
  readonly calls: number;
  readonly failed: number;
  /** The most connections to Consul at a time. */
  readonly sockets: number;
  readonly cpuMs: number;
}

/** Every message is answered with the counts. */
export type ToWatcher = { readonly type: 'counts' } | { readonly type: 'away'; readonly on: boolean };
export type FromWatcher =
  | { readonly type: 'ready' }
  | { readonly type: 'seen'; readonly turn: number; readonly at: number }
  | { readonly type: 'fresh'; readonly service: string; readonly at: number }
  | { readonly type: 'counts'; readonly counts: WatcherCounts };

/** Ms since the epoch, to be compared between processes of one machine. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

export class Watcher {
  /** By turn, when it was seen. */
  readonly seen = new Map<number, number>();
  /** When services were fresh again, in order. */
  readonly fresh: number[] = [];
  readonly #child: ChildProcess;
  readonly #ready: Promise<void>;
  readonly #answers: ((counts: WatcherCounts) => void)[] = [];

  constructor(address: string, services: number) {
    this.#child = fork(fileURLToPath(new URL('consul-watcher.js', import.meta.url)), [address, String(services)]);
    this.#ready = new Promise((resolve, reject) => {
      this.#child.once('exit', () => reject(new Error('A watcher has ended')));
      this.#child.on('message', (message: FromWatcher) => {
        if (message.type === 'ready') resolve();
        else if (message.type === 'seen') this.seen.set(message.turn, message.at);
        else if (message.type === 'fresh') this.fresh.push(message.at);
        else this.#answers.shift()?.(message.counts);
      });
    });
  }

  ready(): Promise<void> {
    return this.#ready;
  }

  tell(message: ToWatcher = { type: 'counts' }): Promise<WatcherCounts> {
    return new Promise((resolve) => {
      this.#answers.push(resolve);
      this.#child.send(message);
    });
  }

  async end(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
