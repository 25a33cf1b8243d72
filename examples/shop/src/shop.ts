import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { EndpointReport, Fault, FromProcess, ToProcess } from './messages.js';

export interface ShopOptions {
  /** Where the processes find each other; see registry.ts. */
  readonly registry: string;
  /** Round robin and no policy at the gateway, to see the difference. */
  readonly naive: boolean;
  readonly onEvent: (text: string) => void;
}

interface Member {
  readonly name: string;
  readonly service: 'orders' | 'users';
  readonly host: 'express' | 'koa';
  child: ChildProcess | undefined;
}

/** The processes of the shop, and what can be done to them. */
export class Shop {
  readonly #options: ShopOptions;
  readonly #members = new Map<string, Member>();
  #gateway: ChildProcess | undefined;
  #gatewayPort = 0;

  constructor(options: ShopOptions) {
    this.#options = options;
    for (const [name, service, host] of [
      ['orders-1', 'orders', 'express'],
      ['orders-2', 'orders', 'express'],
      ['orders-3', 'orders', 'koa'],
      ['orders-4', 'orders', 'koa'],
      ['users-1', 'users', 'express'],
      ['users-2', 'users', 'koa'],
    ] as const) {
      this.#members.set(name, { name, service, host, child: undefined });
    }
  }

  get gatewayPort(): number {
    return this.#gatewayPort;
  }

  /** The names of those that run now. */
  names(): readonly string[] {
    return [...this.#members.values()].filter((member) => member.child !== undefined).map((member) => member.name);
  }

  hostOf(name: string): string {
    return this.#members.get(name)?.host ?? '';
  }

  async open(): Promise<void> {
    await Promise.all([...this.#members.values()].map((member) => this.#start(member)));
    const gateway = this.#fork('gateway.js', ['--registry', this.#options.registry, ...(this.#options.naive ? ['--naive'] : [])]);
    this.#gateway = gateway;
    this.#gatewayPort = (await readiness(gateway)).port;
  }

  fault(name: string, fault: Fault, words: string): void {
    this.#options.onEvent(`${name} ${words}`);
    send(this.#running(name), { type: 'fault', fault });
  }

  kill(name: string): void {
    this.#options.onEvent(`${name} is killed with SIGKILL`);
    const member = this.#members.get(name)!;
    this.#running(name).kill('SIGKILL');
    member.child = undefined;
  }

  async join(name: string): Promise<void> {
    const member: Member = { name, service: 'orders', host: 'koa', child: undefined };
    this.#members.set(name, member);
    await this.#start(member);
    this.#options.onEvent(`${name} joins`);
  }

  /** Asks it to stop as a platform would, waits for its end, and starts it anew. */
  async restart(name: string): Promise<void> {
    const member = this.#members.get(name)!;
    const child = this.#running(name);
    this.#options.onEvent(`${name} restarts gracefully`);
    await ended(child, () => child.kill('SIGTERM'));
    await this.#start(member);
  }

  /** What the gateway has seen of its endpoints since it was asked last. */
  async endpoints(): Promise<readonly EndpointReport[]> {
    const gateway = this.#gateway;
    if (gateway?.connected !== true) return [];
    return new Promise((resolve) => {
      const heard = (message: FromProcess): void => {
        if (message.type !== 'endpoints') return;
        gateway.off('message', heard);
        resolve(message.endpoints);
      };
      gateway.on('message', heard);
      send(gateway, { type: 'report' });
    });
  }

  async close(): Promise<void> {
    const children = [this.#gateway, ...[...this.#members.values()].map((member) => member.child)].filter((child) => child !== undefined);
    await Promise.all(children.map((child) => ended(child, () => child.kill('SIGTERM'))));
  }

  /** For an end without ceremony: nothing may outlive the demo. */
  killAll(): void {
    this.#gateway?.kill('SIGKILL');
    for (const member of this.#members.values()) member.child?.kill('SIGKILL');
  }

  async #start(member: Member): Promise<void> {
    const child = this.#fork('instance.js', [
      '--registry',
      this.#options.registry,
      '--service',
      member.service,
      '--host',
      member.host,
      '--name',
      member.name,
    ]);
    member.child = child;
    await readiness(child);
  }

  #running(name: string): ChildProcess {
    const child = this.#members.get(name)?.child;
    if (child === undefined) throw new Error(`${name} is not running; running are ${this.names().join(', ')}`);
    return child;
  }

  #fork(script: string, args: readonly string[]): ChildProcess {
    return fork(fileURLToPath(new URL(script, import.meta.url)), args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  }
}

function send(child: ChildProcess, message: ToProcess): void {
  child.send(message);
}

function readiness(child: ChildProcess): Promise<{ port: number }> {
  return new Promise((resolve, reject) => {
    child.on('message', (message: FromProcess) => {
      if (message.type === 'ready') resolve({ port: message.port });
    });
    child.once('exit', (code, signal) => reject(new Error(`a process of the shop ended (${code ?? signal}) before it was ready`)));
  });
}

function ended(child: ChildProcess, ask: () => void): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    ask();
  });
}
