// Server CPU per request: our full default inbound stack against the bare framework, on a JSON route with one parameter.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ratioRow, report } from './harness.js';
import type { Row } from './harness.js';
import { load } from './http/load.js';
import { onNode24, peersManifest } from './peers.js';

const ROUNDS = 9;
const REQUESTS = 15_000;
const PAIRS = [
  ['ferrule-express', 'express'],
  ['ferrule-koa', 'koa'],
] as const;
/** A decorated controller behind a container. */
const DECORATED: readonly string[] = ['ferrule', 'nest', 'inversify', 'routing-controllers'];
const BARS: Readonly<Record<number, number>> = { 1: 1.05, 200: 0.8 };

class Server {
  readonly #child: ChildProcess;
  readonly #paths: readonly string[];
  #port = 0;

  constructor(kind: string, routes: number) {
    this.#paths = Array.from({ length: routes }, (_, index) => `/hello${index}/bob`);
    const [script, args] = DECORATED.includes(kind)
      ? ['startup/app.js', [kind, peersManifest()]]
      : ['http/server.js', [kind, String(routes), peersManifest()]];
    this.#child = fork(fileURLToPath(new URL(script, import.meta.url)), args, { env: { ...process.env, NODE_ENV: 'production' } });
  }

  async ready(): Promise<this> {
    this.#port = (await this.#hear<{ port: number }>()).port;
    return this;
  }

  async microsPerRequest(requests: number): Promise<number> {
    const before = await this.#cpu();
    await load(this.#port, this.#paths, requests);
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
      this.#child.once('message', (message) => resolve(message as T));
      if (this.#child.exitCode !== null) reject(new Error('the server has ended'));
    });
  }
}

async function compare(ours: string, bare: string, routes: number, limit: number | undefined): Promise<Row> {
  const mine = await new Server(ours, routes).ready();
  const peer = await new Server(bare, routes).ready();
  const samples = { ours: [] as number[], peer: [] as number[] };
  for (let round = -2; round < ROUNDS; round++) {
    const pair = round % 2 === 0 ? ([mine, peer] as const) : ([peer, mine] as const);
    const first = await pair[0].microsPerRequest(REQUESTS);
    const second = await pair[1].microsPerRequest(REQUESTS);
    if (round < 0) continue;
    samples.ours.push(pair[0] === mine ? first : second);
    samples.peer.push(pair[0] === mine ? second : first);
  }
  mine.stop();
  peer.stop();
  return ratioRow(`${ours} / ${bare}, ${routes} ${routes === 1 ? 'route' : 'routes'} (µs CPU)`, samples.ours, samples.peer, limit);
}

// The figures of the frameworks that the bars come from are of Node 24; `--here` stays on the Node that runs this.
if (!process.argv.includes('--here')) onNode24(import.meta.url);
const rows: Row[] = [];
for (const routes of [1, 200]) for (const [ours, bare] of PAIRS) rows.push(await compare(ours, bare, routes, BARS[routes]));
rows.push(await compare('ferrule', 'ferrule-express', 1, 1.05));
for (const peer of ['express', 'nest', 'inversify', 'routing-controllers']) rows.push(await compare(peer, 'express', 1, undefined));
report('http', rows);
