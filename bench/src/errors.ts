// Server CPU from a throw in a handler to the reply: problem+json against the framework's own default handler, logging off on both sides.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Thrown } from './errors/thrown.js';
import { ratioRow, report } from './harness.js';
import type { Row } from './harness.js';
import { load } from './http/load.js';
import { onNode24, peersManifest } from './peers.js';

const ROUNDS = 11;
const REQUESTS = 12_000;
const CONNECTIONS = 32;
const BAR = 1.1;
const HOSTS = ['express', 'koa'] as const;
/** What is thrown by both sides, and what it is answered with. */
const THROWN: readonly (readonly [kind: Thrown, status: number])[] = [
  ['error', 500],
  ['http-error', 404],
];

class Server {
  readonly #child: ChildProcess;
  #port = 0;

  constructor(kind: string) {
    const script = fileURLToPath(new URL('errors/server.js', import.meta.url));
    this.#child = fork(script, [kind, peersManifest()], { env: { ...process.env, NODE_ENV: 'production' } });
  }

  async ready(): Promise<this> {
    this.#port = (await this.#hear<{ port: number }>()).port;
    return this;
  }

  async microsPerRequest(kind: string, status: number): Promise<number> {
    const before = await this.#cpu();
    await load(this.#port, [`/${kind}/bob`], REQUESTS, CONNECTIONS, status);
    return ((await this.#cpu()) - before) / REQUESTS;
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
      this.#child.once('message', (message) => resolve(message as T));
      if (this.#child.exitCode !== null) reject(new Error('the server has ended'));
    });
  }
}

async function compare(host: (typeof HOSTS)[number], kind: Thrown, status: number): Promise<Row> {
  const mine = await new Server(`ferrule-${host}`).ready();
  const peer = await new Server(host).ready();
  const samples = { ours: [] as number[], peer: [] as number[] };
  // Two rounds to warm up; who goes first changes, so that what one leaves behind hits both.
  for (let round = -2; round < ROUNDS; round++) {
    const first = round % 2 === 0 ? mine : peer;
    const ofFirst = await first.microsPerRequest(kind, status);
    const ofSecond = await (first === mine ? peer : mine).microsPerRequest(kind, status);
    if (round < 0) continue;
    samples.ours.push(first === mine ? ofFirst : ofSecond);
    samples.peer.push(first === mine ? ofSecond : ofFirst);
  }
  mine.stop();
  peer.stop();
  return ratioRow(`${host}, ${kind} to ${status} (µs CPU)`, samples.ours, samples.peer, BAR);
}

// The bar is of Node 24; `--here` stays on the Node that runs this.
if (!process.argv.includes('--here')) onNode24(import.meta.url);
const rows: Row[] = [];
for (const [kind, status] of THROWN) for (const host of HOSTS) rows.push(await compare(host, kind, status));
report('errors', rows);
